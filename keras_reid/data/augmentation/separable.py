"""Filters that consist of one matrix along the height and one along the width of each image."""

from __future__ import annotations

import tensorflow as tf


def along_height(images: tf.Tensor, matrices: tf.Tensor) -> tf.Tensor:
    """`(batch, height, width, channels)`, float32 `(batch, new height, height)` → float32 with the new height."""
    batch, height, width, channels = tf.unstack(tf.shape(images))
    flat = tf.cast(tf.reshape(images, (batch, height, width * channels)), tf.float32)
    return tf.reshape(tf.matmul(matrices, flat), (batch, -1, width, channels))


def along_width(images: tf.Tensor, matrices: tf.Tensor) -> tf.Tensor:
    """`(batch, height, width, channels)`, float32 `(batch, new width, width)` → float32 with the new width."""
    return swap_sides(along_height(swap_sides(images), matrices))


def swap_sides(images: tf.Tensor) -> tf.Tensor:
    """`(batch, height, width, channels)` → `(batch, width, height, channels)`."""
    return tf.transpose(images, (0, 2, 1, 3))
