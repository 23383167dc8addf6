"""Every image once, as a small picture and the size of the large one."""

import dataclasses
import functools
import os

import numpy as np
import tensorflow as tf

from keras_reid.data.decoding import read_image
from keras_reid.utils.progress import progress

SIDE = 32  # pixels of a small picture, whatever the proportions of the image
_BATCH = 64


@dataclasses.dataclass(frozen=True, eq=False)
class SmallPictures:
    """Small pictures of image files.

    Args:
        paths: of the files.
        pictures: uint8 `(images, 32, 32, 3)`, RGB, means over areas.
        sizes: int32 `(images, 2)`, height and width of the images in pixels.
    """

    paths: list[str]
    pictures: np.ndarray
    sizes: np.ndarray

    def __len__(self) -> int:
        return len(self.paths)


def small_pictures(paths: list[str]) -> SmallPictures:
    """Reads image files, with progress.

    Time: that of decoding. Memory: 3 kB an image.

    Args:
        paths: image files that can be read; `keras_reid.data.unreadable` tells which cannot.

    Returns:
        `SmallPictures` in the order of the paths.

    Raises:
        tf.errors.OpError: a file cannot be read.

    Example:
        >>> small_pictures(["0002_c1s1_000451_03.jpg"]).sizes.tolist()
        [[128, 64]]
    """
    pictures = np.zeros((len(paths), SIDE, SIDE, 3), np.uint8)
    sizes = np.zeros((len(paths), 2), np.int32)
    if not paths:
        return SmallPictures([], pictures, sizes)
    names = tf.constant([os.fsencode(path) for path in paths], tf.string)
    images = tf.data.Dataset.from_tensor_slices(names).map(
        _shrinker(), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    done = 0
    with progress("looking at images", total=len(paths)) as advance:
        for some, their_sizes in images.batch(_BATCH).prefetch(2).as_numpy_iterator():
            pictures[done : done + len(some)] = some
            sizes[done : done + len(some)] = their_sizes
            done += len(some)
            advance(len(some))
    return SmallPictures(list(paths), pictures, sizes)


@functools.cache
def _shrinker():
    """Traced once: that takes longer than to read a few images."""

    def shrunk(path):
        image = read_image(path)
        small = tf.image.resize(image, (SIDE, SIDE), method="area")
        return tf.cast(tf.round(small), tf.uint8), tf.shape(image)[:2]

    return tf.function(shrunk, input_signature=[tf.TensorSpec((), tf.string)], autograph=False)
