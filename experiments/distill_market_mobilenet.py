"""Market-1501: MobileNetV2 that learns from a ResNet-101-ibn, with the bag of tricks (BoT).

Paper: He et al., FastReID: A Pytorch Toolbox for General Instance Re-identification, 2020 (arXiv 2006.02631).
Reference: none for this student; distill_market.py has those of ResNets, and the teacher.
Ours: not measured.
Data: ROOT/Market-1501-v15.09.15/{bounding_box_train,query,bounding_box_test}, which you must have obtained yourself.
Time: 120 epochs of 202 steps of 64 images at 256×128; a GPU is needed in practice. The teacher sees each training image
      once; for a forward pass in every step, on the augmented image: --distillation.teacher-input augmented.

    python -m keras_reid.fit experiments/distill_market_mobilenet.py --data.root ROOT
"""

from keras_reid import experiment as ex
from keras_reid.recipes import bot

base = bot("distill_market_mobilenet", backbone=ex.MobileNetV2(width=1.0, pretrained="imagenet"))
experiment = base.with_changes(
    {
        "distillation.teachers": ("runs/market_teacher",),
        "distillation.logit_loss.kind": "kl",
        "distillation.teacher_input": "plain",
    }
)
