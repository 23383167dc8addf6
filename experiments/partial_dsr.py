"""Partial and occluded persons: a foreground head and DSR, ResNet-50 with IBN, trained on whole images of Market-1501.

Paper: He et al., Foreground-aware Pyramid Reconstruction for Alignment-free Occluded Person Re-identification, ICCV
       2019; DSR: He et al., Deep Spatial Feature Reconstruction for Partial Person Re-identification, CVPR 2018.
Reference: FastReID's page of partial re-ID, ImageNet weights; Rank-1 and mAP in %, on Partial-REID, Occluded-REID and
Partial-iLIDS:
    DSR        73.7  68.1    72.8  62.8    64.3  58.1
    FPR        81.0  76.6    78.3  68.0    68.1  61.8
    FastReID   82.7  76.8    81.6  70.9    73.1  79.8
Its share of DSR is the best of 101 on the test set itself. Here it is chosen on 100 identities of Market-1501's test
part, with bands cut out of the queries, so that lower numbers are to be expected. For a fixed one, add
.with_changes({"evaluation.dsr_validation": None, "evaluation.dsr_lambda": 0.5}) to this file.
Ours: not measured.
Data: ROOT/Market-1501-v15.09.15/{bounding_box_train,query,bounding_box_test} and, to test on,
      ROOT/Partial_REID/{partial_body_images,whole_body_images}, ROOT/OccludedREID/{query,gallery} and
      ROOT/PartialiLIDS/{query,gallery}, which you must have obtained yourself.
Time: 60 epochs of 50 steps of 256 images at 384×128; a GPU is needed in practice.

    python -m keras_reid.fit experiments/partial_dsr.py --data.root ROOT
"""

from keras_reid.data import Market1501
from keras_reid.recipes import partial

experiment = partial("partial_dsr", Market1501())
