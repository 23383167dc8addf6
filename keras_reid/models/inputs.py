"""What a `ReIDModel` is given: images with their preprocessing, and labels."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from keras_reid.utils.hints import Tensor
from keras_reid.utils.labels import integers, whole_numbers

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


def preprocessing(
    backbone: keras.Model,
    metadata: Mapping[str, Any],
    image_size: Sequence[int] | None = None,
    pixel_mean: Sequence[float] | None = None,
    pixel_std: Sequence[float] | None = None,
) -> dict[str, Any]:
    """`{"image_size", "pixel_mean", "pixel_std"}`, JSON-able.

    What no argument says, the metadata do; what they do not, the backbone (mean and deviation, where it knows them);
    the rest is 256 × 128 pixels and ImageNet's.

    Raises:
        ValueError: if the values make no sense.
    """
    sizes = (image_size, metadata.get("image_size"), (256, 128))
    means = (pixel_mean, metadata.get("pixel_mean"), getattr(backbone, "pixel_mean", None), IMAGENET_MEAN)
    deviations = (pixel_std, metadata.get("pixel_std"), getattr(backbone, "pixel_std", None), IMAGENET_STD)
    image_size, pixel_mean, pixel_std = (
        next(choice for choice in choices if choice is not None) for choices in (sizes, means, deviations)
    )
    _check_preprocessing(image_size, pixel_mean, pixel_std)
    return {
        "image_size": [int(side) for side in image_size],
        "pixel_mean": [float(value) for value in pixel_mean],
        "pixel_std": [float(value) for value in pixel_std],
    }


def identities_of(labels: Tensor | dict[str, Tensor] | None) -> Tensor:
    """The identity labels of a batch, `{"identity": (batch,), ...}` or simply `(batch,)`, as int32 or int64."""
    if isinstance(labels, dict):
        if "identity" not in labels:
            raise ValueError(f'labels must have the key "identity". Received the keys: {sorted(labels)}')
        labels = labels["identity"]
    if labels is None:
        raise ValueError(
            "Training needs identity labels: fit on (images, identities) or a dataset of such pairs."
        )
    return integers(labels, "identity labels")


def cameras_of(labels: Tensor | dict[str, Tensor] | None) -> Tensor | None:
    """The cameras of a batch `(batch,)`, or None where the labels do not hold them."""
    return labels.get("camera") if isinstance(labels, dict) else None


def known_cameras(cameras: Tensor, images: Tensor, num_cameras: int) -> Tensor:
    """Cameras `(batch,)` as int32, −1 for each that is not one of the `num_cameras` of the training."""
    cameras, right = whole_numbers(cameras, images, "cameras")
    right = ops.logical_and(right, ops.logical_and(cameras >= 0, cameras < num_cameras))
    return ops.cast(ops.where(right, cameras, -1), "int32")


def _check_preprocessing(image_size, pixel_mean, pixel_std):
    if len(image_size) != 2 or any(int(side) != side or side < 1 for side in image_size):
        raise ValueError(f"image_size must be (height, width) in whole pixels. Received: {image_size!r}")
    for name, values in (("pixel_mean", pixel_mean), ("pixel_std", pixel_std)):
        if len(values) != 3:
            raise ValueError(f"{name} must have three numbers, one an RGB channel. Received: {values!r}")
    if any(value <= 0 for value in pixel_std):
        raise ValueError(f"pixel_std must be positive, it divides. Received: {pixel_std!r}")
