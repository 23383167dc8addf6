import tracemalloc

import pytest

from keras_reid.data.image_limits import MOST_SCANS, Extent, extent, megapixels_allowed, objection
from keras_reid.utils.errors import UserError
from tests.data.images import encoded, jpeg_of_scans, png_that_says, random_image, segment

IMAGE = random_image(20, 30)
JPEG = encoded(IMAGE)
# Where a scan may seem to begin or the image to end, and does not.
COMMENT = segment(0xFE, b"\xff\xda\xff\xd9" * 100)


@pytest.mark.parametrize(
    ("contents", "expected"),
    [
        (JPEG, Extent(30, 20, 1)),
        (encoded(IMAGE, progressive=True), Extent(30, 20, 10)),
        (encoded(IMAGE.convert("L"), progressive=True), Extent(30, 20, 6)),
        (encoded(IMAGE.convert("CMYK")), Extent(30, 20, 1)),
        (JPEG[:2] + COMMENT + JPEG[2:], Extent(30, 20, 1)),
        (JPEG[:2] + b"\xff" * 9 + JPEG[2:], Extent(30, 20, 1)),
        (JPEG + COMMENT * 2, Extent(30, 20, 1)),
        (jpeg_of_scans(30, 20, 29), Extent(30, 20, 29)),
        (jpeg_of_scans(30, 20, 30, between=COMMENT), Extent(30, 20, 30)),
        (jpeg_of_scans(30, 20, 4000), Extent(30, 20, 31)),
        (jpeg_of_scans(30, 20, 32, between=COMMENT), Extent(30, 20, 31)),
        (encoded(IMAGE, "PNG"), Extent(30, 20)),
        (encoded(IMAGE, "BMP"), Extent(30, 20)),
        (encoded(IMAGE, "GIF"), Extent(0, 0)),
        (b"", Extent(0, 0)),
        (b"\xff\xd8\xff", Extent(0, 0)),
        (JPEG[:15], Extent(0, 0)),
    ],
)
def test_extent(contents, expected):
    assert extent(contents) == expected


def test_restart_markers_and_zeros_are_pixels():
    rows = encoded(random_image(64, 64), restart_marker_rows=1, quality=100)
    assert rows.count(b"\xff\xd0")
    assert rows.count(b"\xff\x00")
    assert extent(rows[:2] + COMMENT + rows[2:]) == Extent(64, 64, 1)


def test_a_file_of_segments_without_end_is_refused_soon():
    assert extent(b"\xff\xd8" + b"\xff\xfe\x00\x02" * 100_000).scans == MOST_SCANS + 1


def test_a_bomb_is_refused_by_its_header():
    bomb = png_that_says(2**31 - 1, 2**31 - 1)
    tracemalloc.start()
    assert objection(bomb, 25) == "2147483647 x 2147483647 pixels, more than 25 megapixels; make it smaller"
    assert tracemalloc.get_traced_memory()[1] < 100_000
    tracemalloc.stop()
    assert objection(JPEG, 20 * 30 / 1e6) == ""
    assert "30 x 20 pixels" in objection(JPEG, 20 * 30 / 1e6 - 1e-6)


def test_the_variable_raises_the_limit(monkeypatch):
    picture = png_that_says(6000, 5000)
    assert "more than 25 megapixels; make it smaller, or set" in objection(picture)
    monkeypatch.setenv("KERAS_REID_MAX_MEGAPIXELS", "30")
    assert objection(picture) == ""
    assert megapixels_allowed() == 30
    for text in ("many", "0", "-1", "nan", "inf"):
        monkeypatch.setenv("KERAS_REID_MAX_MEGAPIXELS", text)
        with pytest.raises(UserError, match=f"must be a number of megapixels above 0.*Received: '{text}'"):
            megapixels_allowed()
