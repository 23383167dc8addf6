"""Market-1501 with TransReID: ViT-B/16 on overlapping patches, with cameras and a jigsaw branch.

Paper: He et al., TransReID: Transformer-based Object Re-Identification, 2021 (arXiv 2102.04378).
Reference: the authors' repository, Rank-1 and mAP in %, tested with the camera of each image: 95.1 and 89.0; their ViT
    without strides, cameras and jigsaw, 94.6 and 87.1.
Ours: not measured.
Weights: timm's jx_vit_base_p16_224-80ecf9dd.pth, in the working directory or where --model.backbone.pretrained says:
    https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-vitjx/jx_vit_base_p16_224-80ecf9dd.pth
Data: ROOT/Market-1501-v15.09.15/{bounding_box_train,query,bounding_box_test}, which you must have obtained yourself.
Time: 120 epochs of 202 steps of 64 images at 256×128; a GPU with 12 GB in the original.

    python -m keras_reid.fit experiments/market_transreid.py --data.root ROOT
"""

from keras_reid.data import Market1501
from keras_reid.recipes import transreid

experiment = transreid("market_transreid", Market1501(), num_cameras=6)
