import keras
import numpy as np
import pytest

from keras_reid.heads import BNNeckHead, FullyConnectedHead, LinearHead, ReductionHead
from keras_reid.layers import CircleSoftmax, CosSoftmax, LinearClassifier
from tests.harness import dtype_policy, randomize, run_head_test

ALL = [BNNeckHead, FullyConnectedHead, LinearHead, ReductionHead]
LABELS = np.array([0, 0, 4, 2], "int32")


def pooled(seed=0):
    return np.random.default_rng(seed).normal(1.0, 2.0, (4, 6)).astype("float32")


@pytest.mark.parametrize("metric_feature", ["before", "after"])
@pytest.mark.parametrize("cls", ALL)
def test_contract(cls, metric_feature):
    def make():
        return cls(5, CircleSoftmax(5, name="classifier"), metric_feature, embedding_dim=3)

    run_head_test(make, pooled(), 5, 3, LABELS)


@pytest.mark.parametrize("cls", [BNNeckHead, LinearHead])
def test_without_reduction(cls):
    run_head_test(lambda: cls(5), pooled(), 5, 6, LABELS)


@pytest.mark.parametrize("cls", ALL)
def test_logits_have_the_margin_and_scores_do_not(cls):
    head = cls(5, CosSoftmax(5, scale=1, margin=0.25))
    outputs = {name: np.asarray(value) for name, value in head(pooled(), labels=LABELS).items()}
    expected = outputs["scores"] - 0.25 * np.eye(5)[LABELS]
    np.testing.assert_allclose(outputs["logits"], expected, atol=1e-6)


@pytest.mark.parametrize("cls", ALL)
def test_metric_feature_before_is_the_pooled_feature_itself(cls):
    head = cls(5, metric_feature="before", embedding_dim=3)
    np.testing.assert_array_equal(head(pooled())["feature"], pooled())


def test_bnneck_normalises_the_batch_in_training_and_by_running_statistics_otherwise():
    head = BNNeckHead(5)
    trained = np.asarray(head(pooled(), training=True)["embedding"])
    np.testing.assert_allclose(trained.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(trained.std(0), 1, atol=1e-3)
    head.neck.moving_mean.assign(np.zeros(6))
    head.neck.moving_variance.assign(np.ones(6))
    np.testing.assert_allclose(head(pooled())["embedding"], pooled(), rtol=1e-4)


def test_bnneck_trains_all_but_the_offset():
    head = BNNeckHead(5, embedding_dim=3)
    head.build((None, 6))
    assert {v.path.split("/", 1)[1] for v in head.trainable_variables} == {
        "classifier/kernel",
        "reduce/kernel",
        "neck/gamma",
    }
    assert "neck/beta" in {v.path.split("/", 1)[1] for v in head.non_trainable_variables}


def test_bnneck_reduces_before_the_neck():
    head = BNNeckHead(5, embedding_dim=3)
    head.build((None, 6))
    head.neck.beta.assign([1.0, 2.0, 3.0])
    expected = pooled() @ np.asarray(head.reduce.kernel) / np.sqrt(1 + 1e-5) + [1, 2, 3]
    np.testing.assert_allclose(head(pooled())["embedding"], expected, rtol=1e-4, atol=1e-5)


def test_fully_connected_head_cuts_the_normalised_layer_off_at_zero():
    head = FullyConnectedHead(5, LinearClassifier(5, use_bias=True), embedding_dim=3)
    head.build((None, 6))
    randomize(head)
    outputs = {name: np.asarray(value) for name, value in head(pooled()).items()}
    dense = pooled() @ np.asarray(head.dense.kernel) + np.asarray(head.dense.bias)
    norm = head.norm
    normalised = (dense - np.asarray(norm.moving_mean)) / np.sqrt(np.asarray(norm.moving_variance) + 1e-5)
    embedding = np.maximum(normalised * np.asarray(norm.gamma) + np.asarray(norm.beta), 0)
    assert 0 < (embedding == 0).sum() < embedding.size
    np.testing.assert_allclose(outputs["embedding"], embedding, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(outputs["feature"], outputs["embedding"])
    logits = embedding @ np.asarray(head.classifier.kernel) + np.asarray(head.classifier.bias)
    np.testing.assert_allclose(outputs["logits"], logits, rtol=1e-4, atol=1e-5)
    assert FullyConnectedHead(5).embedding_dim == 512


def test_linear_head_is_linear():
    head = LinearHead(5, embedding_dim=3)
    x = pooled()
    np.testing.assert_allclose(head(2 * x)["scores"], 2 * np.asarray(head(x)["scores"]), rtol=1e-5)
    np.testing.assert_array_equal(LinearHead(5)(x)["embedding"], x)


def test_reduction_head_drops_in_training_only():
    head = ReductionHead(5, dropout=0.5)
    np.testing.assert_array_equal(head(pooled())["embedding"], head(pooled())["embedding"])
    once, twice = (np.asarray(head(pooled(), training=True)["embedding"]) for _ in range(2))
    assert np.abs(once - twice).max() > 1e-3
    still = ReductionHead(5, dropout=0.0)
    a, b = (np.asarray(still(pooled(), training=True)["embedding"]) for _ in range(2))
    np.testing.assert_allclose(a, b, rtol=1e-6)


def test_reduction_head_formula():
    head = ReductionHead(5, embedding_dim=3)
    head.build((None, 6))
    hidden = np.maximum(pooled() @ np.asarray(head.transform.kernel) / np.sqrt(1 + 1e-5), 0)
    expected = hidden @ np.asarray(head.reduce.kernel)
    np.testing.assert_allclose(head(pooled())["embedding"], expected, rtol=1e-4, atol=1e-5)
    assert ReductionHead(5).embedding_dim == 512


def test_default_classifier_is_linear():
    assert isinstance(BNNeckHead(5).classifier, LinearClassifier)


def test_half_precision_features_are_not_rounded_further():
    with dtype_policy("mixed_float16"):
        head = BNNeckHead(5)
        x = np.float32(1000) + np.linspace(0, 0.3, 24, dtype="float32").reshape(
            4, 6
        )  # beyond float16's resolution
        np.testing.assert_array_equal(head(x)["feature"], x)


class OwnClassifier(keras.layers.Layer):
    def call(self, features, labels=None):
        return features[:, :5] * 2.0


def test_own_classifier():
    outputs = BNNeckHead(5, OwnClassifier())(pooled(), labels=LABELS)
    np.testing.assert_allclose(outputs["logits"], 2 * np.asarray(outputs["embedding"])[:, :5])


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"classifier": CosSoftmax(7)},
            r"same number of classes\. Received: num_classes=5, classifier.num_classes=7",
        ),
        ({"classifier": "circle"}, r"must be a layer\. Use e\.g\. .*CircleSoftmax.* Received: 'circle'"),
        ({"classifier": keras.layers.Dense(5)}, r"`layer\(features, labels=None\)`.*takes no `labels`"),
        (
            {"metric_feature": "behind"},
            r"must be 'before' or 'after' \(the neck\)\. Received: metric_feature='behind'",
        ),
        (
            {"embedding_dim": 0},
            r"`embedding_dim` of \w+ must be a positive number of dimensions\. Received: embedding_dim=0",
        ),
    ],
)
def test_bad_arguments(cls, arguments, message):
    with pytest.raises(ValueError, match=message):
        cls(5, **arguments)


def test_other_bad_arguments():
    with pytest.raises(
        ValueError, match=r"`num_classes` of BNNeckHead must be at least 1.*Received: num_classes=0"
    ):
        BNNeckHead(0)
    with pytest.raises(
        ValueError, match=r"`dropout` of ReductionHead must be at least 0 and below 1\. Received: dropout=1"
    ):
        ReductionHead(5, dropout=1)
    with pytest.raises(ValueError, match="expected ndim=2"):
        BNNeckHead(5)(np.ones((2, 4, 3, 6), "float32"))
