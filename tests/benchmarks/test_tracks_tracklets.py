"""The benchmark of tracklets: what stands for a track, how tracks are joined, and what its figures say."""

import numpy as np
import pytest

from keras_reid.data.synthetic.tracklets import TrackletSet, draw_tracklets
from keras_reid.tracks.tracklets.summaries import summarise
from tests.benchmarks import import_benchmark

DIM = 64


@pytest.fixture(scope="module")
def benchmark_of_tracklets():
    return import_benchmark("tracks_tracklets")


def tracked_of(benchmark, bad=()):
    """12 people at 2 cameras, 8 crops each; the crops of the numbers `bad` show nobody."""
    rng = np.random.default_rng(0)
    camera, identity, number = (part.ravel() for part in np.indices((2, 12, 8)))
    good = ~np.isin(number, bad)
    shown = np.where(good, identity, 12 + rng.integers(0, 12, len(good)))
    x = rng.standard_normal((24, DIM))[shown] + 0.4 * rng.standard_normal((len(shown), DIM))
    return benchmark.Tracked(
        embeddings=x / np.linalg.norm(x, axis=1, keepdims=True),
        quality=np.ones(len(x), np.float32),
        track=camera * 100 + identity,
        frame=1000 * identity + 6 * number,
        identity=identity,
        camera=camera,
        good=good,
    )


def test_the_part_of_most_kept_quality_stands_for_a_track(benchmark_of_tracklets):
    x = np.repeat(np.eye(3), [4, 6, 5], axis=0)
    quality, track = np.repeat([1.0, 0.5, 0.7], [4, 6, 5]), np.repeat([3, 3, 8], [4, 6, 5])
    summary = summarise(x, quality, track, np.arange(15))
    assert summary.track.tolist() == [3, 3, 8]
    assert benchmark_of_tracklets.main_parts(summary, quality).tolist() == [0, 2]
    assert benchmark_of_tracklets.main_parts(summary, np.ones(15)).tolist() == [1, 2]


def test_joined_tracks_keep_their_times_apart(benchmark_of_tracklets):
    tracked = tracked_of(benchmark_of_tracklets)
    before, after = tracked.rows()[:2]
    for seed in range(20):
        joined, place = benchmark_of_tracklets.splice(tracked, before, after, np.random.default_rng(seed))
        assert 3 <= place <= len(joined.track) - 3
        assert set(joined.identity[:place]) == {0}
        assert set(joined.identity[place:]) == {1}
        assert np.diff(joined.frame).tolist() == [6] * (len(joined.frame) - 1)
        assert len(np.unique(joined.track)) == 1


def test_figures_of_good_and_of_bad_crops(benchmark_of_tracklets):
    def figures(bad):
        tracked = tracked_of(benchmark_of_tracklets, bad)
        rows = benchmark_of_tracklets.retrieval(tracked, 0.3) + benchmark_of_tracklets.splits(tracked, 1)
        return {name: value for name, value, _ in rows}

    good, bad = figures(()), figures((1, 4, 5))
    assert good["mAP, plain mean"] == pytest.approx(1)
    assert abs(good["mAP, gain of summarise"]) < 0.005
    assert good["jumps found"] > 0.95
    assert good["false splits"] == good["splits of one person at two cameras"] == 0
    assert bad["mAP, summarise"] >= bad["mAP, plain mean"]
    assert bad["mAP, good crops alone"] == pytest.approx(1)
    assert bad["tracks at least half bad"] == 0


@pytest.mark.medium
def test_the_quality_of_a_drawn_set_goes_to_its_crops(benchmark_of_tracklets, tmp_path):
    draw_tracklets(tmp_path, TrackletSet(identities=6, cameras=2, share=0.5, length=(6, 8), height=(40, 64)))
    names = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.jpg")]
    tracked = benchmark_of_tracklets.read(
        tmp_path, 0.5, dict.fromkeys(names, np.ones(4)), dict.fromkeys(names, 0.5)
    )
    assert (np.diff(tracked.track) >= 0).all()
    assert (np.diff(tracked.frame)[np.diff(tracked.track) == 0] > 0).all()
    assert tracked.quality[tracked.good].min() > tracked.quality[~tracked.good].min()
    assert tracked.quality[tracked.good].mean() > 1.3 * tracked.quality[~tracked.good].mean()
