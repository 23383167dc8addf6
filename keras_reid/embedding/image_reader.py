"""From one image to pixels of the model's size."""

from __future__ import annotations

import abc
import os

import numpy as np
from numpy.typing import NDArray

from keras_reid.data.image_limits import objection
from keras_reid.embedding.image_inputs import CheckedImage, UnreadableImage


class ImageReader(abc.ABC):
    """Reads, decodes and resizes. `TensorFlowReader` is the one way of training; `PillowReader` needs no TensorFlow.

    Calling it from several threads is safe.

    Args:
        image_size: `(height, width)` in pixels.
    """

    def __init__(self, image_size: tuple[int, int]) -> None:
        self.image_size = image_size

    def __call__(self, image: CheckedImage) -> NDArray[np.uint8]:
        """uint8 `(height, width, 3)`, RGB, of the size above.

        Args:
            image: a path, the bytes of a file, or uint8 pixels of any size.

        Raises:
            UnreadableImage: the file is missing, damaged, of another format, or above the limits of
                `keras_reid.data.image_limits`. The message does not name it.
        """
        if isinstance(image, np.ndarray):
            return image if image.shape[:2] == self.image_size else self._resized(image)
        contents = image if isinstance(image, bytes) else self._file_contents(image)
        if complaint := objection(contents):
            raise UnreadableImage(complaint)
        return self._decoded(contents)

    def _file_contents(self, path: str) -> bytes:
        if os.path.isdir(path):
            raise UnreadableImage("is a folder")
        try:
            return self._contents(path)
        except FileNotFoundError:
            raise UnreadableImage("no such file") from None
        except PermissionError:
            raise UnreadableImage("not permitted to read it") from None
        except OSError as error:
            raise UnreadableImage(error.strerror or str(error)) from None

    def _contents(self, path: str) -> bytes:
        with open(path, "rb") as stream:
            return stream.read()

    @abc.abstractmethod
    def _decoded(self, contents: bytes) -> NDArray[np.uint8]:
        """The upright image of a file, resized."""

    @abc.abstractmethod
    def _resized(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Pixels, resized."""
