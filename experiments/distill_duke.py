"""DukeMTMC-reID: ResNet-34 that learns from a ResNet-101-ibn, with the stronger baseline (SBS).

Paper: He et al., FastReID: A Pytorch Toolbox for General Instance Re-identification, 2020 (arXiv 2006.02631).
Reference: FastReID's FastDistill, four GPUs; Rank-1 and mAP in %:
    teacher R101-ibn   90.66  81.14   sbs("duke_teacher", DukeMTMC(), depth=101, ibn=True)
    R34 alone          86.31  73.28   this file, --distillation.teachers
    R34 distilled      88.60  77.80   this file: Jensen-Shannon between the class scores
    and its features   88.73  78.25   not offered
Ours: not measured.
Data: withdrawn by its authors and not downloaded; it is read from where you have it,
      ROOT/DukeMTMC-reID/{bounding_box_train,query,bounding_box_test}.
Time: 60 epochs of 64 steps of 256 images at 256×128, and the teacher's forward pass in each; a GPU is needed.

    python -m keras_reid.fit experiments/distill_duke.py --data.root ROOT
"""

from keras_reid import experiment as ex
from keras_reid.data import DukeMTMC
from keras_reid.recipes import sbs

base = sbs("distill_duke", DukeMTMC(), backbone=ex.ResNet(depth=34, pretrained="imagenet"))
experiment = base.with_changes(
    {
        "data.sampler.identities_per_batch": 16,
        "model.image_size": (256, 128),
        "optimizer.learning_rate": 7e-4,
        "training.freeze_backbone_steps": 500,
        "distillation.teachers": ("runs/duke_teacher",),
        "distillation.pkt_weight": 0.0,
    }
)
