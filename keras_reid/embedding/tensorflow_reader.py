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

    TensorFlow builds their graphs at the first image of a process, which takes a second.
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

        from keras_reid.data.resizing import resize_array
        from keras_reid.data.unreadable import in_short

        try:
            return resize_array(_decode_function()(contents), self.image_size)
        except tf.errors.OpError as error:
            raise UnreadableImage(in_short(error.message)) from None

    def _resized(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        from keras_reid.data.resizing import resize_array

        return resize_array(pixels, self.image_size)


@functools.cache
def _decode_function() -> Any:
    import tensorflow as tf

    from keras_reid.data.decoding import decode_image

    return tf.function(decode_image, input_signature=[tf.TensorSpec((), tf.string)], autograph=False)
