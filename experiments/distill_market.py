"""Market-1501: ResNet-18-ibn that learns from a ResNet-101-ibn, with the bag of tricks (BoT).

Paper: He et al., FastReID: A Pytorch Toolbox for General Instance Re-identification, 2020 (arXiv 2006.02631).
Reference: FastReID's DistillReID; Rank-1 and mAP in %, distilled (alone), and the student's backbone here:
    teacher R101-ibn   95.43 88.95                  bot("market_teacher", depth=101, ibn=True)
    R18-ibn            93.85 85.77 (92.87 81.22)    this file
    R34-ibn            94.51 87.82 (94.63 84.91)    --model.backbone.depth 34
    R50-ibn            95.19 89.52 (95.25 88.16)    --model.backbone.depth 50
Ours: not measured.
Data: ROOT/Market-1501-v15.09.15/{bounding_box_train,query,bounding_box_test}, which you must have obtained yourself.
Time: 120 epochs of 202 steps of 64 images at 256×128; a GPU is needed in practice. The teacher sees each training image
      once; for a forward pass in every step, on the augmented image: --distillation.teacher-input augmented.

    python -m keras_reid.fit experiments/distill_market.py --data.root ROOT
"""

from keras_reid import experiment as ex
from keras_reid.recipes import bot

base = bot("distill_market", backbone=ex.ResNet(depth=18, ibn=True, pretrained="imagenet"))
experiment = base.with_changes(
    {
        "distillation.teachers": ("runs/market_teacher",),
        "distillation.logit_loss.kind": "kl",
        "distillation.teacher_input": "plain",
    }
)
