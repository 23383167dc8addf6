"""Market-1501 with the stronger baseline (SBS).

Paper: He et al., FastReID: A Pytorch Toolbox for General Instance Re-identification, 2020 (arXiv 2006.02631).
Reference: FastReID's model zoo, one V100, ImageNet weights; Rank-1, mAP and mINP in %, and what makes the row:
    R50        95.4  88.2  64.8   this file
    R50-ibn    95.7  89.3  67.5   --model.backbone.ibn True
    S50        95.8  89.4  67.6   sbs("market_sbs_s50", Market1501(), backbone=ResNeSt(pretrained="imagenet"))
    R101-ibn   96.3  90.3  70.0   --model.backbone.ibn True --model.backbone.depth 101
Ours: not measured.
Data: ROOT/Market-1501-v15.09.15/{bounding_box_train,query,bounding_box_test}, which you must have obtained yourself.
Time: 60 epochs of 202 steps of 64 images at 384×128; a GPU is needed in practice.

    python -m keras_reid.fit experiments/market_sbs.py --data.root ROOT
"""

from keras_reid.data import Market1501
from keras_reid.recipes import sbs

experiment = sbs("market_sbs", Market1501())
