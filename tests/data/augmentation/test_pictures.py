"""What the batch augmentations make of pictures, against Pillow or their definitions written out in NumPy."""

import colorsys
import math

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_reid.data.augmentation import (
    Affine,
    AugMix,
    ColorJitter,
    Cutout,
    GaussianBlur,
    Grayscale,
    RandAugment,
    RandomAreaCrop,
    RandomPatch,
    RandomResizedCrop,
)
from keras_reid.data.augmentation.operation_switch import NAMES
from tests.data.images import random_image

BATCH = np.stack([np.asarray(random_image(40, 22, seed)) for seed in range(6)])
SEED = (3, 1)
EVERY = [
    Affine(probability=0.5),
    Affine(interpolation="bilinear"),
    pytest.param(AugMix(), marks=pytest.mark.slow),
    Cutout(size=8),
    GaussianBlur(),
    Grayscale(0.5),
    RandomPatch(),
    RandomResizedCrop(),
]


def _drawn(augmentation, images=BATCH):
    return {name: value.numpy() for name, value in augmentation.draw(images.shape, SEED).items()}


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("augmentation", EVERY, ids=lambda x: type(x).__name__)
def test_eagerly_and_in_tf_data(augmentation, dtype):
    images = BATCH.astype(dtype)
    eager = augmentation(images, SEED).numpy()
    data = tf.data.Dataset.from_tensors(images).map(lambda x: augmentation(x, tf.constant(SEED)))
    assert data.element_spec.shape == images.shape
    in_graph = next(iter(data)).numpy()
    assert in_graph.dtype == eager.dtype == dtype
    assert np.abs(in_graph.astype(float) - eager).max() <= (1 if dtype == "uint8" else 1e-3)
    assert (augmentation(images, (3, 2)).numpy() != eager).any()
    assert eager.min() >= 0
    assert eager.max() <= 255
    # An image that is not drawn stays as it is.
    unchosen = ~_drawn(augmentation)["chosen"]
    np.testing.assert_array_equal(eager[unchosen], images[unchosen])


@pytest.mark.parametrize(
    "augmentation", [Affine, AugMix, Cutout, GaussianBlur, Grayscale, RandomPatch, RandomResizedCrop]
)
def test_probability_zero_changes_nothing(augmentation):
    off = augmentation(probability=0.0)
    np.testing.assert_array_equal(off(BATCH, SEED), BATCH)
    np.testing.assert_array_equal(tf.function(off, autograph=False)(BATCH, tf.constant(SEED)), BATCH)


def test_grayscale_is_pillows():
    for image, grey in zip(BATCH, Grayscale(1.0)(BATCH, SEED).numpy(), strict=True):
        expected = np.asarray(Image.fromarray(image).convert("L").convert("RGB"))
        np.testing.assert_array_equal(grey, expected)


def test_affine_is_pillows_transform():
    augmentation = Affine(degrees=40, translation=0.2, scale=(0.7, 1.3), shear=20)
    drawn = _drawn(augmentation)
    height, width = BATCH.shape[1:3]
    results = augmentation(BATCH, SEED).numpy()
    smooth = Affine(degrees=40, translation=0.2, scale=(0.7, 1.3), shear=20, interpolation="bilinear")
    smooth = smooth(BATCH, SEED).numpy()
    for number, image in enumerate(BATCH):
        angle, shear = math.radians(drawn["degrees"][number]), math.radians(drawn["shear"][number])
        rotation = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        forward = drawn["scale"][number] * rotation @ np.array([[1, -math.tan(shear)], [0, 1]])
        back = np.linalg.inv(forward)
        center = np.array([width / 2, height / 2])
        shift = center - back @ (center + [drawn["right"][number], drawn["down"][number]])
        matrix = (*back[0], shift[0], *back[1], shift[1])
        picture = Image.fromarray(image)
        expected = np.asarray(picture.transform(picture.size, Image.Transform.AFFINE, matrix))
        different = (results[number] != expected).any(-1)
        assert different.mean() < 0.005  # source positions that lie between two pixels, in single precision
        assert (results[number] == 0).all(-1).any()
        expected = np.asarray(
            picture.transform(picture.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
        )
        assert np.median(np.abs(smooth[number].astype(int) - expected)) <= 1


def test_random_resized_crop_is_pillows_crop_and_resize():
    augmentation = RandomResizedCrop()
    drawn = _drawn(augmentation)
    for number, result in enumerate(augmentation(BATCH, SEED).numpy()):
        top, left, height, width = (int(drawn[name][number]) for name in ("top", "left", "height", "width"))
        crop = Image.fromarray(BATCH[number]).crop((left, top, left + width, top + height))
        expected = np.asarray(crop.resize(BATCH.shape[2:0:-1], Image.Resampling.BICUBIC))
        difference = np.abs(result.astype(int) - expected)
        assert difference.max() <= 1
        assert difference.mean() < 0.05


@pytest.mark.parametrize("squashed", [False, True])
def test_random_area_crop_is_a_part_of_the_image(squashed):
    image = np.asarray(random_image(90, 60, 1))
    crop = RandomAreaCrop(squashed=squashed)
    for seed in range(8):
        drawn = {name: int(value[0]) for name, value in crop.draw((1, 90, 60, 3), (seed, 2)).items()}
        rows = slice(drawn["top"], drawn["top"] + drawn["height"])
        columns = slice(drawn["left"], drawn["left"] + drawn["width"])
        result = crop(image, (seed, 2))
        np.testing.assert_array_equal(result, image[rows, columns])
        in_graph = tf.function(crop, autograph=False)(image, tf.constant((seed, 2)))
        np.testing.assert_array_equal(in_graph, result)
    np.testing.assert_array_equal(RandomAreaCrop(probability=0.0)(image, SEED), image)
    tiny = np.full((1, 1, 3), 9, np.uint8)
    np.testing.assert_array_equal(crop(tiny, SEED), tiny)
    floats = image.astype(np.float32) + 0.25
    assert crop(floats, SEED).dtype == np.float32


def test_gaussian_blur_is_its_formula():
    augmentation = GaussianBlur((0.4, 2.5), probability=1.0)
    results = augmentation(BATCH.astype(np.float32), SEED).numpy()
    for image, sigma, result in zip(BATCH, _drawn(augmentation)["sigma"], results, strict=True):
        distance = np.arange(-8, 9)
        weights = np.exp(-(distance**2) / (2 * sigma**2))
        weights /= weights.sum()
        padded = np.pad(image.astype(float), ((8, 8), (8, 8), (0, 0)), "reflect")
        blurred = sum(
            w * padded[8 + d : 8 + d + image.shape[0]] for w, d in zip(weights, distance, strict=True)
        )
        blurred = sum(
            w * blurred[:, 8 + d : 8 + d + image.shape[1]] for w, d in zip(weights, distance, strict=True)
        )
        np.testing.assert_allclose(result, blurred, atol=1e-3)
    tiny = np.full((2, 1, 3, 3), 7, np.uint8)  # smaller than the kernel
    np.testing.assert_array_equal(augmentation(tiny, SEED), tiny)


def test_cutout_is_a_square_cut_off_at_the_border():
    augmentation = Cutout(1.0, size=9, value=(1, 2, 3))
    drawn = _drawn(augmentation)
    for number, result in enumerate(augmentation(BATCH, SEED).numpy()):
        expected = BATCH[number].copy()
        top, left = int(drawn["top"][number]), int(drawn["left"][number])
        expected[max(top, 0) : top + 9, max(left, 0) : left + 9] = (1, 2, 3)
        np.testing.assert_array_equal(result, expected)


def test_random_patch_is_a_rectangle_of_another_image():
    augmentation = RandomPatch(1.0, (0.05, 0.3), (0.5, 2.0))
    drawn = _drawn(augmentation)
    assert set(drawn["mirrored"]) == {True, False}
    for number, result in enumerate(augmentation(BATCH, SEED).numpy()):
        one = {name: int(value[number]) for name, value in drawn.items()}
        patch = BATCH[one["donor"]]
        patch = patch[one["from_top"] : one["from_top"] + one["height"]]
        patch = patch[:, one["from_left"] : one["from_left"] + one["width"]]
        expected = BATCH[number].copy()
        rows, columns = (
            slice(one["top"], one["top"] + one["height"]),
            slice(one["left"], one["left"] + one["width"]),
        )
        expected[rows, columns] = patch[:, ::-1] if one["mirrored"] else patch
        np.testing.assert_array_equal(result, expected)
    np.testing.assert_array_equal(augmentation(BATCH[:1], SEED), BATCH[:1])  # no other image


def test_hue_is_turned_as_in_hsv():
    images = BATCH.astype(np.float32)
    images[0, :4] = [[[0, 0, 0]], [[9, 9, 9]], [[255, 0, 0]], [[200, 200, 20]]]
    augmentation = ColorJitter(0, 0, 0, hue=0.5, probability=1.0)
    turns = _drawn(augmentation, images)["hue"]
    for image, turn, result in zip(images, turns, augmentation(images, SEED).numpy(), strict=True):
        for pixel, found in zip(image[::3, ::7].reshape(-1, 3), result[::3, ::7].reshape(-1, 3), strict=True):
            hue, saturation, value = colorsys.rgb_to_hsv(*(pixel.astype(float) / 255))
            expected = np.array(colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value)) * 255
            np.testing.assert_allclose(found, expected, atol=0.01)


def test_aug_mix_mixes_its_chains():
    flat = np.full((8, 12, 6, 3), 90, np.uint8)
    flat[:, 3:9, 2:4] = 200
    # Posterizing to 4 bits makes 80 and 192 of them, and solarizing with a small level changes nothing.
    one = AugMix(1.0, width=1, depth=1, severity=1.0)
    drawn, results = _drawn(one, flat), one(flat.astype(np.float32), SEED).numpy()
    posterized = drawn["number"][:, 0, 0] == NAMES.index("posterize")
    equal = [(result == image).all() for result, image in zip(results, flat, strict=True)]
    assert not all(equal)
    for mix, result in zip(drawn["mix"][posterized], results[posterized], strict=True):
        np.testing.assert_allclose(result[0, 0], (1 - mix) * 90 + mix * 80, atol=1e-3)
    differences = [
        (AugMix(1.0, **other)(BATCH, SEED).numpy() != AugMix(1.0)(BATCH, SEED).numpy()).any()
        for other in ({"width": 2}, {"depth": 2}, {"severity": 9.0}, {"alpha": 1.0})
    ]
    assert all(differences)


def test_rand_augment_eagerly_and_in_tf_data():
    def augment(number):
        return [RandAugment(2, magnitude)(BATCH[0], tf.stack([number, 0])) for magnitude in (0.0, 9.0)]

    none, strong = zip(*tf.data.Dataset.range(60).map(augment).as_numpy_iterator(), strict=True)
    assert len({image.tobytes() for image in strong}) > 40
    difference = np.abs(np.stack(strong).astype(int) - BATCH[0]).mean()
    assert difference > np.abs(np.stack(none).astype(int) - BATCH[0]).mean()
    for number in range(4):
        eager = RandAugment(2, 9.0)(BATCH[0], (number, 0)).numpy()
        assert eager.dtype == np.uint8
        assert np.abs(eager.astype(int) - strong[number]).max() <= 1
    np.testing.assert_array_equal(RandAugment(probability=0.0)(BATCH[0], (0, 0)), BATCH[0])
    once, thrice = (RandAugment(operations)(BATCH[0], (5, 0)).numpy() for operations in (1, 3))
    assert (once != thrice).any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Affine(degrees=-1), "`degrees` must be a number from 0"),
        (lambda: Affine(translation=1.5), "`translation` must be a number from 0 to 1"),
        (lambda: Affine(scale=(0, 1)), "`scale` must be"),
        (lambda: Affine(shear=90), "`shear` must be a number from 0 to 89"),
        (lambda: Affine(interpolation="bicubic"), "`interpolation` must be one of"),
        (lambda: AugMix(width=0), "`width` must be an integer of at least 1"),
        (lambda: AugMix(depth=True), "`depth` must be an integer of at least 1"),
        (lambda: AugMix(severity=11), "`severity` must be a number from 0.1 to 10"),
        (lambda: AugMix(alpha=0), "`alpha` must be a number from 0.05 to 100"),
        (lambda: Cutout(size=0), "`size` must be an integer of at least 1"),
        (lambda: Cutout(value=(0, 0)), "`value` must be three numbers from 0 to 255"),
        (lambda: GaussianBlur((0, 1)), "`sigma` must be"),
        (lambda: RandAugment(operations=0), "`operations` must be an integer of at least 1"),
        (lambda: RandAugment(magnitude=11), "`magnitude` must be a number from 0 to 10"),
        (lambda: RandomAreaCrop(scale=(0.5, 1.1)), "`scale` must be"),
        (lambda: RandomAreaCrop(ratio=(0, 1)), "`ratio` must be"),
        (lambda: RandomPatch(area=(0.0, 0.5)), "`area` must be"),
        (lambda: RandomPatch(aspect=(2, 1)), "`aspect` must be"),
        (lambda: RandomResizedCrop(scale=(0.5, 1.1)), "`scale` must be"),
        (lambda: RandomResizedCrop(ratio=(0, 1)), "`ratio` must be"),
        *(
            (lambda c=c: c(probability=1.1), r"`probability` must be a number from 0 to 1\. Received")
            for c in (
                Affine,
                AugMix,
                Cutout,
                GaussianBlur,
                Grayscale,
                RandAugment,
                RandomAreaCrop,
                RandomPatch,
                RandomResizedCrop,
            )
        ),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
