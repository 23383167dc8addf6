"""MSMT17 with the bag of tricks (BoT).

Paper: Luo et al., Bag of Tricks and A Strong Baseline for Deep Person Re-identification, 2019 (arXiv 1903.07071).
Reference: FastReID's model zoo, one V100, ImageNet weights; Rank-1, mAP and mINP in %, and what makes the row:
    R50        74.1  50.2  10.4   this file
    R50-ibn    77.0  54.4  12.5   --model.backbone.ibn True
    S50        80.8  59.9  16.3   bot("msmt17_bot_s50", MSMT17(), backbone=ResNeSt(pretrained="imagenet"))
    R101-ibn   81.0  59.4  15.6   --model.backbone.ibn True --model.backbone.depth 101
Ours: not measured.
Data: withdrawn by its authors and not downloaded; it is read from where you have it, ROOT/MSMT17_V1 or
      ROOT/MSMT17_V2 with its four lists.
Time: 120 epochs of 472 steps of 64 images at 256×128; a GPU is needed in practice.

    python -m keras_reid.fit experiments/msmt17_bot.py --data.root ROOT
"""

from keras_reid.data import MSMT17
from keras_reid.recipes import bot

experiment = bot("msmt17_bot", MSMT17())
