"""The resizer against Pillow."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_reid.data.resizing import resize_array, resize_image
from tests.data.images import random_image


@pytest.mark.parametrize(
    ("height", "width", "size"),
    [
        (128, 64, (256, 128)),
        (128, 64, (128, 64)),
        (300, 180, (256, 128)),
        (37, 53, (256, 128)),
        (200, 30, (64, 32)),  # height first
        (300, 90, (60, 80)),  # height first, both shrink
        (90, 300, (80, 60)),
        (1, 1, (256, 128)),
        (1, 7, (20, 3)),
        (2, 2, (5, 5)),
        (300, 33, (300, 40)),
        (700, 900, (33, 65)),  # several blocks, the last one smaller
    ],
)
def test_resizing_is_pillows_within_a_level(height, width, size):
    generator = np.random.default_rng(3)
    photograph = np.asarray(random_image(height, width))
    noise = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
    edges = (generator.integers(0, 2, (height, width, 3)) * 255).astype(np.uint8)
    images = np.stack([photograph, noise, edges])
    in_data = tf.data.Dataset.from_tensor_slices(images).map(lambda image: resize_image(image, size))
    for image, mapped in zip(images, in_data, strict=True):
        expected = np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BICUBIC)).astype(int)
        usual = resize_image(image, size, usual=(height, width))
        unusual = resize_image(image, size, usual=(height + 1, width))
        for resized in (resize_image(image, size), mapped, usual, unusual):
            assert resized.dtype == tf.uint8
            difference = np.abs(resized.numpy() - expected)
            assert difference.max() <= 1
            assert difference.mean() <= 0.1
        np.testing.assert_array_equal(resize_array(image, size), mapped)


def test_float_images_are_rounded_and_clipped():
    image = np.float32([[[-3.0, 0.49, 0.5], [254.5, 255.4, 300.0]]])
    expected = [[[0, 0, 1], [255, 255, 255]]]
    np.testing.assert_array_equal(resize_image(image, (1, 2)), expected)
    np.testing.assert_array_equal(resize_image(np.repeat(image, 3, 0), (3, 2)), np.repeat(expected, 3, 0))


def test_an_even_image_stays_even():
    for size in ((40, 70), (5, 3), (300, 9)):
        np.testing.assert_array_equal(resize_image(np.full((50, 31, 3), 255, np.uint8), size), 255)


def test_the_new_size_is_static():
    traced = tf.function(lambda x: resize_image(x, (9, 5))).get_concrete_function(
        tf.TensorSpec((None, None, 3), tf.uint8)
    )
    assert traced.output_shapes == (9, 5, 3)


@pytest.mark.parametrize("size", [(96, 48), (384, 129)])
def test_an_image_has_the_same_pixels_in_every_program(size):
    traced = tf.function(
        lambda image: resize_image(image, size), input_signature=[tf.TensorSpec((None, None, 3), tf.uint8)]
    )
    for height, width in ((300, 181), (65, 17), (127, 255)):
        image = np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)
        in_data = next(iter(tf.data.Dataset.from_tensors(image).map(lambda x: resize_image(x, size))))
        for resized in (traced(image), in_data, resize_image(image, size, usual=(height, width))):
            np.testing.assert_array_equal(resized, resize_image(image, size))
