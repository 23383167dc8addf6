"""Recipes for vision transformers that FastReID does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras_reid import experiment as ex
from keras_reid.data.augmentation import Flip, PadCrop, RandomErasing
from keras_reid.recipes.persons import VIT_WEIGHTS, vit

if TYPE_CHECKING:
    from keras_reid.experiment.schema import Experiment


def transreid(
    name: str = "transreid",
    dataset: Any = None,
    depth: str = "base",
    num_cameras: int = 0,
    jigsaw: bool = True,
    pretrained: str | None = VIT_WEIGHTS,
    backbone: Any = None,
) -> Experiment:
    """TransReID: a vision transformer on overlapping patches that knows cameras, with a jigsaw branch.

    In training each image gets the embedding of its camera; anywhere else the camera is unknown, and the image gets the
    mean of all of them, unless the model is called with cameras.

    Args:
        name: names the run.
        dataset: a data set reader; `Market1501()` if None.
        depth: "base" (ViT-B/16) or "small".
        num_cameras: cameras of the training set, 6 for Market-1501; 0 for a network that knows none.
        jigsaw: whether a second last block sees four mixed parts of the patches.
        pretrained: path of a weights file, or None. The original starts from timm's
            jx_vit_base_p16_224-80ecf9dd.pth, which is not fetched: it is looked for in the working directory.
        backbone: another backbone instead, taken as it is, that gives five class tokens, or one without `jigsaw`; the
            arguments before it then say nothing.

    Example:
        >>> experiment = transreid(num_cameras=6, pretrained=None)
        >>> experiment.model.backbone.stride, experiment.model.head.num_parts
        ((12, 12), 4)

    Source: He et al., TransReID, 2021, and the authors' configuration with small strides for Market-1501. The original
    erases with noise instead of one colour, and changes the learning rate once an epoch.
    """
    if backbone is None:
        make = ex.JigsawViT if jigsaw else ex.ViT
        backbone = make(depth=depth, stride=(12, 12), num_cameras=num_cameras, pretrained=pretrained)
    grey = (127.5, 127.5, 127.5)
    return vit(name, dataset, backbone=backbone).with_changes(
        {
            "data.augmentation": (PadCrop(padding=10), Flip(), RandomErasing(probability=0.5, value=grey)),
            "model.pooling": ex.NoPooling(),
            "model.head": ex.ClassTokenHead(num_parts=4 if jigsaw else 0),
            "optimizer": ex.SGD(learning_rate=0.008, momentum=0.9, l2=1e-4, bias_learning_rate_factor=2.0),
            "evaluation.every": 20,
            "evaluation.batch_size": 256,
        }
    )
