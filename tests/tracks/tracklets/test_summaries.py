"""One embedding for each tracklet: what moves it, what does not, and where a track is split."""

import numpy as np
import pytest

from keras_reid.tracks.tracklets.summaries import summarise
from keras_reid.utils.errors import UserError

DIM = 32


def around(rng, centre, count, noise=0.05):
    """Unit vectors near an axis."""
    x = np.eye(DIM)[centre] + rng.normal(0, noise, (count, DIM))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def one(x, quality=None, frame=None, **options):
    """Summary of one track."""
    count = len(x)
    quality = np.ones(count) if quality is None else quality
    return summarise(
        x, quality, np.zeros(count, int), np.arange(count) if frame is None else frame, **options
    )


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_good_crops_alone_give_about_the_plain_mean(rng):
    x = around(rng, 0, 12)
    summary = one(x)
    plain = x.mean(axis=0) / np.linalg.norm(x.mean(axis=0))
    assert summary.kept.all()
    assert summary.embedding[0] @ plain > 0.998
    np.testing.assert_allclose(np.linalg.norm(summary.embedding, axis=1), 1, rtol=1e-6)


def test_the_spread_is_the_root_mean_squared_distance_of_kept_crops(rng):
    x = around(rng, 0, 9)
    x[4] = np.eye(DIM)[5]
    summary = one(x)
    far = 1 - x[summary.kept] @ summary.embedding[0]
    assert summary.kept.sum() == 8
    assert summary.spread[0] == pytest.approx(np.sqrt(np.mean(far**2)), rel=1e-4)


@pytest.mark.parametrize("bad", [(3,), (0, 5), (2, 3, 7), (0, 4, 8, 9)])
def test_outliers_are_left_out_and_hardly_move_the_embedding(rng, bad):
    x = around(rng, 0, 10)
    clean = one(np.delete(x, bad, axis=0), frame=np.delete(np.arange(10), bad)).embedding[0]
    x[list(bad)] = np.eye(DIM)[[5 + number for number in range(len(bad))]]
    summary = one(x)
    assert np.flatnonzero(~summary.kept).tolist() == list(bad)
    assert summary.embedding[0] @ clean > 0.995
    plain = x.mean(axis=0) / np.linalg.norm(x.mean(axis=0))
    assert summary.embedding[0] @ clean > plain @ clean


def test_the_order_of_rows_and_of_outliers_does_not_count(rng):
    x, track = rng.normal(size=(40, DIM)), rng.integers(0, 4, 40)
    frame, quality = rng.permutation(40), rng.uniform(0, 1, 40)
    summary = summarise(x, quality, track, frame)
    order = rng.permutation(40)
    again = summarise(x[order], quality[order], track[order], frame[order])
    np.testing.assert_array_equal(summary.embedding, again.embedding)
    np.testing.assert_array_equal(summary.tracklet[order], again.tracklet)
    np.testing.assert_array_equal(summary.kept[order], again.kept)
    # Which of two outliers comes first changes nothing but which row is left out.
    x = around(rng, 0, 10)
    x[[3, 6]] = np.eye(DIM)[[5, 6]]
    swapped = x.copy()
    swapped[[3, 6]] = x[[6, 3]]
    np.testing.assert_allclose(one(x).embedding, one(swapped).embedding, atol=1e-3)


def test_lengths_of_embeddings_and_the_scale_of_quality_and_time_do_not_count(rng):
    x, quality = around(rng, 0, 8, 0.2), rng.uniform(0.1, 1, 8)
    summary = one(x, quality)
    other = one(x * rng.uniform(0.5, 20, (8, 1)), 0.01 * quality, frame=1000 + np.arange(8), alike=0.5)
    np.testing.assert_allclose(summary.embedding, other.embedding, atol=1e-6)


def test_extreme_numbers(rng):
    x = around(rng, 0, 8)
    for scale, worth in ((1e30, 1e-310), (1e-30, 1e300)):
        summary = one((x * scale).astype(np.float32), np.full(8, worth))
        np.testing.assert_allclose(summary.embedding, one(x).embedding, atol=1e-6)


def test_a_single_crop_is_its_own_mean(rng):
    x = around(rng, 3, 1)
    summary = one(x, quality=[0.0])
    np.testing.assert_allclose(summary.embedding, x, rtol=1e-6)
    assert summary.kept.tolist() == [True]
    assert summary.spread[0] == pytest.approx(0, abs=1e-6)


def test_two_crops_that_agree_give_their_mean(rng):
    x = around(rng, 3, 2)
    summary = one(x)
    middle = x.sum(axis=0) / np.linalg.norm(x.sum(axis=0))
    np.testing.assert_allclose(summary.embedding[0], middle, atol=1e-6)
    assert summary.kept.all()
    nearer = one(x, quality=[0.9, 0.2]).embedding[0]
    assert nearer @ x[0] > middle @ x[0]
    assert nearer @ x[1] > 0.9 * (middle @ x[1])


def test_of_two_crops_that_differ_the_better_one_counts():
    x = np.eye(DIM)[:2]
    assert one(x, quality=[0.9, 0.2]).embedding[0] @ x[0] > 0.8
    assert one(x, quality=[0.2, 0.9]).embedding[0] @ x[1] > 0.8


def test_opposite_crops_do_not_cancel_out():
    x = np.stack([np.eye(DIM)[0], -np.eye(DIM)[0]])
    summary = one(x)
    assert abs(np.linalg.norm(summary.embedding[0]) - 1) < 1e-6
    assert summary.kept.any()


def test_identical_crops(rng):
    x = around(rng, 1, 1).repeat(9, axis=0)
    summary = one(x)
    np.testing.assert_allclose(summary.embedding, x[:1], atol=1e-6)
    assert summary.kept.all()
    assert summary.spread[0] == pytest.approx(0, abs=1e-6)


def test_crops_of_one_frame(rng):
    x = around(rng, 1, 5)
    assert one(x, frame=np.full(5, 3)).kept.all()


def test_crops_that_are_all_bad_still_give_an_embedding():
    x = np.eye(DIM)[:9]
    summary = one(x)
    assert len(summary.track) == 1
    assert summary.kept.any()
    assert np.isfinite(summary.embedding).all()
    np.testing.assert_allclose(np.linalg.norm(summary.embedding), 1, rtol=1e-6)


def test_crops_of_no_quality_are_left_out_unless_all_are(rng):
    x = around(rng, 0, 8)
    quality = np.ones(8)
    quality[[2, 5]] = 0
    assert np.flatnonzero(~one(x, quality).kept).tolist() == [2, 5]
    nothing = one(x, np.zeros(8))
    assert nothing.kept.all()
    np.testing.assert_array_equal(nothing.embedding, one(x).embedding)


def test_quality_decides_where_crops_are_in_two_minds(rng):
    # Two halves, mixed in time, so that it is no jump.
    x = np.concatenate([around(rng, 0, 4), around(rng, 1, 4)])[[0, 4, 1, 5, 2, 6, 3, 7]]
    worth = np.tile([1.0, 0.3], 4)
    assert one(x, worth).embedding[0] @ np.eye(DIM)[0] > 0.9
    assert one(x, worth[::-1]).embedding[0] @ np.eye(DIM)[1] > 0.9


def test_what_is_there_before_and_after_outweighs_a_longer_run_between(rng):
    x = np.concatenate([around(rng, 0, 3), around(rng, 1, 6), around(rng, 0, 2)])
    summary = one(x)
    assert len(summary.track) == 1
    assert summary.embedding[0] @ np.eye(DIM)[0] > 0.9
    assert np.flatnonzero(summary.kept).tolist() == [0, 1, 2, 9, 10]


def test_a_jump_splits_the_track_at_its_place(rng):
    x = np.concatenate([around(rng, 0, 5), around(rng, 1, 7), around(rng, 2, 4)])
    summary = summarise(x, np.ones(16), np.full(16, 9), 10 * np.arange(16))
    assert summary.tracklet.tolist() == [0] * 5 + [1] * 7 + [2] * 4
    assert summary.track.tolist() == [9, 9, 9]
    assert summary.jumps == ((9, 50), (9, 120))
    assert summary.message() == (
        "1 of 1 tracks was split, because its id jumps to another object: track 9 from frame 50, track 9 from frame 120"
    )
    for number in range(3):
        assert summary.embedding[number] @ np.eye(DIM)[number] > 0.9


def test_a_jump_is_found_among_bad_crops(rng):
    x = np.concatenate([around(rng, 0, 6), around(rng, 1, 6)])
    x[[2, 9]] = np.eye(DIM)[[7, 8]]
    summary = one(x)
    assert summary.tracklet.tolist() == [0] * 6 + [1] * 6
    assert np.flatnonzero(~summary.kept).tolist() == [2, 9]


def test_a_consistent_track_is_never_split(rng):
    crops, tracks = [], []
    for number in range(200):
        # A slow change from one view to another, farther than the noise.
        way = np.linspace(0, 1, int(rng.integers(6, 20)))[:, None]
        centre = (1 - 0.4 * way) * np.eye(DIM)[0] + 0.4 * way * np.eye(DIM)[1]
        crops.append(centre + rng.normal(0, 0.08, (len(way), DIM)))
        tracks.append(np.full(len(way), number))
    track = np.concatenate(tracks)
    summary = summarise(np.concatenate(crops), np.ones(len(track)), track, np.arange(len(track)))
    assert len(summary.track) == 200
    assert summary.message() is None


def test_too_few_or_too_poor_crops_are_no_jump(rng):
    short = np.concatenate([around(rng, 0, 9), around(rng, 1, 2)])
    assert not one(short).jumps
    poor = np.concatenate([around(rng, 0, 9), around(rng, 1, 4)])
    assert one(poor).jumps == ((0, 9),)
    assert not one(poor, quality=np.repeat([1.0, 0.2], [9, 4])).jumps


def test_tracks_do_not_touch_each_other(rng):
    x, track = np.concatenate([around(rng, 0, 6), around(rng, 1, 8)]), np.repeat([4, 2], [6, 8])
    frame = np.concatenate([np.arange(6), np.arange(8)])
    both = summarise(x, np.ones(14), track, frame)
    assert both.track.tolist() == [2, 4]
    assert both.tracklet.tolist() == [1] * 6 + [0] * 8
    np.testing.assert_array_equal(both.embedding[1], one(x[:6]).embedding[0])


def test_alike_says_how_far_crops_may_be(rng):
    x = around(rng, 0, 9, 0.02)
    x[4] = (np.eye(DIM)[0] + np.eye(DIM)[1]) / np.sqrt(2)  # a distance of 0.3
    assert one(x).kept.all()
    assert not one(x, alike=0.1).kept[4]


def test_many_splits_are_counted_in_the_message(rng):
    track = np.repeat(np.arange(7), 8)
    x = np.concatenate([np.concatenate([around(rng, 0, 4), around(rng, 1, 4)]) for _ in range(7)])
    message = summarise(x, np.ones(56), track, np.arange(56)).message()
    assert message.startswith(
        "7 of 7 tracks were split, because their ids jump to another object: track 0 from"
    )
    assert message.endswith("track 4 from frame 36, and 2 more")


def test_no_crops():
    summary = summarise(np.zeros((0, 4)), [], [], [])
    assert (summary.embedding.shape, len(summary.track), summary.message()) == ((0, 4), 0, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"embeddings": np.ones(4)},
            r"`embeddings` must have the shape \(m, dim\).* Received: \(4,\), \(2,\)",
        ),
        ({"quality": [1.0]}, r"`quality`, `track` and `frame` the shape \(m,\). Received: \(2, 4\), \(1,\)"),
        ({"track": [0.5, 1.0]}, r"`track` must hold integers. Received: dtype=float64"),
        ({"frame": ["a", "b"]}, r"`frame` must hold integers. Received: dtype=<U1"),
        (
            {"embeddings": [[1.0, 0, 0, 0], [0, 0, 0, 0]]},
            "must be finite and not 0. Received: 1 other rows.* first is 1",
        ),
        ({"embeddings": [[np.nan, 0, 0, 0], [1, 0, 0, 0]]}, "must be finite and not 0. .* the first is 0"),
        ({"quality": [1.0, -0.5]}, "`quality` must be finite, and at least 0. Received: -0.5 in row 1"),
        ({"quality": [np.inf, 1]}, "Received: inf in row 0"),
        ({"quality": [np.nan, 1]}, "Received: nan in row 0"),
        ({"alike": 0}, "`alike` must be a cosine distance above 0, at most 2. Received: alike=0"),
        ({"alike": 2.5}, "Received: alike=2.5"),
    ],
)
def test_wrong_arguments(change, message):
    arguments = {"embeddings": np.ones((2, 4)), "quality": [1, 1], "track": [0, 0], "frame": [0, 1]} | change
    options = {"alike": arguments.pop("alike")} if "alike" in arguments else {}
    with pytest.raises(UserError, match=message):
        summarise(*arguments.values(), **options)
