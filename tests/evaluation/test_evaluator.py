import dataclasses

import numpy as np
import pytest

from keras_reid.data import ReIDDataset
from keras_reid.data.sample import Sample
from keras_reid.evaluation import (
    EvaluationSettings,
    Evaluator,
    Features,
    RepeatedResult,
    embed_datasets,
    evaluate,
    evaluate_dataset,
    evaluate_repetitions,
)
from keras_reid.evaluation import dataset_features as module
from keras_reid.utils.errors import UserError

SAMPLES = [Sample(f"{i}_{c}.jpg", identity=i, camera=c) for i in range(12) for c in range(4)]


def embedding(path):
    identity, camera = (int(part) for part in path.removesuffix(".jpg").split("_"))
    rng = np.random.default_rng(100 * identity + camera)
    return np.random.default_rng(identity).standard_normal(8) + 1.5 * rng.standard_normal(8)


@pytest.fixture
def embedded(monkeypatch):
    """Embeds paths without a model; lists what was embedded."""
    calls = []

    def embed(model, paths, batch_size, flip):
        calls.extend(paths)
        return np.array([embedding(path) for path in paths], np.float32) * (2 if flip else 1)

    monkeypatch.setattr(module, "embed_paths", embed)
    return calls


def draw(seed, protocol="all"):
    rng = np.random.default_rng(seed)
    chosen = {i: int(rng.integers(4)) for i in range(12)}
    gallery = [sample for sample in SAMPLES if chosen[sample.identity] == sample.camera]
    query = [sample for sample in SAMPLES if chosen[sample.identity] != sample.camera]
    return ReIDDataset(f"set_{seed}", (), query, gallery, protocol=protocol)


def test_another_protocol_is_checked_before_anything_is_embedded(embedded):
    one = ReIDDataset("one", (), SAMPLES, SAMPLES, protocol="cross_camera")
    for call, argument in ((evaluate_dataset, one), (evaluate_repetitions, [one, draw(1)])):
        with pytest.raises(UserError, match=r"48 files of data set 'one' are in query and gallery"):
            call(None, argument, protocol="all")
    assert embedded == []
    # Each image among all the others, as the protocol says, and not itself.
    alone = dataclasses.replace(one, protocol="leave_one_out")
    found = evaluate_dataset(None, one, protocol="leave_one_out").result
    assert found.to_dict() == evaluate_dataset(None, alone).result.to_dict()


def test_takes_the_protocol_of_the_data_set_unless_told(embedded):
    half = len(SAMPLES) // 2
    for protocol in ("cross_camera", "all"):
        one = ReIDDataset("one", (), SAMPLES[:half:2], SAMPLES[1:half:2] + SAMPLES[half:], protocol=protocol)
        found = evaluate_dataset(None, one)
        expected = evaluate(found.query, found.gallery, protocol=protocol)
        assert found.result.to_dict() == expected.to_dict()
    assert found.result.roc is None
    assert evaluate_dataset(None, one, roc=True).result.roc is not None
    everything = evaluate(found.query, found.gallery, "euclidean", protocol="cross_camera")
    assert (
        evaluate_dataset(None, one, "euclidean", protocol="cross_camera").result.to_dict()
        == everything.to_dict()
    )


def test_repetitions_are_averaged_and_every_image_is_embedded_once(embedded):
    draws = [draw(seed) for seed in range(10)]
    found = evaluate_repetitions(None, iter(draws), roc=True)
    assert sorted(embedded) == sorted(sample.path for sample in SAMPLES)
    alone = [evaluate_dataset(None, one, roc=True).result for one in draws]
    assert found.result.rank1 == pytest.approx(np.mean([result.rank1 for result in alone]))
    assert found.result.mAP == pytest.approx(np.mean([result.mAP for result in alone]))
    summary = found.result.to_dict()
    assert (summary["repetitions"], summary["num_queries"]) == (10, 36)
    assert summary["roc"]["auc"] == pytest.approx(np.mean([result.roc.auc for result in alone]))
    assert len(found.gallery) == 12
    with pytest.raises(UserError, match="at least one data set"):
        evaluate_repetitions(None, [])


def test_names_the_image_whose_embedding_is_not_finite(monkeypatch):
    def embed(model, paths, batch_size, flip):
        embeddings = np.ones((len(paths), 4), np.float32)
        embeddings[[2, 5]] = np.nan
        return embeddings

    monkeypatch.setattr(module, "embed_paths", embed)
    one = draw(0)
    with pytest.raises(UserError, match=rf"embedding of {one.query[2].path} holds NaN.*2 of 48 in all"):
        embed_datasets(None, [one])


def run(datasets, **settings):
    evaluator = Evaluator(None, EvaluationSettings(**settings))
    return evaluator.run(datasets[0]) if len(datasets) == 1 else evaluator.run_draws(datasets)


def test_each_setting_changes_the_result(embedded):
    draws = [draw(seed, "cross_camera") for seed in range(2)]
    # Several gallery images of each identity, without which a draw of one of them would change nothing.
    draws = [dataclasses.replace(one, query=one.gallery, gallery=one.query) for one in draws]
    plain = run(draws[:1])
    assert plain.to_dict() == evaluate_dataset(None, draws[0]).to_dict()
    assert (plain.camera_pairs, plain.open_set) == (None, None)
    mean = run(draws, per_camera=True, open_set=0.5, recall=(1, 20))
    assert isinstance(mean.result, RepeatedResult)
    assert mean.camera_pairs.queries.sum() > 0
    assert len(mean.open_set.nearest_other) == len(draws[0].query) // 2
    added = {"recall@1", "recall@20", "camera_pairs", "open_set"}
    assert mean.to_dict().keys() - mean.result.to_dict().keys() == added
    for changed in (
        {"metric": "euclidean"},
        {"remove_camera_bias": True},
        {"query_expansion": 2},
        {"rerank": True},
        {"single_shot": 3},
    ):
        assert run(draws[:1], **changed).result.mAP != plain.result.mAP, changed
    every = run(draws[:1], protocol="all", roc=True)
    assert every.result.roc.num_positive_pairs == 36


def test_features_are_those_that_are_measured(embedded):
    one = draw(3, "cross_camera")
    evaluator = Evaluator(None, EvaluationSettings(remove_camera_bias=True))
    measured = evaluator.run(one)
    for features, other in zip(evaluator.features(one), (measured.query, measured.gallery), strict=True):
        np.testing.assert_array_equal(features.embeddings, other.embeddings)


def test_dsr_needs_its_share():
    with pytest.raises(UserError, match=r"the metric dsr needs its share.*`dsr_lambda_for`"):
        Evaluator(None, EvaluationSettings(metric="dsr"))


def test_rows_of_features():
    features = Features(np.eye(4), [0, 1, 2, 3], None, maps=np.ones((4, 2, 3)))
    part = features[[2, 0]]
    assert part.identities.tolist() == [2, 0]
    assert part.cameras is None
    assert part.maps.shape == (2, 2, 3)
    assert features[features.identities > 1].embeddings.tolist() == np.eye(4)[2:].tolist()
