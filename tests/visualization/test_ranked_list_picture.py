import dataclasses

import numpy as np
import pytest
from PIL import Image

from keras_reid.utils.errors import UserError
from keras_reid.visualization import draw_ranked_lists, ranked_lists
from keras_reid.visualization.ranked_list_picture import WIDEST
from keras_reid.visualization.thumbnails import common_size, thumbnail

GREEN, RED = (0x1A, 0x7F, 0x37), (0xCF, 0x22, 0x2E)


def pixels_of(path, colour):
    with Image.open(path) as image:
        return int((np.asarray(image.convert("RGB")) == colour).all(-1).sum())


def test_green_for_right_and_red_for_wrong(retrieval, tmp_path):
    (one,) = ranked_lists(*retrieval.arguments, [0], top=3)
    for right, colour, other in ((True, GREEN, RED), (False, RED, GREEN)):
        images = tuple(dataclasses.replace(image, right=right) for image in one.images)
        path = tmp_path / f"{right}.png"
        draw_ranked_lists([dataclasses.replace(one, images=images)], path)
        assert pixels_of(path, colour) > 1000
        assert pixels_of(path, other) == 0


def test_grows_with_rows_and_columns(retrieval, tmp_path):
    def size(num, top):
        draw_ranked_lists(ranked_lists(*retrieval.arguments, range(num), top=top), tmp_path / "lists.png")
        with Image.open(tmp_path / "lists.png") as image:
            return image.size

    small, wide, high, long = size(2, 3), size(2, 6), size(4, 3), size(2, 30)
    assert wide[0] > small[0] and wide[1] == small[1]  # noqa: PT018
    assert high[1] > small[1] and high[0] == small[0]  # noqa: PT018
    assert wide[0] < long[0] <= WIDEST and long[1] > 2 * small[1]  # noqa: PT018


def test_nothing_to_draw(tmp_path):
    with pytest.raises(UserError, match="no ranked list"):
        draw_ranked_lists([], tmp_path / "lists.png")


def test_thumbnails_keep_proportions_and_orientation(tmp_path):
    image = Image.new("RGB", (100, 50))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif)
    image.convert("L").save(tmp_path / "grey.png")
    assert thumbnail(tmp_path / "turned.jpg", (40, 40)).size == (20, 40)
    grey = thumbnail(tmp_path / "grey.png", (40, 40))
    assert (grey.size, grey.mode) == ((40, 20), "RGB")


def test_a_finer_thumbnail_has_the_pixels_that_the_file_has(tmp_path):
    Image.new("RGB", (100, 50)).save(tmp_path / "a.png")
    for size, finer, expected in (
        ((40, 40), 2, (80, 40)),
        ((40, 40), 9, (100, 50)),
        ((200, 200), 2, (200, 100)),
    ):
        assert thumbnail(tmp_path / "a.png", size, finer).size == expected


def test_tiles_suit_the_images(retrieval, tmp_path):
    assert common_size(retrieval.query_paths, 160) == (80, 160)
    Image.new("RGB", (1000, 10)).save(tmp_path / "long.png")
    assert common_size([tmp_path / "long.png"], 100) == (200, 100)
