"""The batch augmentations and AutoAugment: eagerly and in `tf.data`, their statistics, and what each argument does."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps

from keras_reid.data.augmentation import AutoAugment, ColorJitter, Flip, PadCrop, RandomErasing

GENERATOR = np.random.default_rng(0)
BATCH = GENERATOR.integers(0, 256, (64, 24, 12, 3), dtype=np.uint8)
AUGMENTATIONS = [Flip(), PadCrop(3), RandomErasing(), ColorJitter()]


def _name(augmentation):
    return type(augmentation).__name__


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("augmentation", AUGMENTATIONS, ids=_name)
def test_eagerly_and_in_tf_data(augmentation, dtype):
    images = BATCH.astype(dtype)
    eager = augmentation(tf.constant(images), (1, 2)).numpy()
    data = tf.data.Dataset.from_tensors(images).map(lambda x: augmentation(x, tf.constant((1, 2))))
    assert data.element_spec.shape == images.shape
    assert eager.dtype == dtype
    np.testing.assert_allclose(next(iter(data)), eager, atol=1e-3 if dtype == "float32" else 0)
    np.testing.assert_array_equal(augmentation(images, (1, 2)), eager)
    assert (augmentation(images, (1, 3)).numpy() != eager).any()
    assert eager.min() >= 0
    assert eager.max() <= 255


@pytest.mark.parametrize("augmentation", [Flip, RandomErasing, ColorJitter])
def test_probability(augmentation):
    changed = {
        probability: np.any(
            augmentation(probability=probability)(BATCH, (0, 0)) != BATCH, axis=(1, 2, 3)
        ).mean()
        for probability in (0.0, 0.5, 1.0)
    }
    assert changed[0.0] == 0
    assert changed[1.0] > 0.95
    assert 0.3 < changed[0.5] < 0.7


@pytest.mark.parametrize("augmentation", [Flip, RandomErasing, ColorJitter, AutoAugment])
@pytest.mark.parametrize("bad", [-0.1, 1.1, True, None])
def test_bad_probability(augmentation, bad):
    with pytest.raises(ValueError, match=r"`probability` must be a number from 0 to 1\. Received"):
        augmentation(probability=bad)


def test_flip_is_left_to_right():
    np.testing.assert_array_equal(Flip(1.0)(BATCH, (0, 0)), BATCH[:, :, ::-1])


def test_pad_crop_moves_each_image_by_up_to_the_padding_and_fills_with_black():
    images = np.zeros((400, 9, 9, 3), np.uint8)
    images[:, 4, 4] = 255
    moved = PadCrop(2)(images, (0, 0)).numpy()
    rows, columns = np.nonzero(moved[..., 0])[1:]
    assert len(rows) == 400
    assert set(rows) == set(columns) == {2, 3, 4, 5, 6}
    assert len(set(zip(rows, columns, strict=True))) == 25
    white = PadCrop(2)(np.full((50, 9, 9, 3), 255, np.uint8), (0, 0)).numpy()
    assert (white == 0).any()
    np.testing.assert_array_equal(PadCrop(0)(BATCH, (0, 0)), BATCH)
    with pytest.raises(ValueError, match="`padding` must be an integer of at least 0"):
        PadCrop(-1)


def _rectangles(augmentation, height=64, width=32, seed=0, images=500):
    erased = augmentation(np.full((images, height, width, 3), 7.0, np.float32), (seed, 0)).numpy() != 7.0
    heights, widths = erased[..., 0].any(2).sum(1), erased[..., 0].any(1).sum(1)
    np.testing.assert_array_equal(erased[..., 0].sum((1, 2)), heights * widths)  # one full rectangle each
    return heights, widths


def test_erased_rectangles():
    heights, widths = _rectangles(RandomErasing(1.0))
    share = heights * widths / (64 * 32)
    assert (heights > 0).all()
    assert (heights < 64).all()
    assert (widths < 32).all()
    assert 0.015 < share.min() < 0.05
    assert 0.25 < share.max() < 0.36
    aspect = heights / widths
    assert 0.2 < aspect.min() < 0.5
    assert 2.5 < aspect.max() < 4.5
    # log-uniform, so about as many flat as high ones, were it not for high ones fitting a high image better
    assert 0.8 < np.median(aspect) < 1.6


def test_erasing_arguments():
    heights, widths = _rectangles(RandomErasing(1.0, area=(0.5, 0.5)))
    np.testing.assert_allclose((heights * widths)[heights > 0] / (64 * 32), 0.5, atol=0.03)
    heights, widths = _rectangles(RandomErasing(1.0, aspect=(1.0, 1.0)))
    np.testing.assert_array_equal(heights, widths)
    assert (_rectangles(RandomErasing(1.0, area=(0.9, 0.9), aspect=(9.0, 9.0)))[0] == 0).all()  # never fits
    images = np.zeros((8, 9, 9, 3))
    found = np.unique(RandomErasing(1.0)(images.astype(np.float32), (0, 0)).numpy().reshape(-1, 3), axis=0)
    np.testing.assert_allclose(found, [[0, 0, 0], [123.675, 116.28, 103.53]], rtol=1e-6)
    found = np.unique(
        RandomErasing(1.0, value=(1.4, 2.6, 255))(images.astype(np.uint8), (0, 0)).numpy().reshape(-1, 3),
        axis=0,
    )
    np.testing.assert_array_equal(found, [[0, 0, 0], [1, 3, 255]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"area": (0.0, 0.5)}, "`area` must be"),
        ({"area": (0.5, 1.5)}, "`area` must be"),
        ({"aspect": (3.0, 0.3)}, "`aspect` must be"),
        ({"value": (0, 0, 256)}, "`value` must be three numbers from 0 to 255"),
    ],
)
def test_bad_erasing_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        RandomErasing(**arguments)


def test_color_jitter_changes_one_thing_at_a_time():
    images = BATCH.astype(np.float32) * 0.5 + 40
    nothing = dict.fromkeys(("brightness", "contrast", "saturation", "hue"), 0.0)

    def jittered(**strength):
        return ColorJitter(**{**nothing, **strength}, probability=1.0)(images, (0, 0)).numpy()

    def grey(pixels):
        return pixels @ np.array([0.299, 0.587, 0.114])

    np.testing.assert_allclose(jittered(), images, atol=1e-3)
    factors = jittered(brightness=0.3) / images
    np.testing.assert_allclose(factors.min((1, 2, 3)), factors.max((1, 2, 3)), rtol=1e-4)
    assert factors.min() < 0.8
    assert factors.max() > 1.2
    contrast = jittered(contrast=0.3)
    np.testing.assert_allclose(grey(contrast).mean((1, 2)), grey(images).mean((1, 2)), rtol=1e-3)
    assert np.ptp(contrast.std((1, 2, 3)) / images.std((1, 2, 3))) > 0.3
    saturation = jittered(saturation=0.3)
    np.testing.assert_allclose(grey(saturation), grey(images), atol=0.01)
    assert np.abs(saturation - images).max() > 5
    hue = jittered(hue=0.3)
    np.testing.assert_allclose(hue.max(-1), images.max(-1), atol=0.01)
    np.testing.assert_allclose(hue.min(-1), images.min(-1), atol=0.01)
    assert np.abs(hue - images).max() > 20
    for name in nothing:
        with pytest.raises(ValueError, match=f"`{name}` must be from 0 to"):
            ColorJitter(**{name: -0.1})


@pytest.fixture(scope="module")
def auto_augmented():
    """Results on one image of 150 seeds and three probabilities, in one pipeline (tracing is what takes long)."""
    probabilities = (0.0, 0.2, 1.0)

    def augment(number):
        seed = tf.stack([number, 0])
        return [AutoAugment(probability)(BATCH[0], seed) for probability in probabilities]

    results = list(tf.data.Dataset.range(150).map(augment).as_numpy_iterator())
    return dict(zip(probabilities, map(np.stack, zip(*results, strict=True)), strict=True))


def test_auto_augment_keeps_to_its_probability(auto_augmented):
    changed = {p: np.any(results != BATCH[0], axis=(1, 2, 3)).mean() for p, results in auto_augmented.items()}
    assert changed[0.0] == 0
    assert 0.05 < changed[0.2] < 0.3
    assert 0.7 < changed[1.0] < 1.0  # an operation of a sub-policy has a probability of its own


def test_auto_augment_eagerly_and_in_tf_data(auto_augmented):
    results = auto_augmented[1.0]
    assert results.dtype == np.uint8
    assert results.shape == (150, *BATCH[0].shape)
    assert len(np.unique(results.reshape(150, -1), axis=0)) > 30
    for number in range(8):
        eager = AutoAugment(1.0)(tf.constant(BATCH[0]), (number, 0)).numpy()
        assert np.abs(eager.astype(int) - results[number]).max() <= 1


def test_auto_augment_applies_sub_policies(auto_augmented):
    """Among the results are those of sub-policies that come out alike whenever both operations happen."""
    image = Image.fromarray(BATCH[0])
    for expected in (
        ImageOps.equalize(image),
        ImageOps.equalize(ImageOps.invert(image)),
        ImageOps.posterize(ImageOps.posterize(image, 6), 6),
        ImageOps.autocontrast(ImageOps.solarize(image, 128)),
        ImageEnhance.Contrast(ImageEnhance.Color(image).enhance(4 * 0.18 + 0.1)).enhance(8 * 0.18 + 0.1),
    ):
        assert any((result == np.asarray(expected)).all() for result in auto_augmented[1.0])


def test_auto_augment_on_one_pixel():
    for seed in range(12):
        assert AutoAugment(1.0)(np.full((1, 1, 3), 9, np.uint8), (seed, 0)).shape == (1, 1, 3)
