import io

import numpy as np
import pytest
import rich.console

from keras_reid.evaluation import Features, evaluate, evaluate_camera_pairs
from keras_reid.evaluation.metric_tables import print_camera_table
from keras_reid.utils.errors import UserError
from tests.evaluation.test_retrieval_metrics import golden_features, random_features


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_each_pair_is_an_evaluation_of_its_own(metric):
    query, gallery = random_features(0)
    pairs = evaluate_camera_pairs(query, gallery, metric)
    assert pairs.query_cameras.tolist() == pairs.gallery_cameras.tolist() == [0, 1, 2]
    for i in range(3):
        assert pairs.queries[i, i] == 0
        for j in {0, 1, 2} - {i}:
            alone = evaluate(query[query.cameras == i], gallery[gallery.cameras == j], metric)
            assert pairs.rank1[i, j] == pytest.approx(alone.rank1)
            assert pairs.mAP[i, j] == pytest.approx(alone.mAP)
            assert pairs.queries[i, j] == alone.num_valid_queries
    every = evaluate_camera_pairs(query, gallery, metric, protocol="all")
    assert (np.diagonal(every.queries) > 0).all()


def test_pairs_without_a_match_are_left_open():
    query = Features(np.eye(2), [0, 1], [0, 1])
    gallery = Features(np.eye(2), [0, 1], [1, 1])
    pairs = evaluate_camera_pairs(query, gallery)
    assert pairs.queries.tolist() == [[1], [0]]
    assert np.isnan(pairs.rank1[1, 0])
    assert pairs.to_dict() == [
        {"query_camera": 0, "gallery_camera": 1, "rank1": 1.0, "mAP": 1.0, "queries": 1}
    ]
    console = rich.console.Console(file=io.StringIO(), width=100)
    print_camera_table("mine", pairs, console)
    text = console.file.getvalue()
    assert "100.0 / 100.0" in text
    assert "–" in text


def test_refuses_in_words():
    query, gallery = golden_features()
    unknown = Features(gallery.embeddings, gallery.identities, None)
    with pytest.raises(UserError, match="needs the cameras of query and gallery"):
        evaluate_camera_pairs(query, unknown, protocol="all")
    with pytest.raises(UserError, match="each image would find itself"):
        evaluate_camera_pairs(query, query, protocol="all")
