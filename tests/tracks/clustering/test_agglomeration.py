import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from keras_reid.tracks.clustering import agglomerate, agglomeration, clusters_of, joins
from keras_reid.utils.errors import UserError


def evidence(items, seed, groups=None, noise=3.0):
    """Log odds of items, the first of which are of one identity, the next of another, and so on; and the identities."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(groups or max(1, items // 4), size=items)
    values = np.where(truth[:, None] == truth, 2.0, -2.0) + noise * rng.standard_normal((items, items))
    return np.tril(values, -1) + np.tril(values, -1).T, truth


def partition(labels):
    return {frozenset(np.flatnonzero(labels == one).tolist()) for one in np.unique(labels)}


@pytest.mark.parametrize("seed", range(20))
def test_it_is_average_linkage_cut_at_the_given_evidence(seed):
    items = 2 + 7 * seed
    values, _ = evidence(items, seed)
    stop = [0.0, -1.0, 1.0][seed % 3]
    distances = 100 - values  # scipy's distances must not be negative
    tree = linkage(squareform(distances, checks=False), "average")
    expected = fcluster(tree, 100 - stop, "distance")
    assert partition(agglomerate(values, stop=stop)) == partition(expected)


@pytest.mark.parametrize("seed", range(10))
def test_constraints_hold_and_the_rest_is_the_greedy_order(seed):
    """Against a plain implementation that looks at all pairs of clusters before each join."""
    rng = np.random.default_rng(seed)
    values, _ = evidence(24, seed)
    must = rng.integers(24, size=(4, 2))
    cannot = rng.integers(24, size=(40, 2))
    together = agglomerate(np.full((24, 24), -1.0), must_link=must)
    cannot = cannot[together[cannot[:, 0]] != together[cannot[:, 1]]]

    labels = agglomerate(values, cannot, must)

    assert (labels[cannot[:, 0]] != labels[cannot[:, 1]]).all()
    assert (labels[must[:, 0]] == labels[must[:, 1]]).all()
    values[tuple(cannot.T)] = values[tuple(cannot.T[::-1])] = -np.inf
    clusters = [np.flatnonzero(together == one) for one in np.unique(together)]
    while len(clusters) > 1:
        means = {
            (i, j): values[np.ix_(clusters[i], clusters[j])].mean()
            for i in range(len(clusters))
            for j in range(i)
        }
        (i, j), best = max(means.items(), key=lambda one: one[1])
        if best <= 0:
            break
        clusters[j] = np.concatenate([clusters[j], clusters.pop(i)])
    assert partition(labels) == {frozenset(one.tolist()) for one in clusters}


def test_the_order_of_the_items_does_not_matter():
    values, _ = evidence(60, seed=1)
    cannot = np.random.default_rng(2).integers(60, size=(100, 2))
    cannot = cannot[cannot[:, 0] != cannot[:, 1]]
    labels = agglomerate(values, cannot, [(3, 4), (4, 9)] if not _among(cannot, (3, 4, 9)) else ())
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(60)
        place = np.argsort(order)
        shuffled = agglomerate(
            values[np.ix_(order, order)],
            place[cannot],
            place[np.array([(3, 4), (4, 9)])] if not _among(cannot, (3, 4, 9)) else (),
        )
        assert partition(shuffled[place]) == partition(labels)


def _among(pairs, items):
    return np.isin(pairs, items).all(axis=1).any()


def test_clusters_are_numbered_by_their_first_items():
    values = np.full((4, 4), -1.0)
    values[1, 3] = values[3, 1] = 1.0
    assert agglomerate(values).tolist() == [0, 1, 2, 1]


@pytest.mark.parametrize("items", [0, 1])
def test_nothing_to_join(items):
    labels = agglomerate(np.zeros((items, items)))
    assert labels.tolist() == [0] * items
    assert labels.dtype == np.int64


def test_equal_evidence_is_joined_in_order_and_no_evidence_not_at_all():
    assert agglomerate(np.ones((5, 5))).tolist() == [0] * 5
    assert agglomerate(np.zeros((5, 5))).tolist() == [0, 1, 2, 3, 4]
    assert agglomerate(np.ones((3, 3)), cannot_link=[(0, 2)]).tolist() == [0, 0, 1]
    assert agglomerate(np.ones((6, 6)), cannot_link=[(0, 1), (2, 3), (4, 5)]).max() == 1


def test_the_tree_can_be_cut_higher_up():
    values, _ = evidence(80, seed=4)
    cannot = [(3, 5), (7, 9)]
    pairs, mean = joins(values, cannot, [(0, 1), (1, 2)], stop=-np.inf)
    assert (mean[1:] <= mean[:-1]).all()
    assert mean[:2].tolist() == [np.inf, np.inf]
    assert mean[2] < np.inf
    for stop in (2.0, 0.0, -1.0, -np.inf):
        expected = agglomerate(values, cannot, [(0, 1), (1, 2)], stop)
        assert np.array_equal(clusters_of(80, pairs[mean > stop]), expected)


def test_the_argument_stays_as_it_was_unless_it_may_be_overwritten():
    values = evidence(300, seed=0)[0].astype(np.float32)
    before = values.copy()
    labels = agglomerate(values, [(0, 1)], [(2, 3)])
    assert np.array_equal(values, before)
    assert np.array_equal(agglomerate(values, [(0, 1)], [(2, 3)], overwrite=True), labels)
    assert not np.array_equal(values, before)


@pytest.mark.parametrize(
    ("values", "pairs", "said"),
    [
        (np.zeros((2, 3)), {}, "`log_odds` must be a square matrix. Received: shape (2, 3)."),
        (np.array([[0, np.nan], [np.nan, 0]]), {}, "must be numbers below infinity. Received: NaN or inf."),
        (np.array([[0, np.inf], [np.inf, 0]]), {}, "must be numbers below infinity. Received: NaN or inf."),
        (np.array([[0, 1], [2, 0]]), {}, "`log_odds` must be symmetric, to the bit."),
        (np.ones((3, 3)), {"cannot_link": [(0, 3)]}, "must name items from 0 to 2. Received: 3."),
        (np.ones((3, 3)), {"cannot_link": [(1, 1)]}, "an item is always the same as itself."),
        (np.ones((3, 3)), {"must_link": [(-1, 0)]}, "must name items from 0 to 2. Received: -1."),
        (
            np.ones((4, 4)),
            {"must_link": [(0, 1), (1, 3)], "cannot_link": [(3, 0)]},
            "items 1 and 3 must be the same, yet a pair that cannot be the same would be joined with them.",
        ),
        (
            np.where(np.eye(2), 0, -np.inf),
            {"must_link": [(0, 1)]},
            "items 0 and 1 must be the same, yet a pair that cannot be the same would be joined with them.",
        ),
    ],
)
def test_what_cannot_be_clustered(values, pairs, said):
    with pytest.raises(UserError) as error:
        agglomerate(values, **pairs)
    assert said in str(error.value)


def test_too_many_items_are_refused_before_any_work(monkeypatch):
    monkeypatch.setattr(agglomeration, "MOST", 3)
    with pytest.raises(UserError, match=r"at most 3 items .* Received: 4. Cluster them in parts."):
        agglomerate(np.zeros((4, 4)))
