"""Each operation against Pillow's, on photographs-like, noisy and extreme images."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps

from keras_reid.data.augmentation import operations
from tests.data.images import random_image


def _images():
    generator = np.random.default_rng(1)
    noise = generator.integers(0, 256, (31, 17, 3), dtype=np.uint8)
    dark = (noise // 5 + 40).astype(np.uint8)
    flat = np.full((9, 7, 3), 90, np.uint8)
    tiny = noise[:1, :1]
    large = np.asarray(random_image(120, 60))
    return {"noise": noise, "dark": dark, "flat": flat, "tiny": tiny, "large": large}


IMAGES = _images()
GREY = (128, 128, 128)


def _moved(image, matrix, resample, fill=GREY):
    return image.transform(image.size, Image.Transform.AFFINE, matrix, resample, fillcolor=fill)


def _rotated(image, degrees, bicubic):
    return operations.transform(image, operations.rotation(image, tf.constant(degrees, tf.float64)), bicubic)


CASES = {
    "invert": (operations.invert, ImageOps.invert),
    "auto_contrast": (operations.auto_contrast, ImageOps.autocontrast),
    "equalize": (operations.equalize, ImageOps.equalize),
}
for bits in (1, 4, 6, 7, 8):
    CASES[f"posterize {bits}"] = (
        lambda x, bits=bits: operations.posterize(x, bits),
        lambda x, bits=bits: ImageOps.posterize(x, bits),
    )
for threshold in (0, 76, 128, 256):
    CASES[f"solarize {threshold}"] = (
        lambda x, t=threshold: operations.solarize(x, t),
        lambda x, t=threshold: ImageOps.solarize(x, t),
    )
for factor in (0.1, 0.82, 1.0, 1.54):
    for name, ours, theirs in (
        ("brightness", operations.brightness, ImageEnhance.Brightness),
        ("color", operations.color, ImageEnhance.Color),
        ("contrast", operations.contrast, ImageEnhance.Contrast),
        ("sharpness", operations.sharpness, ImageEnhance.Sharpness),
    ):
        CASES[f"{name} {factor}"] = (
            lambda x, ours=ours, f=factor: ours(x, f),
            lambda x, theirs=theirs, f=factor: theirs(x).enhance(f),
        )
for bicubic, resample in ((True, Image.Resampling.BICUBIC), (False, Image.Resampling.BILINEAR)):
    for degrees in (27.0, -24.0, 9.0):
        CASES[f"move: rotate {degrees} {resample.name}"] = (
            lambda x, d=degrees, b=bicubic: _rotated(x, d, tf.constant(b)),
            lambda x, d=degrees, r=resample: x.rotate(d, r, fillcolor=GREY),
        )
    for name, amount, matrix in (
        ("shear_x", 0.15, (1, 0.15, 0, 0, 1, 0)),
        ("shear_x", -0.15, (1, -0.15, 0, 0, 1, 0)),
        ("shear_y", 0.23, (1, 0, 0, 0.23, 1, 0)),
        ("right", 3.0, (1, 0, 3, 0, 1, 0)),
        ("down", -2.37, (1, 0, 0, 0, 1, -2.37)),
    ):
        CASES[f"move: {name} {amount} {resample.name}"] = (
            lambda x, n=name, a=amount, b=bicubic: operations.transform(
                x, operations.moving(**{n: a}), tf.constant(b)
            ),
            lambda x, m=matrix, r=resample: _moved(x, m, r),
        )
CASES["move: black"] = (
    lambda x: operations.transform(x, operations.moving(right=5.0), tf.constant(False), fill=0),
    lambda x: _moved(x, (1, 0, 5, 0, 1, 0), Image.Resampling.BILINEAR, (0, 0, 0)),
)


@pytest.mark.parametrize("case", CASES)
def test_equals_pillow_eagerly_and_in_a_graph(case):
    ours, theirs = CASES[case]
    in_graph = tf.function(ours, input_signature=[tf.TensorSpec((None, None, 3), tf.uint8)], autograph=False)
    for name, image in IMAGES.items():
        expected = np.asarray(theirs(Image.fromarray(image)))
        # Pillow interpolates in single precision, and graph optimisation reorders our arithmetic, which
        # moves a few values that lie on a whole number.
        most, mean = (1, 0.01) if case.startswith("move") else (0, 0)
        for result in (ours(tf.constant(image)).numpy(), in_graph(image).numpy()):
            assert result.dtype == np.uint8
            difference = np.abs(result.astype(int) - expected)
            assert difference.max() <= most, name
            assert difference.mean() <= mean, name
