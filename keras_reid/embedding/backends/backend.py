"""What an `Embedder` asks of its back end."""

from __future__ import annotations

import abc
import hashlib
import os
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_reid.embedding.image_reader import ImageReader


class Backend(abc.ABC):
    """From pixels of the right size to embeddings. Calling it from several threads is safe.

    Args:
        metadata: the model's: `image_size`, calibration, provenance.
        dim: length of an embedding.
    """

    # Whether its embeddings have unit length already.
    normalized = True

    def __init__(self, metadata: dict[str, Any], dim: int) -> None:
        self.metadata = metadata
        self.dim = dim
        height, width = metadata["image_size"]
        self.image_size = int(height), int(width)

    @abc.abstractmethod
    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 `(n, height, width, 3)`, n at least 1 → float32 `(n, dim)`."""

    def predict_on_batch(self, images: ArrayLike) -> NDArray[np.float32]:
        """The same under Keras' name, so that `embed_paths` and evaluation take an artefact too."""
        return self(np.asarray(images, np.uint8))

    @abc.abstractmethod
    def reader(self) -> ImageReader:
        """What makes pixels of images."""

    @abc.abstractmethod
    def fingerprint(self) -> str:
        """32 hexadecimal digits that identify the model by what it computes. Time: that of reading it."""


def fingerprint_of(parts: Iterable[bytes]) -> str:
    """32 hexadecimal digits of bytes, one part after the other."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:32]


def names_and_contents(files: Iterable[pathlib.Path]) -> Iterator[bytes]:
    """What identifies files wherever they lie, in pieces that fit into memory."""
    for file in files:
        yield os.fsencode(file.name)
        with open(file, "rb") as stream:
            while piece := stream.read(2**20):
                yield piece
