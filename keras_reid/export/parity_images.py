"""The images on which an artefact is compared with its model: real images and noise."""

from __future__ import annotations

import dataclasses
import io
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
from PIL import Image

from keras_reid.data.contents import read_contents
from keras_reid.data.decoding import decode_image
from keras_reid.data.resizing import resize_image
from keras_reid.embedding import l2_normalize
from keras_reid.export.deployable import computing_in
from keras_reid.export.parity_error import ParityError
from keras_reid.utils.keras_internals import layers_within

if TYPE_CHECKING:
    from keras_reid.models.reid_model import ReIDModel

# Two single images (one JPEG, one PNG), a batch of 7 and a batch of 32.
BATCHES = ((0, 1), (1, 2), (2, 9), (9, 41))
COUNT = BATCHES[-1][1]
_SEED = 0


@dataclasses.dataclass(frozen=True)
class TestImages:
    """Images, and the model's embeddings of them.

    Attributes:
        encoded: list of file contents, JPEG, PNG or BMP.
        pixels: uint8 `(n, height, width, 3)`, the same images decoded and resized to the model's size.
        expected: float32 `(n, dim)`, the L2-normalised `model.predict` of the pixels.
        real: how many of the images are photographs; the others are generated.
    """

    __test__ = False  # tells pytest that this is not a test

    encoded: list
    pixels: np.ndarray
    expected: np.ndarray
    real: int = 0


def test_images(model: ReIDModel, paths: Sequence[str | os.PathLike[str]] = ()) -> TestImages:  # noqa: PT028 (no test)
    """Makes 41 images of several sizes, JPEG and PNG, half of them noise, with the model's own embeddings.

    Args:
        model: the `ReIDModel`. It is run on the CPU: on a GPU, convolutions round differently for each batch size.
        paths: image files, such as those of the run's test set. Up to 21 of them, evenly chosen, replace the generated
            images that look like photographs (waves and edges).

    Returns:
        `TestImages`.

    Raises:
        ParityError: the model's own embeddings hold NaN or infinity.

    Example:
        >>> test_images(model, sorted(Path("photos").glob("*.jpg"))).pixels.shape  # doctest: +SKIP
        (41, 256, 128, 3)
    """
    encoded = generated_images(model.image_size)
    places = [index for index in range(COUNT) if not _is_noise(index)]
    step = max(1, len(paths) // len(places))
    chosen = paths[::step][: len(places)]
    for place, path in zip(places, chosen, strict=False):
        encoded[place] = read_contents(str(path)).numpy()
    # The decoded bytes are also the input of the pixel signature.
    pixels = np.stack([resize_image(decode_image(data), model.image_size).numpy() for data in encoded])
    expected = l2_normalize(_predict(model, pixels))
    if not np.isfinite(expected).all():
        raise ParityError("the model itself returns NaN or infinity: did its training diverge?")
    return TestImages(encoded, pixels, expected, len(chosen))


test_images.__test__ = False  # type: ignore[attr-defined]


def _predict(model, pixels):
    """`model.predict`, on the CPU and in float32 even if the model uses half precision."""
    exact = all(layer.compute_dtype == "float32" for layer in layers_within(model))
    if exact and not tf.config.list_logical_devices("GPU"):
        return model.predict(pixels, batch_size=32, verbose=0)
    with computing_in(model, "float32"), tf.device("CPU:0"):
        parts = [model(pixels[start : start + 32], training=False) for start in range(0, len(pixels), 32)]
    return np.concatenate(parts)


def generated_images(image_size: tuple[int, int]) -> list[bytes]:
    """Encoded images, alternately JPEG and PNG: smooth ones with edges, like photographs, and noise."""
    rng = np.random.default_rng(_SEED)
    height, width = image_size
    sizes = ((height, width), (2 * height // 3 + 1, width // 2 + 1), (height * 5 // 4, width * 3 // 2))
    return [
        _encode(_image(rng, sizes[index % len(sizes)], _is_noise(index)), "PNG" if index % 2 else "JPEG")
        for index in range(COUNT)
    ]


def _is_noise(index):
    return index % 4 >= 2


def _image(rng, size, noise):
    height, width = size
    if noise:
        return rng.integers(0, 256, (height, width, 3), np.uint8)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j][..., None]
    waves = np.sin(rng.uniform(1, 9, 3) * y + rng.uniform(1, 9, 3) * x + rng.uniform(0, 6, 3))
    top, left = rng.uniform(0, 0.6, 2)
    patch = (y > top) & (y < top + 0.4) & (x > left) & (x < left + 0.4)
    return np.where(patch, rng.uniform(0, 255, 3), 127 + 110 * waves).astype(np.uint8)


def _encode(image, form):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, form, **({"quality": 90} if form == "JPEG" else {}))
    return buffer.getvalue()
