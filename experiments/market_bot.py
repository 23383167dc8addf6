"""Market-1501 with the bag of tricks (BoT), ResNet-50.

Paper: Luo et al., Bag of Tricks and A Strong Baseline for Deep Person Re-identification, 2019 (arXiv 1903.07071).
Reference (FastReID's model zoo, one V100, ImageNet weights): Rank-1 94.4 %, mAP 86.1 %, mINP 59.4 %.
Ours: not measured. It starts from ImageNet weights, as the reference does.
Data: ROOT/Market-1501-v15.09.15/{bounding_box_train,query,bounding_box_test}, which you must have obtained yourself.
Time: a GPU is needed in practice: 120 epochs of 202 steps of 64 images at 256×128.

    python -m keras_reid.fit experiments/market_bot.py --data.root ROOT
"""

from keras_reid.data import Market1501
from keras_reid.recipes import bot

experiment = bot("market_bot", Market1501())
