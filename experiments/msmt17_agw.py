"""MSMT17 with attention, GeM and weighted triplets (AGW).

Paper: Ye et al., Deep Learning for Person Re-identification: A Survey and Outlook, 2021 (arXiv 2001.04193).
Reference: FastReID's model zoo, one V100, ImageNet weights; Rank-1, mAP and mINP in %, and what makes the row:
    R50        78.3  55.6  12.9   this file
    R50-ibn    81.2  59.7  15.3   --model.backbone.ibn True
    S50        82.6  62.6  17.7   agw("msmt17_agw_s50", MSMT17(), backbone=ResNeSt(pretrained="imagenet"))
    R101-ibn   82.0  61.4  17.3   --model.backbone.ibn True --model.backbone.depth 101
Ours: not measured.
Data: withdrawn by its authors and not downloaded; it is read from where you have it, ROOT/MSMT17_V1 or
      ROOT/MSMT17_V2 with its four lists.
Time: 120 epochs of 472 steps of 64 images at 256×128; a GPU is needed in practice.

    python -m keras_reid.fit experiments/msmt17_agw.py --data.root ROOT
"""

from keras_reid.data import MSMT17
from keras_reid.recipes import agw

experiment = agw("msmt17_agw", MSMT17())
