"""MSMT17 with the multiple granularity network (MGN).

Paper: Wang et al., Learning Discriminative Features with Multiple Granularities for Person
       Re-identification, 2018 (arXiv 1804.01438).
Reference: FastReID's model zoo, one V100, ImageNet weights; Rank-1, mAP and mINP in %, and what makes the row:
    R50-ibn    85.1  65.4  18.4   this file
The original has this row alone, without weights.
Ours: not measured.
Data: withdrawn by its authors and not downloaded; it is read from where you have it, ROOT/MSMT17_V1 or
      ROOT/MSMT17_V2 with its four lists.
Time: 60 epochs of 472 steps of 64 images at 384×128; a GPU is needed in practice.

    python -m keras_reid.fit experiments/msmt17_mgn.py --data.root ROOT
"""

from keras_reid.data import MSMT17
from keras_reid.recipes import mgn

experiment = mgn("msmt17_mgn", MSMT17(), ibn=True)
