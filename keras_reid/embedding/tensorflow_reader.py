"""Decoding and resizing as in training, to the bit, without a `tf.data` pipeline."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from keras_reid.embedding.image_inputs import UnreadableImage
from keras_reid.embedding.image_reader import ImageReader


class TensorFlowReader(ImageReader):
    """With the operations of `keras_reid.data`, which also read images out of TFRecord files.

    TensorFlow builds their graphs at the first image of a process, which takes a second.

    Args:
        image_size: `(height, width)` in pixels.
        few: whether at most `keras_reid.data.decoding.FEW` images are to be read, which spares the graph for decoding.
            Defaults to False.
    """

    def __init__(self, image_size: tuple[int, int], few: bool = False) -> None:
        super().__init__(image_size)
        self._few = few

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

        from keras_reid.data.decoding import decode_bytes
        from keras_reid.data.resizing import resize_array
        from keras_reid.data.unreadable import in_short

        try:
            return resize_array(decode_bytes(contents, self._few), self.image_size)
        except tf.errors.OpError as error:
            raise UnreadableImage(in_short(error.message)) from None

    def _resized(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        from keras_reid.data.resizing import resize_array

        return resize_array(pixels, self.image_size)
