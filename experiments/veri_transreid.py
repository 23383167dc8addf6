"""VeRi-776 with TransReID: ViT-B/16 on overlapping patches, with cameras and a jigsaw branch.

Paper: He et al., TransReID: Transformer-based Object Re-Identification, 2021 (arXiv 2102.04378).
Reference: the authors' repository, Rank-1 and mAP in %, tested with the camera and the viewpoint of each image: 97.4
    and 82.1; their ViT without strides, cameras, viewpoints and jigsaw, 96.6 and 79.0.
Ours: not measured. Without viewpoints, which are not in the data set but in a file of other authors.
Weights: timm's jx_vit_base_p16_224-80ecf9dd.pth, in the working directory or where --model.backbone.pretrained says:
    https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-vitjx/jx_vit_base_p16_224-80ecf9dd.pth
Data: ROOT/veri/{image_train,image_query,image_test}, which its authors give on request.
Time: 120 epochs of 590 steps of 64 images at 256×256; a GPU is needed in practice.

    python -m keras_reid.fit experiments/veri_transreid.py --data.root ROOT
"""

from keras_reid.data import VeRi
from keras_reid.recipes import transreid

experiment = transreid("veri_transreid", VeRi(), num_cameras=20).with_changes(
    {
        "model.backbone.shift": 8,
        "model.image_size": (256, 256),
        "optimizer.learning_rate": 0.01,
        "schedule.floor": 2e-5,
        "schedule.warmup_steps": 2950,  # 5 epochs
    }
)
