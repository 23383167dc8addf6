"""Market-1501 with the bag of tricks (BoT).

Paper: Luo et al., Bag of Tricks and A Strong Baseline for Deep Person Re-identification, 2019 (arXiv 1903.07071).
Reference: FastReID's model zoo, one V100, ImageNet weights; Rank-1, mAP and mINP in %, and what makes the row:
    R50        94.4  86.1  59.4   this file
    R50-ibn    94.9  87.6  64.1   --model.backbone.ibn True
    S50        95.2  88.7  66.9   bot("market_bot_s50", Market1501(), backbone=ResNeSt(pretrained="imagenet"))
    R101-ibn   95.4  88.9  67.4   --model.backbone.ibn True --model.backbone.depth 101
Ours: not measured.
Data: ROOT/Market-1501-v15.09.15/{bounding_box_train,query,bounding_box_test}, which you must have obtained yourself.
Time: 120 epochs of 202 steps of 64 images at 256×128; a GPU is needed in practice.

    python -m keras_reid.fit experiments/market_bot.py --data.root ROOT
"""

from keras_reid.data import Market1501
from keras_reid.recipes import bot

experiment = bot("market_bot", Market1501())
