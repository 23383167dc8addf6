"""Makes Keras models of published files."""

from __future__ import annotations

import os
import warnings
from typing import Any

from keras_reid.utils.errors import UserError
from keras_reid.zoo.registry import PIXELS, Row


def build(row: Row, file: str | os.PathLike[str]) -> Any:
    """The `ReIDModel` of a published file, refused unless every weight finds its place.

    A backbone gets a head without weights: its embedding is the mean over all positions.

    Args:
        row: of the registry, or one that describes a file from elsewhere, with the builder "file".
        file: the weights.

    Raises:
        UserError: the file cannot be read, or is that of another network.
    """
    from keras_reid import weights

    try:
        if row.builder == "fastreid":
            return weights.build_fastreid(file, row.config)
        if row.builder == "torchreid":
            return weights.build_torchreid(file, row.image_size or (256, 128))
        if row.builder == "transreid":
            return _transreid(row, file)
        if row.builder == "backbone":
            return _with_mean(row, weights.build_backbone(file, row.image_size or (256, 128)))
        return weights.build_whole_model(file)
    except UserError as error:
        raise UserError(f"{row.name}: {error}") from error


def _transreid(row, file):
    """Without the warning that lists what the weights do not tell: the registry tells it."""
    from keras_reid import weights

    mean, std = PIXELS[row.pixels or "half"]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The weights do not tell these values", UserWarning)
        return weights.build_transreid(
            file, row.image_size, **(row.config or {}), pixel_mean=mean, pixel_std=std
        )


def _with_mean(row, backbone):
    import keras

    from keras_reid.heads import LinearHead
    from keras_reid.models import ReIDModel

    mean, std = PIXELS[row.pixels or "imagenet"]
    pooling = keras.layers.GlobalAveragePooling2D(data_format="channels_last")
    return ReIDModel(backbone, pooling, LinearHead(1), row.image_size or (256, 128), mean, std)
