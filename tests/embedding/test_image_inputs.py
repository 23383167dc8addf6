import pathlib

import numpy as np
import pytest
from PIL import Image

from keras_reid.embedding.image_inputs import checked_images, image_name
from keras_reid.utils.errors import UserError

PIXELS = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)


@pytest.mark.parametrize(
    ("image", "checked"),
    [
        ("a.jpg", "a.jpg"),
        (pathlib.Path("folder/a.jpg"), "folder/a.jpg"),
        (b"BM", b"BM"),
        (bytearray(b"BM"), b"BM"),
        (memoryview(b"BM"), b"BM"),
    ],
)
def test_one_image_or_a_list(image, checked):
    assert checked_images(image) == [checked]
    assert checked_images([image]) == checked_images((image,)) == checked_images(iter([image])) == [checked]


@pytest.mark.parametrize("image", [PIXELS, PIXELS.astype("float64"), Image.fromarray(PIXELS), PIXELS + 0.49])
def test_pixels(image):
    for images in (image, [image]):
        (pixels,) = checked_images(images)
        assert pixels.dtype == np.uint8
        np.testing.assert_array_equal(pixels, PIXELS)


def test_a_batch_stays_one_array():
    batch = np.stack([PIXELS, PIXELS])
    assert checked_images(batch) is batch
    np.testing.assert_array_equal(checked_images(batch.astype("float16")), batch)


def test_halves_go_up_as_in_the_resizer():
    values = np.array([0, 0.4999, 0.5, 1.5, 254.5, 255], np.float32)
    (pixels,) = checked_images(np.repeat(values[None, :, None], 3, axis=2))
    assert pixels[0, :, 0].tolist() == [0, 0, 1, 2, 255, 255]


def test_an_array_of_paths_as_embed_stores_it():
    assert checked_images(np.array(["a.jpg", "b.jpg"])) == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize("nothing", [[], (), np.zeros((0, 4, 5, 3), np.uint8), np.zeros((0, 4, 5, 3))])
def test_nothing(nothing):
    assert len(checked_images(nothing)) == 0


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (5, "images must be a file's path.*Received: int"),
        (None, "images must be.*Received: NoneType"),
        ({"a": "a.jpg"}, "images must be.*Received: a dict"),
        (["a.jpg", 5], r"images\[1\] must be.*Received: int"),
        (["a.jpg", PIXELS.tolist()], r"images\[1\] must be.*Received: list"),
        ([PIXELS, PIXELS[None]], r"images\[1\] must be.*Received: shape \(1, 4, 5, 3\)"),
        (PIXELS[..., 0], r"the image must be.*Received: shape \(4, 5\)"),
        (PIXELS[..., :1], r"the image must have 3 channels.*Received: shape \(4, 5, 1\)"),
        ([PIXELS, np.zeros((4, 5, 4), np.uint8)], r"images\[1\] must have 3 channels.*\(4, 5, 4\)"),
        (PIXELS.transpose(2, 0, 1), "must have 3 channels"),
        (PIXELS[:0], r"must have pixels. Received: shape \(0, 5, 3\)"),
        (np.zeros((2, 0, 5, 3), np.uint8), "images must have pixels"),
        (PIXELS.astype(int), "must be uint8, or float from 0 to 255. Received: int64"),
        (PIXELS > 3, "Received: bool"),
        (PIXELS - 1.0, "must have pixels from 0 to 255. Received: -1 to 58"),
        ([PIXELS, PIXELS * 5.0], r"images\[1\] must have pixels from 0 to 255. Received: 0 to 295"),
        (np.where(PIXELS == 3, np.nan, PIXELS), "must have pixels from 0 to 255. Received: nan"),
        (np.where(PIXELS == 3, np.inf, PIXELS), "must have pixels from 0 to 255. Received: 0 to inf"),
        (PIXELS / 255, "Received: at most 0.231373, as if divided by 255"),
    ],
)
def test_what_cannot_be_embedded_is_named(images, message):
    with pytest.raises(UserError, match=message) as caught:
        checked_images(images)
    assert "\n" not in str(caught.value)


def test_black_floats_are_black():
    (pixels,) = checked_images(np.zeros((4, 5, 3)))
    assert not pixels.any()


def test_names():
    images = ["a.jpg", pathlib.Path("b.jpg"), b"", PIXELS]
    assert [image_name(images, place) for place in range(4)] == ["a.jpg", "b.jpg", "images[2]", "images[3]"]
