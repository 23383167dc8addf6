"""From images of any size to batches of pixels, read ahead in threads."""

from __future__ import annotations

import collections
import concurrent.futures
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from keras_reid.embedding.image_inputs import CheckedImage, UnreadableImage, image_name
from keras_reid.embedding.image_reader import ImageReader
from keras_reid.utils.threads import cores

_FEW = 4  # images for which threads cost more than they save


def pixel_batches(
    reader: ImageReader, images: Sequence[CheckedImage] | NDArray[np.uint8], batch_size: int
) -> Iterator[NDArray[np.uint8]]:
    """Yields the pixels of consecutive images, uint8 `(batch, height, width, 3)`, the last batch smaller.

    While a batch is in use, all cores read the next one. Memory: two batches, and an image a core at its own size.

    Args:
        reader: makes pixels of an image.
        images: from `checked_images`.
        batch_size: images.

    Raises:
        UnreadableImage: an image cannot be read; the message names it.
    """
    starts = range(0, len(images), batch_size)
    if isinstance(images, np.ndarray) and images.shape[1:3] == reader.image_size:
        yield from (images[start : start + batch_size] for start in starts)
        return

    def read(place: int) -> NDArray[np.uint8]:
        try:
            return reader(images[place])
        except UnreadableImage as error:
            raise UnreadableImage(f"{image_name(images, place)}: {error}") from None

    if len(images) <= min(_FEW, batch_size):
        if len(images):
            yield np.stack([read(place) for place in range(len(images))])
        return
    pool = concurrent.futures.ThreadPoolExecutor(cores(), thread_name_prefix="keras_reid_reading")
    try:
        waiting: collections.deque[list[concurrent.futures.Future]] = collections.deque()
        for start in starts:
            places = range(start, min(start + batch_size, len(images)))
            waiting.append([pool.submit(read, place) for place in places])
            if len(waiting) > 1:
                yield _stacked(waiting.popleft())
        yield _stacked(waiting.popleft())
    finally:  # also where an image is broken, or nobody wants the rest
        pool.shutdown(wait=True, cancel_futures=True)


def _stacked(futures: list[concurrent.futures.Future]) -> NDArray[np.uint8]:
    return np.stack([future.result() for future in futures])
