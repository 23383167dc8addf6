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
        pytest.param("bot_r50", marks=pytest.mark.medium),
        "agw_r18",
        pytest.param("sbs_r50_ibn", marks=pytest.mark.medium),
        pytest.param("bot_r34_ibn_se", marks=pytest.mark.medium),
        "osnet_x0_25",
        pytest.param("sbs_r50", marks=pytest.mark.slow),
        pytest.param("bot_r50_reduced", marks=pytest.mark.slow),
        pytest.param("bot_x50", marks=pytest.mark.slow),
        pytest.param("bot_s50", marks=pytest.mark.slow),
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


@pytest.mark.slow
def test_multiple_granularity_network():
    expected = golden.load("mgn_r50_ibn")
    state = golden.state_dict(expected)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = build_fastreid(state, golden.config(expected))
    embedding = np.asarray(model(golden.images(expected), training=False))
    assert list(embedding.shape) == expected["embedding_shape"]
    assert golden.relative_error(embedding[:, :64], expected["embedding_first_64"]) < TOLERANCE
    norms = np.linalg.norm(embedding, axis=1)
    assert golden.relative_error(norms, expected["embedding_l2_norms"]) < TOLERANCE
    assert embedding.mean() == pytest.approx(expected["embedding_mean"], rel=TOLERANCE)
    assert np.abs(embedding).mean() == pytest.approx(expected["embedding_abs_mean"], rel=TOLERANCE)

    report = load_fastreid(model, state)
    counters = [name for name in state if name.endswith("num_batches_tracked")]
    assert sorted([*report.used, *counters]) == sorted(state)
    for name, head in zip(("b1_head", "b33_head"), (model.head.heads[0], model.head.heads[-1]), strict=True):
        np.testing.assert_array_equal(np.asarray(head.classifier.kernel).T, state[f"{name}.weight"])
    assert model.head.metric_feature == "after"
    # With 751 classes it would have the original's 70,345,800 parameters, necks' offsets included.
    parameters = sum(np.prod(state[name].shape) for name in state if not name.endswith(_BUFFERS))
    assert parameters + 8 * (751 - 37) * 256 == 70_345_800


_BUFFERS = ("running_mean", "running_var", "num_batches_tracked")
