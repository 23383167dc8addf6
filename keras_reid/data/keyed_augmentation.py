"""Augmentations as the training pipeline applies them: with random numbers that follow from the image's position."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from keras_reid.utils.errors import UserError


class KeyedAugmentation:
    """Several augmentations in order, each keyed by (seed, epoch, position in the epoch, place in the list).

    So what happens to an image does not depend on the order of parallel work, nor on where a run began.

    Args:
        augmentation: those of `keras_reid.data.augmentation`, callables `(images, seed)` or Keras layers. Each has the
            stage "image", and is applied to single images before they are resized, or "batch", the default.
        seed: non-negative integer.

    Raises:
        UserError: if one of them is something else.
    """

    def __init__(self, augmentation: Iterable[Any], seed: int) -> None:
        self._seed = seed
        keyed = [(place, _callable(augment)) for place, augment in enumerate(augmentation)]
        self._on_images = [(place, augment) for place, augment in keyed if _stage(augment) == "image"]
        self._on_batches = [(place, augment) for place, augment in keyed if _stage(augment) == "batch"]

    @property
    def needs_whole_batches(self) -> bool:
        """Whether a worker must load the whole batch, to draw the same as the others."""
        return bool(self._on_batches)

    @property
    def may_run_in_parallel(self) -> bool:
        """Whether several batches may be augmented at the same time.

        The random state of a Keras layer is a variable, which parallel calls would share.
        """
        return not any(isinstance(augment, _KerasLayer) for _, augment in self._on_batches)

    def image(self, image: tf.Tensor, epoch: tf.Tensor, position: tf.Tensor) -> tf.Tensor:
        """Augments one image `(height, width, 3)`; uint8, perhaps of another size."""
        for place, augment in self._on_images:
            image = to_uint8(augment(image, self._key(epoch, position, place)))
        return image

    def batch(self, images: tf.Tensor, epoch: tf.Tensor, position: tf.Tensor) -> tf.Tensor:
        """Augments a batch `(batch, height, width, 3)`, whose first image has that position; uint8."""
        for place, augment in self._on_batches:
            images = augment(images, self._key(epoch, position, place))
        return to_uint8(images)

    def _key(self, epoch, position, place):
        """A seed `(2,)` for this epoch, position and augmentation."""
        key = tf.stack([tf.constant(self._seed, tf.int64), tf.cast(epoch, tf.int64)])
        for part in (position, place):
            key = tf.random.experimental.stateless_fold_in(key, tf.cast(part, tf.int64))
        return key


class _KerasLayer:
    """Calls a Keras layer for one batch, with all its randomness taken from the seed that is given."""

    def __init__(self, layer):
        self.layer = layer
        self.states = [variable for variable in layer.variables if "seed_generator_state" in variable.path]

    def __call__(self, images, seed):
        for number, state in enumerate(self.states):
            state.assign(tf.cast(tf.random.experimental.stateless_fold_in(seed, number), state.dtype))
        return self.layer(images, training=True)


def _callable(augment):
    """The augmentation as a callable `(images, seed)`."""
    import keras

    if isinstance(augment, keras.layers.Layer):
        return _KerasLayer(augment)
    if not callable(augment) or isinstance(augment, type) or _stage(augment) not in ("image", "batch"):
        raise UserError(
            "an augmentation must be a Keras layer or a callable `(images, seed)`, with `stage` 'image' "
            f"or 'batch' if it has one. Received: {augment!r}"
        )
    # A user's function may have `if` and `for` on tensors.
    return augment if hasattr(augment, "stage") else tf.function(augment)


def _stage(augment):
    return getattr(augment, "stage", "batch")


def to_uint8(images: tf.Tensor) -> tf.Tensor:
    """Levels 0–255 as uint8, rounded and clipped."""
    if images.dtype == tf.uint8:
        return images
    return tf.cast(tf.clip_by_value(tf.round(tf.cast(images, tf.float32)), 0.0, 255.0), tf.uint8)
