"""IDF1, pairs and the adjusted Rand index against other implementations, and at the edges."""

import itertools
import types

import numpy as np
import pytest

from keras_reid.evaluation import adjusted_rand_index, identity_scores, pair_scores
from keras_reid.evaluation.identity_metrics import contingency_table


def boxes(rows):
    """Boxes of one camera from rows of frame, identity, left, top, right, bottom."""
    table = np.array(rows, float).reshape(-1, 6)
    return types.SimpleNamespace(
        frame=table[:, 0].astype(int), track=table[:, 1].astype(int), xyxy=table[:, 2:]
    )


def random_scene(seed, cameras, frames, people, ids):
    rng = np.random.default_rng(seed)
    truth, predicted = {}, {}
    for camera in range(cameras):
        true, found = [], []
        for frame in range(frames):
            present = rng.permutation(people)[: rng.integers(0, people + 1)]
            here = []
            for identity in present:
                x, y = rng.integers(0, 60, 2)
                here.append((frame, identity, x, y, x + 20, y + 40))
            true += here
            used = set()
            for _, identity, left, top, right, bottom in here:
                label = int(identity) if rng.random() < 0.7 else int(rng.integers(ids))
                if label in used or rng.random() < 0.1:
                    continue
                used.add(label)
                x, y = rng.integers(-6, 7, 2)
                found.append((frame, label, left + x, top + y, right + x, bottom + y))
        truth[f"cam{camera}"], predicted[f"cam{camera}"] = boxes(true), boxes(found)
    return truth, predicted


# Counts of py-motmetrics 1.4.0 (MIT), with the frames of all cameras in one list.
@pytest.mark.parametrize(
    ("arguments", "counts", "idf1"),
    [
        ((0, 1, 20, 4, 5), (18, 13, 20), 0.5217391304347826),
        ((1, 3, 30, 6, 8), (165, 100, 158), 0.5612244897959183),
        ((2, 2, 15, 3, 3), (25, 11, 21), 0.6097560975609756),
    ],
)
def test_as_motmetrics_counts(arguments, counts, idf1):
    scores = identity_scores(*random_scene(*arguments))
    assert (scores.true_positives, scores.false_positives, scores.false_negatives) == counts
    assert scores.idf1 == pytest.approx(idf1, abs=1e-12)
    assert scores.idp == pytest.approx(counts[0] / (counts[0] + counts[1]), abs=1e-12)
    assert scores.idr == pytest.approx(counts[0] / (counts[0] + counts[2]), abs=1e-12)


def test_the_matching_is_the_best_of_all():
    truth, predicted = random_scene(7, 2, 12, 3, 3)
    table = np.zeros((3, 3), int)
    for camera, true in truth.items():
        found = predicted[camera]
        for i, j in itertools.product(range(len(true.frame)), range(len(found.frame))):
            if true.frame[i] == found.frame[j]:
                shift = np.abs(true.xyxy[i] - found.xyxy[j])[:2]
                common = max(0, 20 - shift[0]) * max(0, 40 - shift[1])
                table[true.track[i], found.track[j]] += common / (1600 - common) >= 0.5
    best = max(sum(table[i, j] for i, j in enumerate(order)) for order in itertools.permutations(range(3)))
    assert identity_scores(truth, predicted).true_positives == best > 0


def test_two_identities_for_somebody_in_two_cameras():
    seen = boxes([(0, 1, 0, 0, 10, 20), (1, 1, 0, 0, 10, 20)])
    renamed = boxes([(0, 2, 0, 0, 10, 20), (1, 2, 0, 0, 10, 20)])
    assert identity_scores({"a": seen, "b": seen}, {"a": seen, "b": seen}).idf1 == 1
    assert identity_scores({"a": seen, "b": seen}, {"a": seen, "b": renamed}).idf1 == 0.5
    # Names do not count, and neither does the order of the rows.
    backwards = boxes([(1, 2, 0, 0, 10, 20), (0, 2, 0, 0, 10, 20)])
    assert identity_scores({"a": seen, "b": seen}, {"a": backwards, "b": renamed}).idf1 == 1


def test_overlap_at_the_limit():
    seen = {"a": boxes([(0, 1, 0, 0, 10, 20)])}
    half = {"a": boxes([(0, 1, 0, 0, 10, 10)])}
    assert identity_scores(seen, half).idf1 == 1  # an IoU of exactly 0.5
    assert identity_scores(seen, half, iou=0.51).idf1 == 0


def test_nothing_there():
    one, none = boxes([(0, 1, 0, 0, 10, 20)]), boxes([])
    assert identity_scores({}, {}).idf1 == identity_scores({"a": none}, {"a": none}).idf1 == 0
    missed = identity_scores({"a": one}, {"a": none})
    assert (missed.idf1, missed.idp, missed.idr, missed.false_negatives) == (0, 0, 0, 1)
    invented = identity_scores({"a": none}, {"b": one})
    assert (invented.idf1, invented.false_positives, invented.false_negatives) == (0, 1, 0)


def test_bad_boxes():
    twice = boxes([(3, 1, 0, 0, 10, 20), (3, 1, 5, 0, 15, 20)])
    with pytest.raises(ValueError, match=r"'a'.*two boxes of identity 1 in frame 3"):
        identity_scores({"a": twice}, {})
    with pytest.raises(ValueError, match=r"`iou` must be above 0 and at most 1. Received: iou=0"):
        identity_scores({}, {}, iou=0)


def labels(seed):
    rng = np.random.default_rng(seed)
    drawn = []
    for count, one, other in ((50, 7, 9), (200, 40, 30), (30, 30, 3)):
        truth, predicted = rng.integers(0, one, count), rng.integers(0, other, count)
        drawn.append((truth, np.where(rng.random(count) < 0.6, truth, predicted)))
    return drawn


def test_as_scikit_learn_counts():
    """`adjusted_rand_score` and half of `pair_confusion_matrix` of scikit-learn 1.9.1."""
    expected = [
        (0.2869595183555979, 62, 102, 99),
        (0.44198522145576974, 244, 314, 266),
        (0.2830526692941598, 5, 20, 3),
    ]
    for (truth, predicted), (index, right, wrong, missed) in zip(labels(5), expected, strict=True):
        assert adjusted_rand_index(truth, predicted) == pytest.approx(index, abs=1e-12)
        scores = pair_scores(truth, predicted)
        assert scores.precision == pytest.approx(right / (right + wrong), abs=1e-12)
        assert scores.recall == pytest.approx(right / (right + missed), abs=1e-12)
        assert scores.f1 == pytest.approx(2 * right / (2 * right + wrong + missed), abs=1e-12)


def test_groupings_at_the_edges():
    for same in ([], [1], [1, 2, 3], [4, 4, 4]):
        assert adjusted_rand_index(same, same) == pair_scores(same, same).f1 == 1
    assert adjusted_rand_index([1, 2, 3], [1, 1, 1]) == 0
    alone = pair_scores([1, 1, 1], [1, 2, 3])
    assert (alone.precision, alone.recall, alone.f1) == (1, 0, 0)
    together = pair_scores([1, 2, 3], [1, 1, 1])
    assert (together.precision, together.recall, together.f1) == (0, 1, 0)
    assert adjusted_rand_index([1, 1, 2, 2], [1, 2, 1, 2]) == pytest.approx(-0.5)
    assert adjusted_rand_index(["a", "a", "b"], [2, 2, 1]) == 1
    with pytest.raises(ValueError, match=r"same length. Received: shapes \(2,\) and \(3,\)"):
        pair_scores([1, 2], [1, 2, 3])


def test_contingency_table():
    np.testing.assert_array_equal(contingency_table([7, 3, 7, 7], ["b", "a", "a", "b"]), [[1, 0], [1, 2]])
