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


def _shear(image, factor, resample):
    return image.transform(
        image.size, Image.Transform.AFFINE, (1, factor, 0, 0, 1, 0), resample, fillcolor=GREY
    )


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
        CASES[f"rotate {degrees} {resample.name}"] = (
            lambda x, d=degrees, b=bicubic: operations.rotate(x, tf.constant(d, tf.float64), tf.constant(b)),
            lambda x, d=degrees, r=resample: x.rotate(d, r, fillcolor=GREY),
        )
    for slope in (0.15, -0.15):
        CASES[f"shear {slope} {resample.name}"] = (
            lambda x, s=slope, b=bicubic: operations.shear_x(x, tf.constant(s, tf.float64), tf.constant(b)),
            lambda x, s=slope, r=resample: _shear(x, s, r),
        )


@pytest.mark.parametrize("case", CASES)
def test_equals_pillow_eagerly_and_in_a_graph(case):
    ours, theirs = CASES[case]
    in_graph = tf.function(ours, input_signature=[tf.TensorSpec((None, None, 3), tf.uint8)], autograph=False)
    for name, image in IMAGES.items():
        expected = np.asarray(theirs(Image.fromarray(image)))
        # Pillow interpolates in single precision, and graph optimisation reorders our arithmetic, which
        # moves a few values that lie on a whole number.
        most, mean = (1, 0.01) if case.startswith(("rotate", "shear")) else (0, 0)
        for result in (ours(tf.constant(image)).numpy(), in_graph(image).numpy()):
            assert result.dtype == np.uint8
            difference = np.abs(result.astype(int) - expected)
            assert difference.max() <= most, name
            assert difference.mean() <= mean, name
