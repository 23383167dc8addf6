"""DukeMTMC-reID with the multiple granularity network (MGN).

Paper: Wang et al., Learning Discriminative Features with Multiple Granularities for Person
       Re-identification, 2018 (arXiv 1804.01438).
Reference: FastReID's model zoo, one V100, ImageNet weights; Rank-1, mAP and mINP in %, and what makes the row:
    R50-ibn    91.1  82.0  46.8   this file
The original has this row alone.
Ours: not measured.
Data: withdrawn by its authors and not downloaded; it is read from where you have it,
      ROOT/DukeMTMC-reID/{bounding_box_train,query,bounding_box_test}.
Time: 60 epochs of 258 steps of 64 images at 384×128; a GPU is needed in practice.

    python -m keras_reid.fit experiments/duke_mgn.py --data.root ROOT
"""

from keras_reid.data import DukeMTMC
from keras_reid.recipes import mgn

experiment = mgn("duke_mgn", DukeMTMC(), ibn=True)
