"""Market-1501 with a vision transformer, ViT-B/16.

Paper: Dosovitskiy et al., An Image is Worth 16x16 Words, 2021 (arXiv 2010.11929).
Reference: none; FastReID has the configuration, but publishes no numbers for it.
Ours: not measured.
Weights: timm's jx_vit_base_p16_224-80ecf9dd.pth, in the working directory or where --model.backbone.pretrained says:
    https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-vitjx/jx_vit_base_p16_224-80ecf9dd.pth
Data: ROOT/Market-1501-v15.09.15/{bounding_box_train,query,bounding_box_test}, which you must have obtained yourself.
Time: 120 epochs of 202 steps of 64 images at 256×128; a GPU is needed in practice.

    python -m keras_reid.fit experiments/market_vit.py --data.root ROOT
"""

from keras_reid.data import Market1501
from keras_reid.recipes import vit

experiment = vit("market_vit", Market1501())
