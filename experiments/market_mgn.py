"""Market-1501 with the multiple granularity network (MGN).

Paper: Wang et al., Learning Discriminative Features with Multiple Granularities for Person
       Re-identification, 2018 (arXiv 1804.01438).
Reference: FastReID's model zoo, one V100, ImageNet weights; Rank-1, mAP and mINP in %, and what makes the row:
    R50-ibn    95.8  89.8  67.7   this file
The original has this row alone.
Ours: not measured.
Data: ROOT/Market-1501-v15.09.15/{bounding_box_train,query,bounding_box_test}, which you must have obtained yourself.
Time: 60 epochs of 202 steps of 64 images at 384×128; a GPU is needed in practice.

    python -m keras_reid.fit experiments/market_mgn.py --data.root ROOT
"""

from keras_reid.data import Market1501
from keras_reid.recipes import mgn

experiment = mgn("market_mgn", Market1501(), ibn=True)
