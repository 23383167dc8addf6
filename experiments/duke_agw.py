"""DukeMTMC-reID with attention, GeM and weighted triplets (AGW).

Paper: Ye et al., Deep Learning for Person Re-identification: A Survey and Outlook, 2021 (arXiv 2001.04193).
Reference: FastReID's model zoo, one V100, ImageNet weights; Rank-1, mAP and mINP in %, and what makes the row:
    R50        89.0  79.9  46.1   this file
    R50-ibn    90.5  80.8  47.6   --model.backbone.ibn True
    S50        90.9  82.4  49.2   agw("duke_agw_s50", DukeMTMC(), backbone=ResNeSt(pretrained="imagenet"))
    R101-ibn   91.7  82.3  50.0   --model.backbone.ibn True --model.backbone.depth 101
Ours: not measured.
Data: withdrawn by its authors and not downloaded; it is read from where you have it,
      ROOT/DukeMTMC-reID/{bounding_box_train,query,bounding_box_test}.
Time: 120 epochs of 258 steps of 64 images at 256×128; a GPU is needed in practice.

    python -m keras_reid.fit experiments/duke_agw.py --data.root ROOT
"""

from keras_reid.data import DukeMTMC
from keras_reid.recipes import agw

experiment = agw("duke_agw", DukeMTMC())
