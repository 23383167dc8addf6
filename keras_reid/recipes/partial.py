"""Recipe made for partial and occluded persons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras_reid import experiment as ex
from keras_reid.data import (
    Market1501,
    OccludedREID,
    PartialiLIDS,
    PartialQueries,
    PartialREID,
)
from keras_reid.data.augmentation import Flip, PadCrop
from keras_reid.recipes.persons import bot

if TYPE_CHECKING:
    from keras_reid.experiment.schema import Experiment


def partial(
    name: str = "partial",
    dataset: Any = None,
    depth: int = 50,
    ibn: bool = True,
    pretrained: str | None = "imagenet",
    backbone: Any = None,
) -> Experiment:
    """Foreground feature and DSR: whole images to train on, images of parts to test on.

    The share of DSR is chosen on the test part of the training set, 100 identities of it, with bands cut out of its
    queries. The tests are Partial-REID, Occluded-REID and Partial-iLIDS; replace `data.test_datasets` for others.

    Args:
        name: names the run.
        dataset: a data set reader; `Market1501()` if None.
        depth: layers of the ResNet.
        ibn: whether it has instance-batch normalisation.
        pretrained: what it starts from: "imagenet", None, or the path of a weights file.
        backbone: another backbone instead, taken as it is, that gives one feature map.

    Example:
        >>> partial().evaluation.metric
        'dsr'

    Source: He et al., Foreground-aware Pyramid Reconstruction for Alignment-free Occluded Person Re-identification,
    2019; FastReID's configuration. Deliberate difference: the original searches the share on the test set.
    """
    dataset = dataset or Market1501()
    return bot(name, dataset, depth, ibn, pretrained, backbone).with_changes(
        {
            "data.test_datasets": (PartialREID(), OccludedREID(), PartialiLIDS()),
            "data.sampler.identities_per_batch": 64,
            "data.augmentation": (PadCrop(padding=10), Flip(probability=0.5)),
            "model.pooling": ex.NoPooling(),
            "model.head": ex.PartialHead(),
            "model.image_size": (384, 128),
            "losses.cross_entropy.label_smoothing": 0.12,
            "losses.triplet.mining": "weighted",
            "optimizer.learning_rate": 7e-4,
            "schedule": ex.Cosine(delay_epochs=20, floor=7e-7, warmup_steps=500, warmup_factor=0.1),
            "training.epochs": 60,
            "evaluation.every": 10,
            "evaluation.metric": "dsr",
            "evaluation.dsr_validation": PartialQueries(dataset, identities=100),
        }
    )
