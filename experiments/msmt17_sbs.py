"""MSMT17 with the stronger baseline (SBS).

Paper: He et al., FastReID: A Pytorch Toolbox for General Instance Re-identification, 2020 (arXiv 2006.02631).
Reference: FastReID's model zoo, one V100, ImageNet weights; Rank-1, mAP and mINP in %, and what makes the row:
    R50        81.8  58.4  13.9   this file
    R50-ibn    83.9  60.6  15.2   --model.backbone.ibn True
    S50        84.1  61.7  15.2   sbs("msmt17_sbs_s50", MSMT17(), backbone=ResNeSt(pretrained="imagenet"))
    R101-ibn   84.8  62.8  16.3   --model.backbone.ibn True --model.backbone.depth 101
Ours: not measured.
Data: withdrawn by its authors and not downloaded; it is read from where you have it, ROOT/MSMT17_V1 or
      ROOT/MSMT17_V2 with its four lists.
Time: 60 epochs of 472 steps of 64 images at 384×128; a GPU is needed in practice.

    python -m keras_reid.fit experiments/msmt17_sbs.py --data.root ROOT
"""

from keras_reid.data import MSMT17
from keras_reid.recipes import sbs

experiment = sbs("msmt17_sbs", MSMT17())
