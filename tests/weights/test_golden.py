"""Whole networks of the original: the same weights and pixels give the same feature map and embedding."""

import warnings

import numpy as np
import pytest

from keras_reid.weights import build_fastreid, load_fastreid
from tests import golden

TOLERANCE = 1e-4  # relative L2 error; measured: 2e-6


@pytest.mark.parametrize(
    "case",
    [
        "bot_r50",
        "agw_r18",
        "sbs_r50_ibn",
        "bot_r34_ibn_se",
        pytest.param("bot_r50_reduced", marks=pytest.mark.slow),
    ],
)
def test_feature_map_and_embedding(case):
    expected = golden.load(case)
    state = golden.state_dict(expected)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the config tells everything: nothing may be assumed
        model = build_fastreid(state, golden.config(expected))
    images = golden.images(expected)

    feature_map = np.asarray(model.backbone(model.normalize(images), training=False))
    assert list(feature_map.shape) == expected["feature_map_shape_nhwc"]
    assert golden.relative_error(feature_map[0, 0, 0, :16], expected["feature_map_corner_16"]) < TOLERANCE
    assert feature_map.mean() == pytest.approx(expected["feature_map_mean"], rel=TOLERANCE)
    assert np.abs(feature_map).mean() == pytest.approx(expected["feature_map_abs_mean"], rel=TOLERANCE)

    embedding = np.asarray(model.head(model.pooling(feature_map))["embedding"])
    assert list(embedding.shape) == expected["embedding_shape"]
    assert golden.relative_error(embedding[:, :64], expected["embedding_first_64"]) < TOLERANCE
    norms = np.linalg.norm(embedding, axis=1)
    assert golden.relative_error(norms, expected["embedding_l2_norms"]) < TOLERANCE
    assert embedding.mean() == pytest.approx(expected["embedding_mean"], rel=TOLERANCE)
    assert np.abs(embedding).mean() == pytest.approx(expected["embedding_abs_mean"], rel=TOLERANCE)

    # Every weight is in its place, in the original's layout, and the report says so.
    assert model.image_size == tuple(expected["input_shape_nhwc"][1:3])
    head = expected["head"]
    assert type(model.head.classifier).__name__.startswith(head["cls_layer"])
    assert model.head.metric_feature == head["neck_feat"]
    np.testing.assert_array_equal(np.asarray(model.head.classifier.kernel).T, state["heads.weight"])
    if case == "agw_r18":
        np.testing.assert_allclose(model(images, training=False), embedding, rtol=1e-5)
        report = load_fastreid(model, state)
        assert report.complete
        counters = [name for name in state if name.endswith("num_batches_tracked")]
        assert sorted([*report.used, *counters]) == sorted(state)
