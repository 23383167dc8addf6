import io

import numpy as np
from PIL import Image

from keras_reid.data.doctor.same_picture import SAME, unexplained


def picture(seed=0):
    """Soft random colours, 128 × 64 pixels."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 4, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((64, 128), Image.Resampling.BICUBIC)


def small(image):
    return np.asarray(image.convert("RGB").resize((32, 32), Image.Resampling.BOX))[None]


def test_a_copy_is_explained():
    image = picture()
    stream = io.BytesIO()
    cropped = image.crop((2, 4, 63, 126)).point(lambda level: min(255, round(0.85 * level + 5)))
    cropped.save(stream, "JPEG", quality=60)
    assert unexplained(small(image), small(image))[0] < 1e-6
    assert unexplained(small(image), small(Image.open(stream)))[0] < SAME


def test_another_picture_is_not():
    images = np.concatenate([small(picture(seed)) for seed in range(100)])
    assert unexplained(images, np.roll(images, 1, axis=0)).min() > 4 * SAME
    # A part that differs, such as another person in front of the same wall.
    changed = images.copy()
    changed[:, 8:24, 10:22] = np.roll(images, 1, axis=0)[:, 8:24, 10:22]
    assert unexplained(images, changed).min() > SAME


def test_an_empty_picture_is_no_copy():
    image, empty = small(picture()), np.full((1, 32, 32, 3), 9, np.uint8)
    for one, other in ((image, empty), (empty, image), (empty, empty)):
        assert unexplained(one, other)[0] > SAME
    assert unexplained(np.zeros((0, 32, 32, 3), np.uint8), np.zeros((0, 32, 32, 3), np.uint8)).shape == (0,)
