import numpy as np
import pytest

from keras_reid.embedding.frame_crops import cut_boxes, pixel_boxes, resized_crops
from keras_reid.embedding.pillow_reader import PillowReader
from keras_reid.utils.errors import UserError

FRAME = np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8)
SIZE = (64, 32)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((10, 20, 40, 80), [10, 20, 40, 80]),
        ((10.9, 20.5, 39.1, 79.001), [10, 20, 40, 80]),
        ((-5, -0.5, 40, 200.5), [0, 0, 40, 90]),
        ((12, 20, 12, 80), [12, 20, 13, 80]),  # no area
        ((12.5, 20, 12.5, 20), [12, 20, 13, 21]),
        ((160, 90, 170, 100), [159, 89, 160, 90]),  # outside: the nearest pixel
        ((-30, 10, -20, 20), [0, 10, 1, 20]),
        ((-1e12, -1e12, 1e12, 1e12), [0, 0, 160, 90]),
    ],
)
def test_the_pixels_of_a_box(box, expected):
    for dtype in (
        np.float32,
        np.float64,
        *([np.int64] if all(float(edge).is_integer() for edge in box) else []),
    ):
        pixels = pixel_boxes(np.array([box], dtype), (90, 160))
        assert (pixels.tolist(), pixels.dtype) == ([expected], np.int64)


@pytest.mark.parametrize("boxes", [[], (), np.empty((0, 4), np.float32), np.empty(0)])
def test_no_boxes(boxes):
    assert pixel_boxes(boxes, (90, 160)).shape == (0, 4)
    assert cut_boxes(FRAME, boxes) == []
    assert resized_crops([], SIZE).shape == (0, *SIZE, 3)


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ([1, 2, 3, 4], r"`boxes` must be numbers of shape \(n, 4\): .* Received: shape \(4,\), int64"),
        (np.zeros((2, 5)), r"Received: shape \(2, 5\), float64"),
        ([["a", "b", "c", "d"]], "Received: shape"),
        (
            [[0, 0, 9, 9], [50, 30, 20, 40]],
            r"boxes\[1\] = \[50.0, 30.0, 20.0, 40.0\]. Add left and top to a width",
        ),
        ([[0, 9, 9, 8]], r"left <= right and top <= bottom. Received: boxes\[0\]"),
        ([[0, 0, np.nan, 9]], r"finite, .* Received: boxes\[0\] = \[0.0, 0.0, nan, 9.0\]"),
        ([[0, 0, np.inf, 9]], "finite"),
    ],
)
def test_boxes_that_are_refused(boxes, message):
    with pytest.raises(UserError, match=message):
        pixel_boxes(boxes, (90, 160))


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (
            FRAME.astype(np.float32),
            r"the frame must be uint8 of shape .* Received: float32 of shape \(90, 160, 3\)",
        ),
        (np.zeros((9, 9, 4), np.uint8), r"or grey \(height, width\). Received: uint8 of shape \(9, 9, 4\)"),
        (np.zeros((2, 9, 9, 3), np.uint8), r"shape \(2, 9, 9, 3\)"),
        (np.zeros((0, 9, 3), np.uint8), "the frame must have pixels"),
    ],
)
def test_frames_that_are_refused(frame, message):
    with pytest.raises(UserError, match=message):
        cut_boxes(frame, [])


def test_crops_are_views():
    (crop,) = cut_boxes(FRAME, [[10, 20, 40, 80]])
    np.testing.assert_array_equal(crop, FRAME[20:80, 10:40])
    assert np.shares_memory(crop, FRAME)


def test_crops_are_resized_as_by_the_reader_of_files():
    reader = PillowReader(SIZE)
    boxes = [[0, 0, 160, 90], [3, 3, 35, 67], [10, 20, 40, 80], [159, 89, 160, 90], [5, 5, 60, 6]]
    crops = cut_boxes(FRAME, boxes)
    expected = np.stack([reader(np.ascontiguousarray(crop)) for crop in crops])
    np.testing.assert_array_equal(resized_crops(crops, SIZE), expected)
    np.testing.assert_array_equal(resized_crops(crops[:1], SIZE), expected[:1])
    flipped = cut_boxes(FRAME[..., ::-1], boxes)  # neither contiguous nor forwards in memory
    np.testing.assert_array_equal(resized_crops(flipped, SIZE, bgr=True), expected)


def test_grey_crops_have_three_equal_channels():
    grey = FRAME[..., 0]
    expected = PillowReader(SIZE)(np.repeat(grey[..., None], 3, axis=2))
    for frame in (grey, grey[..., None]):
        for bgr in (False, True):
            np.testing.assert_array_equal(resized_crops([frame, frame], SIZE, bgr), [expected, expected])
