"""Image retrieval: each image is searched for among all the others, and Recall@K."""

import dataclasses

import numpy as np
import pytest

from keras_reid.data import ReIDDataset, Sample
from keras_reid.evaluation import (
    EvaluationSettings,
    Evaluator,
    Features,
    RepeatedResult,
    calibrate,
    embed_datasets,
    evaluate,
    evaluate_camera_pairs,
    evaluate_dataset,
    evaluate_open_set,
    evaluate_single_shot,
    nearest,
    query_expansion,
    without_identities,
)
from keras_reid.evaluation import dataset_features as module
from keras_reid.evaluation.ground_truth import GroundTruth
from keras_reid.utils.errors import UserError
from keras_reid.visualization import ranked_lists
from keras_reid.visualization.findings import collect_findings
from tests.evaluation.reference import brute_force, distance_matrix


def features(seed=0, n=60, identities=12, levels=None):
    rng = np.random.default_rng(seed)
    embeddings = rng.integers(0, levels, (n, 6)) if levels else rng.standard_normal((n, 6))
    return Features(embeddings, rng.integers(0, identities, n), None, images=np.arange(n))


def copied(items):
    """The same, as another object."""
    return items[np.arange(len(items))]


def by_definition(items, metric="cosine"):
    """(CMC, AP, INP, valid): every image is of a camera of its own, which leaves out just itself."""
    own = dataclasses.replace(items, cameras=np.arange(len(items)))
    return brute_force(own, own, distance_matrix(items, items, metric), "cross_camera")


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("levels", [None, 2])
@pytest.mark.parametrize("block_size", [None, 7])
def test_equals_the_definition(metric, levels, block_size):
    items = features(levels=levels)
    cmc, ap, inp, valid = by_definition(items, metric)
    for query, gallery in (
        (items, items),
        (items, copied(items)),
        (dataclasses.replace(items, images=None),) * 2,
    ):
        result = evaluate(query, gallery, metric, protocol="leave_one_out", block_size=block_size)
        np.testing.assert_allclose(result.cmc, cmc, atol=1e-12)
        np.testing.assert_allclose(result.average_precision, ap, atol=1e-12)
        np.testing.assert_allclose(result.inverse_negative_penalty, inp, atol=1e-12)
        np.testing.assert_array_equal(result.valid_queries, valid)
        with_roc = evaluate(query, gallery, metric, protocol="leave_one_out", roc=True)
        assert with_roc.to_dict() | {"roc": None} == result.to_dict() | {"roc": None}
        same = items.identities[:, None] == items.identities
        assert with_roc.roc.num_positive_pairs == same.sum() - len(items)


def test_the_query_need_not_be_the_whole_gallery():
    """The numbers of the images say which one a query is, not its place."""
    items = features()
    whole = evaluate(items, items, protocol="leave_one_out")
    assert whole.valid_queries.all()
    order = np.random.default_rng(1).permutation(len(items))[:20]
    part = evaluate(items[order], items, protocol="leave_one_out")
    np.testing.assert_array_equal(part.first_match, whole.first_match[order])
    indices, _ = nearest(items[order], items, 5, protocol="leave_one_out")
    assert not (indices == order[:, None]).any()
    nearest_of_all, _ = nearest(items, items, 5, protocol="leave_one_out")
    np.testing.assert_array_equal(indices, nearest_of_all[order])
    shuffled = evaluate(
        items, items[np.random.default_rng(2).permutation(len(items))], protocol="leave_one_out"
    )
    assert shuffled.mAP == pytest.approx(whole.mAP)
    with pytest.raises(UserError, match=r"must know which gallery item a query is\. Received: images=None"):
        GroundTruth(dataclasses.replace(items, images=None), items, "leave_one_out")


def test_recall():
    items = features(n=200, identities=40)
    result = evaluate(items, items, protocol="leave_one_out")
    order = nearest(items, items, 199, protocol="leave_one_out")[0]
    hits = items.identities[order] == items.identities[:, None]
    hits = hits[result.valid_queries]
    ks = (1, 2, 10, 100, 150, 1000)
    expected = {f"recall@{k}": hits[:, :k].any(1).mean() for k in ks}
    assert result.recalls(ks) == pytest.approx(expected)
    assert expected["recall@100"] < expected["recall@150"] < expected["recall@1000"] == 1
    other = evaluate(features(1), features(1), "euclidean", protocol="all")
    mean = RepeatedResult((result, other)).recalls((1, 100))
    assert mean["recall@1"] == pytest.approx((result.rank1 + other.rank1) / 2)
    assert mean["recall@100"] == pytest.approx((result.rank(100) + other.rank(100)) / 2)


def test_what_else_there_is_leaves_the_query_out():
    items = features(n=80, identities=10)
    expanded = query_expansion(items, items, 2)
    assert (expanded.images == items.images).all()
    assert evaluate(expanded, items, protocol="leave_one_out").mAP > 0
    single = evaluate_single_shot(items, items, protocol="leave_one_out", repetitions=2)
    assert single.rank1 < 1  # each would find itself
    smaller = without_identities(items, 0.5)
    test = evaluate_open_set(items, smaller, protocol="leave_one_out")
    assert test.nearest_target.min() > 1e-3
    same = items.identities[:, None] == items.identities
    fitted = calibrate(items, items, protocol="leave_one_out").fitted_on
    assert (fitted["same_pairs"], fitted["protocol"]) == (same.sum() - len(items), "leave_one_out")
    with_cameras = dataclasses.replace(items, cameras=np.arange(80) % 2)
    pairs = evaluate_camera_pairs(with_cameras, with_cameras, protocol="leave_one_out")
    assert pairs.rank1.max() < 1
    assert pairs.queries.sum() > 80


SAMPLES = [Sample(f"{i}_{n}.jpg", identity=i) for i in range(8) for n in range(5)]
DATASET = ReIDDataset("birds", (), SAMPLES, SAMPLES, protocol="leave_one_out")


@pytest.fixture
def embedded(monkeypatch):
    """Embeds paths without a model; lists what was embedded."""
    calls = []

    def embed(model, paths, batch_size, flip):
        calls.extend(paths)
        numbers = [int(path[0]) for path in paths]
        rng = np.random.default_rng(0)
        return (np.eye(8)[numbers] + 0.5 * rng.standard_normal((len(paths), 8))).astype(np.float32)

    monkeypatch.setattr(module, "embed_paths", embed)
    return calls


def test_every_image_is_embedded_once(embedded):
    ((query, gallery),) = embed_datasets(None, [DATASET])
    assert embedded == [sample.path for sample in SAMPLES]
    assert query is gallery
    assert query.images.tolist() == list(range(40))
    found = evaluate_dataset(None, DATASET)
    cmc, ap, _, _ = by_definition(query)
    np.testing.assert_allclose(found.result.cmc, cmc)
    assert found.result.mAP == pytest.approx(ap.mean())
    other = Evaluator(None, EvaluationSettings(open_set=0.5)).run(DATASET)
    assert other.result.to_dict() == found.result.to_dict()
    assert 0 < len(other.open_set.nearest_other) < 40


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rerank": True}, "re-ranking needs a gallery apart from the queries, .* data set 'birds'"),
        ({"remove_camera_bias": True}, "removing the bias of cameras needs the camera .* 40 of data set"),
        (
            {"per_camera": True},
            "a table of camera pairs needs the camera .* the first is 0_0.jpg; leave it out",
        ),
        (
            {"metric": "dsr", "dsr_lambda": 0.5},
            "the metric dsr needs a gallery apart from the queries, .* data set 'birds'",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_before_embedding(embedded, settings, message):
    with pytest.raises(UserError, match=message):
        Evaluator(None, EvaluationSettings(**settings)).run(DATASET)
    assert embedded == []


def test_the_report_shows_no_query_beside_itself(embedded):
    found = evaluate_dataset(None, DATASET)
    paths = [sample.path for sample in SAMPLES]
    for one in ranked_lists(
        paths, paths, found.query, found.gallery, [3, 17], top=39, protocol="leave_one_out"
    ):
        assert one.path not in [image.path for image in one.images]
        assert len(one.images) == 39
        assert {image.camera for image in one.images} == {None}
    findings = collect_findings(None, DATASET, found)
    assert findings.pairs is None
    assert findings.roc.num_positive_pairs == 40 * 4
    for group in findings.lists.values():
        assert all(one.path not in [image.path for image in one.images] for one in group)


def test_images_are_numbers_one_for_each_row():
    with pytest.raises(UserError, match="`images` must be as long as `embeddings`"):
        Features(np.eye(2), [0, 1], None, images=[0])
    with pytest.raises(UserError, match="`images` must be one integer for each row"):
        Features(np.eye(2), [0, 1], None, images=[0.5, 1.0])
    assert Features(np.eye(2), [0, 1], None, images=[5, 7])[1:].images.tolist() == [7]
