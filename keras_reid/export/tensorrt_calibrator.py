"""int8 scales from TensorRT's own calibration, for versions before 10."""

from __future__ import annotations

import contextlib
import os
import pathlib
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_reid.utils.files import written_aside

if TYPE_CHECKING:
    from keras_reid.export.tensorrt_model import Cuda


def image_calibrator(
    trt: Any, pixels: np.ndarray, cache_file: str | os.PathLike[str], cuda: Cuda | None, batch: int = 16
) -> Any:
    """An `IInt8EntropyCalibrator2` on images, with a cache.

    TensorRT runs the network in float32 on one batch after another, and chooses the scales by the entropy of the
    activations. The cache file stores the result for the next time.

    Args:
        trt: the module `tensorrt`, older than 10.
        pixels: uint8 `(images, height, width, 3)`. All batches have the same size; left-over images are not used.
        cache_file: path; use one file for each network and set of images.
        cuda: `Cuda`, or None if the cache file exists.
        batch: images in a batch.

    Example:
        >>> config.int8_calibrator = image_calibrator(tensorrt, pixels, "scales.cache", Cuda())  # doctest: +SKIP
    """
    cache_file = pathlib.Path(cache_file)
    batch = min(batch, len(pixels))

    class ImageCalibrator(trt.IInt8EntropyCalibrator2):
        def __init__(self):
            super().__init__()
            self._next = 0
            self._address = None

        def get_batch_size(self):
            return batch

        def get_batch(self, names):
            part = np.ascontiguousarray(pixels[self._next : self._next + batch])
            if len(part) < batch:
                return None
            self._next += batch
            if self._address is None:
                self._address = cuda.allocate(part.nbytes)
            cuda.copy_in(self._address, part)
            cuda.wait()
            return [self._address]

        def read_calibration_cache(self):
            return cache_file.read_bytes() if cache_file.is_file() else None

        def write_calibration_cache(self, cache):
            keep(cache_file, bytes(cache))

    return ImageCalibrator()


def keep(file: str | os.PathLike[str], content: bytes) -> None:
    """Writes a cache completely or not at all: half a cache would be misread, a missing one only costs time."""
    with contextlib.suppress(OSError), written_aside(file) as aside:
        aside.write_bytes(content)
