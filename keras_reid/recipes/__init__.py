"""The training recipes of FastReID as functions that return an `Experiment`.

Each has the original's exact values, with these exceptions. Precision is float32 unless asked otherwise; the original
trains all but `vit` and `retrieval` with mixed precision: `--training.precision mixed_float16` on a GPU. A checkpoint
is kept after every epoch. Milestones and cosine count epochs from the start, where the original's count those after the
warm-up: `--schedule.counting original`.

`adapt` and `transreid` are not among the original's files: they have the values of their papers' code. `adapt` starts
from an earlier run.

Like there, backbones start from ImageNet weights, which are fetched once; `--model.backbone.pretrained None` starts
from random ones.
"""

from keras_reid.recipes.adaptation import adapt
from keras_reid.recipes.partial import partial
from keras_reid.recipes.persons import agw, bot, mgn, sbs, vit
from keras_reid.recipes.retrieval import retrieval
from keras_reid.recipes.transformers import transreid
from keras_reid.recipes.vehicles import vehicle_bot, vehicle_sbs

__all__ = [
    "adapt",
    "agw",
    "bot",
    "mgn",
    "partial",
    "retrieval",
    "sbs",
    "transreid",
    "vehicle_bot",
    "vehicle_sbs",
    "vit",
]
