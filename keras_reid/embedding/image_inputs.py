"""What may be embedded: files, encoded images, arrays, and lists of them; checked before anything is computed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from keras_reid.utils.errors import UserError

# A file's path, the bytes of a JPEG, PNG or BMP file, or pixels (height, width, 3).
ImageInput: TypeAlias = str | os.PathLike[str] | bytes | NDArray[Any]
# What becomes of it: a path, bytes, or uint8 pixels.
CheckedImage: TypeAlias = str | bytes | NDArray[np.uint8]


class UnreadableImage(UserError):
    """An image that cannot be read or decoded; the message says why."""


def checked_images(images: ImageInput | Iterable[ImageInput]) -> Sequence[CheckedImage] | NDArray[np.uint8]:
    """The images that an input stands for; a batch of pixels stays one array `(n, height, width, 3)`.

    Floats are rounded to whole levels, halves up. Files and bytes are not read here.

    Args:
        images: one image (a path, the bytes of a file, or pixels `(height, width, 3)`), a batch of pixels `(n, height,
            width, 3)`, or a list of images of any kind. Pixels are RGB, uint8 or float 0–255.

    Raises:
        UserError: an image is of another kind, shape or dtype, or its pixels are not 0–255; the message names it.

    Example:
        >>> import numpy as np
        >>> len(checked_images(["a.jpg", np.zeros((80, 40, 3), np.uint8)]))
        2
    """
    if isinstance(images, (str, os.PathLike, bytes, bytearray, memoryview)):
        return [_checked(images, "the image")]
    if isinstance(images, dict):
        raise _refusal("images", "a dict")
    if _is_array(images):
        array = np.asarray(images)
        if array.dtype.kind in "OU" and array.ndim == 1:  # a list of paths, as `embed` stores it
            return [_checked(image, image_name(array, place)) for place, image in enumerate(array.tolist())]
        if array.ndim == 4:
            return _pixels(array, "images")
        return [_checked(array, "the image")]
    if not isinstance(images, Iterable):
        raise _refusal("images", type(images).__name__)
    images = list(images)
    return [_checked(image, image_name(images, place)) for place, image in enumerate(images)]


def image_name(images: Sequence[ImageInput] | NDArray[Any], place: int) -> str:
    """What errors call an image: its path, or its place in the input."""
    image = images[place]
    return os.fspath(image) if isinstance(image, (str, os.PathLike)) else f"images[{place}]"


def _is_array(image: Any) -> bool:
    """Whether NumPy takes it as it is: an array, a tensor, an image of Pillow."""
    return hasattr(image, "__array__") or hasattr(image, "__array_interface__")


def _checked(image: Any, name: str) -> CheckedImage:
    if isinstance(image, (str, os.PathLike)):
        return os.fsdecode(image)
    if isinstance(image, (bytes, bytearray, memoryview)):
        return bytes(image)
    array = np.asarray(image) if _is_array(image) else None
    if array is None or array.ndim != 3:
        raise _refusal(name, type(image).__name__ if array is None else f"shape {array.shape}")
    return _pixels(array, name)


def _pixels(array: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """uint8 pixels `(..., height, width, 3)`."""
    if array.shape[-1] != 3:
        raise UserError(
            f"{name} must have 3 channels, RGB. Received: shape {array.shape}. Repeat a grey one three times; drop an "
            "alpha channel, image[..., :3]."
        )
    if 0 in array.shape[-3:]:
        raise UserError(f"{name} must have pixels. Received: shape {array.shape}.")
    if array.dtype == np.uint8:
        return array
    if not np.issubdtype(array.dtype, np.floating):
        raise UserError(
            f"{name} must be uint8, or float from 0 to 255. Received: {array.dtype}. Convert it: "
            "image.astype('uint8')."
        )
    if array.size:
        _check_range(float(array.min()), float(array.max()), name)
    return np.floor(array.astype(np.float32) + np.float32(0.5)).astype(np.uint8)


def _check_range(lowest: float, highest: float, name: str) -> None:
    if not (lowest >= 0 and highest <= 255):  # also where either is NaN
        raise UserError(
            f"{name} must have pixels from 0 to 255. Received: {lowest:g} to {highest:g}. Pass what the file or camera "
            "gave: the model normalises by itself."
        )
    if 0 < highest <= 1:
        raise UserError(
            f"{name} must have pixels from 0 to 255. Received: at most {highest:g}, as if divided by 255. Multiply by "
            "255, or pass uint8."
        )


def _refusal(name: str, received: str) -> UserError:
    return UserError(
        f"{name} must be a file's path, the bytes of a JPEG, PNG or BMP file, or pixels of shape (height, width, 3); "
        f"or a list of such. Received: {received}."
    )
