"""Images in, embeddings out, at once: for a detector's crops, a service, a gallery."""

from __future__ import annotations

import functools
import io
import os
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.embedding.backends import open_backend
from keras_reid.embedding.image_inputs import ImageInput, checked_images, image_name
from keras_reid.embedding.pixel_batches import pixel_batches
from keras_reid.embedding.vectors import check_finite, l2_normalize
from keras_reid.utils.errors import UserError


class Embedder:
    """Embeds images without a start-up cost: everything is loaded and compiled once, by the constructor.

    A call costs little more than the network itself, also for a single crop: see `benchmarks/embedder.py`. Calls from
    several threads are safe, and give what calls one after the other give. `warm_up()` spares the first call.

    | model | decodes and resizes | needs |
    |---|---|---|
    | a loaded `ReIDModel` | as in training, to the bit | Keras and TensorFlow |
    | folder of a SavedModel | as in training, to the bit | TensorFlow |
    | `.onnx` file, on the CPU | with Pillow | ONNX Runtime |
    | `.tflite` file, with its metadata.json | with Pillow | ai-edge-litert; one call at a time |

    Pillow decodes to the same pixels; resized ones differ seldom, by 1 level of 255.

    Args:
        model: one of these. Artefacts come from `keras-reid export`; a folder with one in it will do. Load a
            run or a `.keras` file with `keras_reid.models.load_model` first.
        flip: average each embedding with that of the mirrored image, before it is normalised; for a Keras model.
            Defaults to False.
        normalize: give unit length. False gives the raw embeddings of a Keras model, for Euclidean distances. Defaults
            to True.
        batch_size: most images that go through the network at once. Defaults to 64.
        fingerprint: what identifies the model, where it is known, such as
            `keras_reid.utils.model_file.fingerprint(file)`; by default a digest of its weights or files, made when
            asked for.

    Attributes:
        image_size: `(height, width)` in pixels, to which images are resized.
        dim: length of an embedding.
        metadata: the model's, with its calibration.

    Raises:
        UserError: the model is something else or cannot be loaded; an artefact is asked for raw or flipped
            embeddings, of which it holds neither; `batch_size` is below 1.

    Example:
        >>> embedder = Embedder(load_model("runs/quickstart"))  # doctest: +SKIP
        >>> embedder([crop, "door.jpg", request.body]).shape  # doctest: +SKIP
        (3, 512)
    """

    def __init__(
        self,
        model: Any,
        *,
        flip: bool = False,
        normalize: bool = True,
        batch_size: int = 64,
        fingerprint: str | None = None,
    ) -> None:
        if batch_size < 1:
            raise UserError(f"`batch_size` must be at least 1. Received: {batch_size}.")
        self._backend = open_backend(model)
        if self._backend.normalized and (flip or not normalize):
            raise UserError(
                f"{os.fspath(model)}: an artefact gives embeddings of unit length. For flip=True or normalize=False "
                "pass the Keras model."
            )
        self._reader = self._backend.reader()
        self._flip, self._normalize, self._batch_size = flip, normalize, batch_size
        self._fingerprint = fingerprint
        self.image_size = self._backend.image_size
        self.dim = self._backend.dim
        self.metadata = self._backend.metadata

    def __call__(self, images: ImageInput | Iterable[ImageInput]) -> NDArray[np.float32]:
        """The embeddings of images, in their order.

        Args:
            images: one image, a batch or a list. An image is a path, the bytes of a JPEG, PNG or BMP file, or pixels
                `(height, width, 3)` of any size, RGB, uint8 or float 0–255. Kinds and sizes may be mixed; a batch is an
                array `(n, height, width, 3)`. Floats are rounded. Grey files become RGB, an alpha channel is dropped,
                and EXIF's orientation is applied.

        Returns:
            `(n, dim)` float32 of unit length; `(1, dim)` for one image, `(0, dim)` for none.

        Raises:
            UserError: an image is broken, of another kind, shape or dtype, or its pixels are not 0–255; or an
                embedding is not finite. The message names the file, or the place in the list.
        """
        images = checked_images(images)
        embeddings, done = np.empty((len(images), self.dim), np.float32), 0
        for pixels in pixel_batches(self._reader, images, self._batch_size):
            rows = self._backend(pixels)
            if self._flip:
                rows = (rows + self._backend(np.ascontiguousarray(pixels[:, :, ::-1]))) / 2
            embeddings[done : done + len(rows)] = rows
            done += len(rows)
        if not np.isfinite(embeddings).all():
            check_finite([image_name(images, place) for place in range(len(images))], embeddings)
        return l2_normalize(embeddings) if self._normalize else embeddings

    def pixels(self, image: ImageInput) -> NDArray[np.uint8]:
        """An image as the network gets it: decoded, upright, resized.

        Args:
            image: as in a call; its pixels may be embedded instead of it.

        Returns:
            uint8 `(1, height, width, 3)`.

        Raises:
            UserError: as a call.

        Example:
            >>> embedder(embedder.pixels("door.jpg")).shape  # doctest: +SKIP
            (1, 512)
        """
        (pixels,) = pixel_batches(self._reader, checked_images([image]), 1)
        return pixels

    @functools.cached_property
    def fingerprint(self) -> str:
        """What identifies the model by its embeddings: those of models with different ones must not be compared."""
        return self._fingerprint or self._backend.fingerprint()

    def warm_up(self, batch_sizes: Iterable[int] = (1,)) -> None:
        """Does beforehand what first calls would do: memory, kernels, the graphs that decode and resize.

        Args:
            batch_sizes: of the calls to come.
        """
        from PIL import Image

        stream = io.BytesIO()
        Image.new("RGB", (8, 8)).save(stream, "PNG")
        self([stream.getvalue(), np.zeros((8, 8, 3), np.uint8)])
        for count in batch_sizes:
            self(np.zeros((count, *self.image_size, 3), np.uint8))
