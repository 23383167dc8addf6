"""DukeMTMC-reID with the stronger baseline (SBS) and its circle softmax.

Paper: He et al., FastReID: A Pytorch Toolbox for General Instance Re-identification, 2020 (arXiv 2006.02631).
Reference: FastReID's model zoo, one V100, ImageNet weights; Rank-1, mAP and mINP in %, and what makes the row:
    R50        90.3  80.3  46.5   this file
    R50-ibn    90.8  81.2  47.0   --model.backbone.ibn True
    S50        91.0  81.4  47.6   sbs("duke_circle_s50", DukeMTMC(), backbone=ResNeSt(pretrained="imagenet"))
    R101-ibn   91.9  83.6  51.5   --model.backbone.ibn True --model.backbone.depth 101
Ours: not measured.
Data: withdrawn by its authors and not downloaded; it is read from where you have it,
      ROOT/DukeMTMC-reID/{bounding_box_train,query,bounding_box_test}.
Time: 60 epochs of 258 steps of 64 images at 384×128; a GPU is needed in practice.

    python -m keras_reid.fit experiments/duke_circle.py --data.root ROOT
"""

from keras_reid.data import DukeMTMC
from keras_reid.recipes import sbs

experiment = sbs("duke_circle", DukeMTMC())
