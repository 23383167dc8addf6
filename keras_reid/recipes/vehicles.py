"""Recipes made for vehicles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras_reid import experiment as ex
from keras_reid.data import BalancedIdentitySampler, VehicleID, VeRi
from keras_reid.recipes.persons import bot, sbs

if TYPE_CHECKING:
    from keras_reid.experiment.schema import Experiment


def vehicle_bot(
    name: str = "vehicle_bot",
    dataset: Any = None,
    depth: int = 50,
    ibn: bool = True,
    pretrained: str | None = "imagenet",
    backbone: Any = None,
) -> Experiment:
    """BoT for vehicles: square images, AGW's pooling and triplet, 512 images a batch, 60 epochs.

    Args:
        name: names the run.
        dataset: a data set reader; `VehicleID()` if None.
        depth: layers of the ResNet.
        ibn: whether it has instance-batch normalisation.
        pretrained: what it starts from: "imagenet", None, or the path of a weights file.
        backbone: another backbone instead, taken as it is.

    Example:
        >>> vehicle_bot().model.image_size
        (256, 256)

    Source: FastReID's configuration for VehicleID, made for four GPUs.
    """
    return bot(name, dataset or VehicleID(), depth, ibn, pretrained, backbone).with_changes(
        {
            "data.sampler.identities_per_batch": 128,
            "model.pooling": ex.GeM(p=3.0, learnable=False),
            "model.image_size": (256, 256),
            "losses.triplet.margin": 0.0,
            "losses.triplet.mining": "weighted",
            "schedule.milestones": (30, 50),
            "training.epochs": 60,
            "evaluation.every": 20,
        }
    )


def vehicle_sbs(
    name: str = "vehicle_sbs",
    dataset: Any = None,
    depth: int = 50,
    ibn: bool = True,
    pretrained: str | None = "imagenet",
    backbone: Any = None,
) -> Experiment:
    """SBS for vehicles: square images, identities in equal shares, SGD, a longer warm-up and freezing.

    Arguments as for `vehicle_bot`; `VeRi()` if no data set is given.

    Example:
        >>> vehicle_sbs().optimizer.learning_rate
        0.01

    Source: FastReID's configuration for VeRi-776.
    """
    return sbs(name, dataset or VeRi(), depth, ibn, pretrained, backbone).with_changes(
        {
            "data.sampler": BalancedIdentitySampler(identities_per_batch=4, images_per_identity=16),
            "model.image_size": (256, 256),
            "optimizer": ex.SGD(learning_rate=0.01, momentum=0.9, l2=5e-4),
            "schedule.floor": 7.7e-5,
            "schedule.warmup_steps": 3000,
            "training.freeze_backbone_steps": 3000,
            "evaluation.batch_size": 256,
        }
    )
