"""Decoding and resizing as in training, to the bit, without a `tf.data` pipeline."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.embedding.image_inputs import UnreadableImage
from keras_reid.embedding.image_reader import ImageReader


class TensorFlowReader(ImageReader):
    """With the operations of `keras_reid.data`, which also read images out of TFRecord files.

    TensorFlow builds their graphs at the first image, once for each size in a process, which takes a second.
    """

    def _contents(self, path: str) -> bytes:
        import tensorflow as tf

        from keras_reid.data.contents import contents_of
        from keras_reid.data.unreadable import in_short

        try:
            return contents_of(path)
        except tf.errors.OpError as error:  # of a record or a remote file
            raise UnreadableImage(in_short(error.message)) from None

    def _decoded(self, contents: bytes) -> NDArray[np.uint8]:
        import tensorflow as tf

        from keras_reid.data.unreadable import in_short

        try:
            return _decode_function(self.image_size)(contents).numpy()
        except tf.errors.OpError as error:
            raise UnreadableImage(in_short(error.message)) from None

    def _resized(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return _resize_function(self.image_size)(pixels).numpy()


@functools.lru_cache
def _decode_function(image_size: tuple[int, int]) -> Any:
    import tensorflow as tf

    from keras_reid.data.decoding import decode_image
    from keras_reid.data.resizing import resize_image

    return tf.function(
        lambda contents: resize_image(decode_image(contents), image_size),
        input_signature=[tf.TensorSpec((), tf.string)],
        autograph=False,
    )


@functools.lru_cache
def _resize_function(image_size: tuple[int, int]) -> Any:
    import tensorflow as tf

    from keras_reid.data.resizing import resize_image

    return tf.function(
        lambda pixels: resize_image(pixels, image_size),
        input_signature=[tf.TensorSpec((None, None, 3), tf.uint8)],
        autograph=False,
    )
