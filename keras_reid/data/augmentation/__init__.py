"""Augmentations: small frozen dataclasses that are called with images and a seed.

Each augmentation has a `stage`:

- `"image"`: called as `augmentation(image, seed)` with one uint8 image `(height, width, 3)` in the file's own size,
  before it is resized. `RandomAreaCrop` returns a smaller image.
- `"batch"`: called as `augmentation(images, seed)` with resized images `(batch, height, width, 3)`, uint8 or float
  0–255.

`seed` is an integer tensor `(2,)`. The same seed gives the same result, with separate draws for each image of a batch.
The dtype does not change.

A user's own callable without `stage` counts as `"batch"`; a Keras layer is called as `layer(images, training=True)`.

Random augmentations have `draw(shape, seed)`, which returns the drawn changes for images of that shape as a dict of
tensors. `AugmentationLayer` turns any augmentation into a Keras layer.

TensorFlow is imported when an augmentation is called, not before, so that an experiment can be described
without it.
"""

from keras_reid.data.augmentation.affine import Affine
from keras_reid.data.augmentation.aug_mix import AugMix
from keras_reid.data.augmentation.auto_augment import AutoAugment
from keras_reid.data.augmentation.color_jitter import ColorJitter
from keras_reid.data.augmentation.cutout import Cutout
from keras_reid.data.augmentation.flip import Flip
from keras_reid.data.augmentation.gaussian_blur import GaussianBlur
from keras_reid.data.augmentation.grayscale import Grayscale
from keras_reid.data.augmentation.pad_crop import PadCrop
from keras_reid.data.augmentation.rand_augment import RandAugment
from keras_reid.data.augmentation.random_area_crop import RandomAreaCrop
from keras_reid.data.augmentation.random_erasing import RandomErasing
from keras_reid.data.augmentation.random_patch import RandomPatch
from keras_reid.data.augmentation.random_resized_crop import RandomResizedCrop

__all__ = [
    "Affine",
    "AugMix",
    "AugmentationLayer",
    "AutoAugment",
    "ColorJitter",
    "Cutout",
    "Flip",
    "GaussianBlur",
    "Grayscale",
    "PadCrop",
    "RandAugment",
    "RandomAreaCrop",
    "RandomErasing",
    "RandomPatch",
    "RandomResizedCrop",
]


def __getattr__(name):
    if name == "AugmentationLayer":  # a Keras layer, and importing Keras takes seconds
        from keras_reid.data.augmentation.augmentation_layer import AugmentationLayer

        return AugmentationLayer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
