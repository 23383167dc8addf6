"""The quality of crops: from boxes, and from pixels."""

import types

import numpy as np
import pytest

from keras_reid.tracks.tracklets.quality import PARTS, geometric_quality, quality, sharpness
from keras_reid.utils.errors import UserError

FRAME = (1000, 2000)


def boxes(*rows, frame=None, track=None):
    count = len(rows)
    return types.SimpleNamespace(
        frame=np.zeros(count, int) if frame is None else np.array(frame),
        track=np.arange(count) if track is None else np.array(track),
        xyxy=np.array(rows, np.float32).reshape(-1, 4),
    )


def part(name, given, frame_size=FRAME):
    return geometric_quality(given, frame_size)[:, PARTS.index(name)]


def test_size_is_full_from_128_by_64_pixels():
    sizes = part("size", boxes((10, 10, 42, 74), (10, 10, 74, 138), (10, 10, 500, 900)))
    np.testing.assert_allclose(sizes, [32 * np.sqrt(2) / 90, 1, 1], rtol=1e-3)


def test_whole_is_what_lies_inside_and_half_of_it_at_an_edge():
    given = boxes(
        (10, 10, 60, 110), (0, 10, 50, 110), (-50, 10, 50, 110), (1950, 10, 1999, 110), (2100, 0, 2200, 9)
    )
    np.testing.assert_allclose(part("whole", given), [1, 0.5, 0.25, 0.5, 0], rtol=1e-5)


def test_only_nearer_boxes_of_the_same_frame_cover():
    # The second stands lower, so it is nearer; it covers half of the first and 1/2 of its own area is not hidden.
    pair = ((100, 100, 200, 300), (150, 100, 250, 310))
    clear = part("clear", boxes(*pair))
    np.testing.assert_allclose(clear, [0.5, 1], rtol=1e-5)
    np.testing.assert_allclose(part("clear", boxes(*pair, frame=(0, 1))), 1)


def test_at_the_lower_edge_each_may_be_the_nearer_one():
    clear = part("clear", boxes((100, 800, 200, 1000), (150, 800, 250, 1100)))
    np.testing.assert_allclose(clear, [0.5, 0.5], rtol=1e-5)


def test_several_boxes_multiply_and_their_order_does_not_count():
    rng = np.random.default_rng(0)
    xyxy = rng.uniform(0, 500, (40, 2))
    xyxy = np.concatenate([xyxy, xyxy + rng.uniform(20, 300, (40, 2))], axis=1).astype(np.float32)
    frame = np.sort(rng.integers(0, 6, 40))
    clear = part("clear", boxes(*xyxy, frame=frame))
    expected = np.ones(40)
    for one in range(40):
        for other in np.flatnonzero(frame == frame[one]):
            if other != one and xyxy[other, 3] >= xyxy[one, 3]:
                sides = np.minimum(xyxy[one, 2:], xyxy[other, 2:]) - np.maximum(
                    xyxy[one, :2], xyxy[other, :2]
                )
                expected[one] *= 1 - np.prod(np.maximum(sides, 0)) / np.prod(xyxy[one, 2:] - xyxy[one, :2])
    np.testing.assert_allclose(clear, expected, atol=1e-5)
    within = np.concatenate([rng.permutation(np.flatnonzero(frame == number)) for number in range(6)])
    np.testing.assert_allclose(
        part("clear", boxes(*xyxy[within], frame=frame[within])), clear[within], atol=1e-6
    )


def test_shape_compares_with_the_median_of_the_track():
    rows = ((10, 10, 60, 110), (10, 10, 60, 110), (10, 10, 60, 60), (10, 10, 110, 60))
    shape = part("shape", boxes(*rows, frame=range(4), track=(1, 1, 1, 2)))
    np.testing.assert_allclose(shape, [1, 1, np.exp(-(np.log(2) ** 2) / (2 * 0.35**2)), 1], rtol=1e-5)


def test_no_boxes_and_empty_boxes():
    assert geometric_quality(boxes(), FRAME).shape == (0, 4)
    values = geometric_quality(boxes((10, 10, 10, 10), (5, 5, 10, 10)), FRAME)
    assert np.isfinite(values).all()
    assert values[0, 0] == 0


@pytest.mark.parametrize("frame_size", [(0, 100), (100, -1)])
def test_frames_have_a_size(frame_size):
    with pytest.raises(
        UserError, match=r"`frame_size` must be \(height, width\) in pixels, from 1. Received: \("
    ):
        geometric_quality(boxes(), frame_size)


def test_blurring_lowers_sharpness_and_contrast_does_not_change_it():
    rng = np.random.default_rng(0)
    sharp = rng.uniform(0, 255, (64, 32, 1)).repeat(3, axis=2)
    blurred = np.apply_along_axis(lambda line: np.convolve(line, np.ones(5) / 5, "same"), 1, sharp)
    assert sharpness(sharp) > 0.6
    assert sharpness(blurred) < sharpness(sharp) - 0.1  # blurred along one direction only
    assert sharpness(0.1 * sharp + 50) == pytest.approx(sharpness(sharp), abs=1e-3)


def test_sharpness_is_that_of_the_formula():
    rng = np.random.default_rng(1)
    crop = rng.integers(0, 255, (20, 12, 3)).astype(np.uint8)
    grey = crop.mean(axis=-1)
    shares = []
    for picture in (grey, grey.T):
        wide = np.pad(picture, ((0, 0), (4, 4)), mode="edge")
        blurred = np.stack([wide[:, i : i + 9].mean(axis=1) for i in range(picture.shape[1])], axis=1)
        before, after = (np.abs(np.diff(one, axis=1)) for one in (picture, blurred))
        shares.append(np.maximum(before - after, 0).sum() / before.sum())
    assert sharpness(crop) == pytest.approx(min(shares), rel=1e-4)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 40, 3), (64, 32, 3)])
def test_what_has_no_detail_has_no_sharpness(shape):
    assert sharpness(np.full(shape, 7, np.uint8)) == 0


def test_sharpness_wants_a_picture():
    with pytest.raises(
        UserError, match=r"`crop` must have the shape \(height, width, 3\). Received: shape=\(4, 4\)"
    ):
        sharpness(np.zeros((4, 4)))


def test_every_part_lowers_the_quality():
    best = quality(np.ones((1, 4)), [1.0])[0]
    assert best == 1
    for column in range(4):
        geometry = np.ones((1, 4))
        geometry[0, column] = 0.5
        assert quality(geometry, [1.0])[0] < best
    assert quality(np.ones((1, 4)), [0.5])[0] < best
    assert quality(np.zeros((2, 4)), [0.5, 1]).dtype == np.float32


@pytest.mark.parametrize(
    ("geometry", "sharp", "message"),
    [
        (
            np.ones((2, 3)),
            np.ones(2),
            r"`geometry` must have the shape \(m, 4\).* Received: \(2, 3\) and \(2,\)",
        ),
        (np.ones((2, 4)), np.ones(3), r"Received: \(2, 4\) and \(3,\)"),
        (np.full((1, 4), 2.0), np.ones(1), r"`geometry` and `sharp` must be 0 … 1"),
        (np.ones((1, 4)), [np.nan], r"`geometry` and `sharp` must be 0 … 1"),
    ],
)
def test_wrong_parts(geometry, sharp, message):
    with pytest.raises(UserError, match=message):
        quality(geometry, sharp)
