"""Market-1501 with attention, GeM and weighted triplets (AGW).

Paper: Ye et al., Deep Learning for Person Re-identification: A Survey and Outlook, 2021 (arXiv 2001.04193).
Reference: FastReID's model zoo, one V100, ImageNet weights; Rank-1, mAP and mINP in %, and what makes the row:
    R50        95.3  88.2  66.3   this file
    R50-ibn    95.1  88.7  67.1   --model.backbone.ibn True
    S50        95.3  89.3  68.5   agw("market_agw_s50", Market1501(), backbone=ResNeSt(pretrained="imagenet"))
    R101-ibn   95.5  89.5  69.5   --model.backbone.ibn True --model.backbone.depth 101
Ours: not measured.
Data: ROOT/Market-1501-v15.09.15/{bounding_box_train,query,bounding_box_test}, which you must have obtained yourself.
Time: 120 epochs of 202 steps of 64 images at 256×128; a GPU is needed in practice.

    python -m keras_reid.fit experiments/market_agw.py --data.root ROOT
"""

from keras_reid.data import Market1501
from keras_reid.recipes import agw

experiment = agw("market_agw", Market1501())
