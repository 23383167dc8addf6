"""DukeMTMC-reID with the bag of tricks (BoT).

Paper: Luo et al., Bag of Tricks and A Strong Baseline for Deep Person Re-identification, 2019 (arXiv 1903.07071).
Reference: FastReID's model zoo, one V100, ImageNet weights; Rank-1, mAP and mINP in %, and what makes the row:
    R50        87.2  77.0  42.1   this file
    R50-ibn    89.3  79.6  45.2   --model.backbone.ibn True
    S50        90.0  80.1  45.8   bot("duke_bot_s50", DukeMTMC(), backbone=ResNeSt(pretrained="imagenet"))
    R101-ibn   91.2  81.2  47.5   --model.backbone.ibn True --model.backbone.depth 101
Ours: not measured.
Data: withdrawn by its authors and not downloaded; it is read from where you have it,
      ROOT/DukeMTMC-reID/{bounding_box_train,query,bounding_box_test}.
Time: 120 epochs of 258 steps of 64 images at 256×128; a GPU is needed in practice.

    python -m keras_reid.fit experiments/duke_bot.py --data.root ROOT
"""

from keras_reid.data import DukeMTMC
from keras_reid.recipes import bot

experiment = bot("duke_bot", DukeMTMC())
