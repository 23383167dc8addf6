"""Augmentations as Keras layers, and Keras' and KerasCV's layers as augmentations."""

import keras
import numpy as np
import pytest

from keras_reid.data import ReIDDataset, Sample, ShuffleSampler
from keras_reid.data.augmentation import (
    AugmentationLayer,
    Cutout,
    Flip,
    RandAugment,
    RandomAreaCrop,
    RandomErasing,
)
from keras_reid.data.pipeline import train_batches
from tests.data.images import write_image
from tests.harness import rebuilt

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 12, 8, 3), dtype=np.uint8)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize(
    "augmentation", [Flip(1.0), RandAugment(1, 5.0), RandomAreaCrop()], ids=["batch", "image", "crop"]
)
def test_works_in_training_only(augmentation, dtype):
    layer = AugmentationLayer(augmentation, seed=1)
    images = IMAGES.astype(dtype)
    np.testing.assert_array_equal(layer(images), images)
    changed = layer(images, training=True)
    assert changed.dtype == dtype
    assert (changed.numpy() != images).any()
    assert layer(keras.Input((12, 8, 3), dtype=dtype)).shape == (None, 12, 8, 3)


def test_flips_and_draws_anew_from_its_seed():
    np.testing.assert_array_equal(AugmentationLayer(Flip(1.0))(IMAGES, training=True), IMAGES[:, :, ::-1])
    layers = [AugmentationLayer(RandomErasing(1.0), seed=seed) for seed in (1, 1, 2)]
    results = [[layer(IMAGES, training=True).numpy() for _ in range(2)] for layer in layers]
    np.testing.assert_array_equal(results[0], results[1])
    assert (results[0][0] != results[0][1]).any()
    assert (results[0][0] != results[2][0]).any()


def test_in_a_model_that_is_trained_saved_and_loaded(tmp_path):
    layer = AugmentationLayer(Cutout(0.5, size=4, value=(1.0, 2.0, 3.0)), seed=3)
    again = rebuilt(layer)
    assert again.augmentation == layer.augmentation
    assert again.seed == 3
    model = keras.Sequential(
        [keras.Input((12, 8, 3)), layer, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)]
    )
    model.compile("sgd", "mse")
    model.fit(IMAGES.astype("float32") / 255, np.zeros((6, 2)), verbose=0)
    model.save(tmp_path / "model.keras")
    other = keras.saving.load_model(tmp_path / "model.keras")
    assert other.layers[0].augmentation == layer.augmentation
    np.testing.assert_allclose(other.predict(IMAGES, verbose=0), model.predict(IMAGES, verbose=0), rtol=1e-6)


def test_half_precision_leaves_the_levels_alone():
    layer = AugmentationLayer(Flip(1.0), dtype="mixed_float16")
    images = IMAGES.astype("float32") + 0.3
    np.testing.assert_array_equal(layer(images, training=True), images[:, :, ::-1])


@pytest.mark.parametrize("wrong", ["Flip", Flip, lambda images, seed: images, keras.layers.RandomFlip()])
def test_takes_the_augmentations_of_this_package_only(wrong):
    with pytest.raises(ValueError, match=r"`augmentation` must be one of Affine, AugMix.*Received"):
        AugmentationLayer(wrong)


def test_a_layer_of_keras_cv_takes_part(tmp_path):
    keras_cv = pytest.importorskip("keras_cv", reason="KerasCV is not installed")
    samples = [Sample(write_image(tmp_path / f"{number}.jpg", number), number, 0) for number in range(4)]
    dataset = ReIDDataset("mine", train=samples)
    layer = keras_cv.layers.RandomCutout(0.5, 0.5)
    batches, _ = train_batches(dataset, ShuffleSampler(4), (16, 8), [layer])
    plain, _ = train_batches(dataset, ShuffleSampler(4), (16, 8))
    assert (next(iter(batches))[0] != next(iter(plain))[0]).numpy().any()
