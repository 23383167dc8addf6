"""A Keras layer for any augmentation."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import tensorflow as tf

from keras_reid.data import augmentation as augmentations
from keras_reid.data.resizing import resize_image


@keras.saving.register_keras_serializable(package="keras_reid")
class AugmentationLayer(keras.layers.Layer):
    """An augmentation of `keras_reid.data.augmentation` inside a model, active in training only.

    It runs wherever the model runs, with the TensorFlow backend. In a `tf.data` pipeline use the augmentation itself,
    which is repeatable for each image; a layer makes new draws in each call.

    Args:
        augmentation: one of this package's augmentations. One with stage "image" is applied to each image separately;
            if it crops, the crop is enlarged to the old size, which must then be known when the layer becomes part of a
            model.
        seed: integer; the same seed gives the same sequence of draws. By default, each layer gets a different one.

    Input: `(batch, height, width, 3)`, uint8 or float 0–255. Output: the same shape and dtype.

    Raises:
        ValueError: if `augmentation` is not one of this package's augmentations.

    Example:
        >>> layer = AugmentationLayer(Flip(probability=1.0), seed=1)
        >>> layer(images, training=True)  # images[:, :, ::-1]

    Source: none; FastReID augments in its data loader only.
    """

    def __init__(self, augmentation: Any, seed: int | None = None, **kwargs: Any) -> None:
        # Half precision cannot represent all levels of 0–255 with their fractions.
        super().__init__(autocast=False, **kwargs)
        if type(augmentation).__name__ not in _classes() or isinstance(augmentation, type):
            raise ValueError(
                f"`augmentation` must be one of {', '.join(sorted(_classes()))}. "
                f"Received: augmentation={augmentation!r}. Wrap your own function in keras.layers.Lambda."
            )
        self.augmentation = augmentation
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)
        self.supports_jit = False  # the number of changed images is not known in advance

    def call(self, images: Any, training: bool = False) -> Any:
        if not training:
            return images
        seed = tf.cast(self.generator.next(), tf.int64)
        if self.augmentation.stage == "batch":
            return self.augmentation(images, seed)

        def augment(number_and_image):
            number, image = number_and_image
            levels = tf.cast(tf.clip_by_value(tf.round(tf.cast(image, tf.float32)), 0.0, 255.0), tf.uint8)
            changed = self.augmentation(levels, tf.random.experimental.stateless_fold_in(seed, number))
            if changed.shape != image.shape:  # a crop, or an unknown size
                changed = resize_image(changed, tuple(image.shape[:2]))
            return tf.cast(changed, images.dtype)

        numbers = tf.range(tf.shape(images, tf.int64)[0])
        changed = tf.map_fn(augment, (numbers, images), fn_output_signature=images.dtype)
        return tf.ensure_shape(changed, images.shape)

    def compute_output_spec(self, images: Any, training: bool = False) -> Any:
        return keras.KerasTensor(images.shape, images.dtype)

    def get_config(self) -> dict[str, Any]:
        described = {"class_name": type(self.augmentation).__name__, **dataclasses.asdict(self.augmentation)}
        return {**super().get_config(), "augmentation": described, "seed": self.seed}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> AugmentationLayer:
        described = dict(config["augmentation"])
        # JSON has only lists; the augmentations need tuples.
        described = {name: tuple(x) if isinstance(x, list) else x for name, x in described.items()}
        augmentation = _classes()[described.pop("class_name")](**described)
        return cls(**{**config, "augmentation": augmentation})


def _classes():
    names = set(augmentations.__all__) - {"AugmentationLayer"}
    return {name: getattr(augmentations, name) for name in names}
