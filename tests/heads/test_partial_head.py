import keras
import numpy as np
import pytest

from keras_reid.heads import PartialHead
from keras_reid.layers import CircleSoftmax
from tests.harness import (
    HALF_POLICIES,
    assert_finite,
    dtype_policy,
    dtypes,
    gradients,
    randomize,
    rebuilt,
    reloaded,
    shapes,
)

CLASSES = 5
LABELS = np.array([0, 0, 3, 4])


def feature_map(height=8, width=4, channels=6, seed=0):
    return np.random.default_rng(seed).uniform(0, 1, (4, height, width, channels)).astype("float32")


def make(inputs=None, **options):
    head = PartialHead(CLASSES, **options)
    head(feature_map() if inputs is None else inputs)
    randomize(head)
    return head


def windows_of(x, side, stride, pool=np.max):
    """All windows that lie wholly in the map, their maxima unless said otherwise."""
    tall, wide = min(side, x.shape[1]), min(side, x.shape[2])
    return np.stack(
        [
            pool(x[:, i : i + tall, j : j + wide], axis=(1, 2))
            for i in range(0, x.shape[1] - tall + 1, stride)
            for j in range(0, x.shape[2] - wide + 1, stride)
        ],
        axis=1,
    )


def test_windows_may_be_averages():
    x = feature_map()
    head = make(x, windows=((2, 1), (3, 2)), window_pooling="average")
    expected = np.concatenate([windows_of(x, 2, 1, np.mean), windows_of(x, 3, 2, np.mean)], axis=1)
    np.testing.assert_allclose(head(x)["maps"], expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match=r"`window_pooling` .* 'max' or 'average'\. Received: 'mean'"):
        PartialHead(CLASSES, window_pooling="mean")


# The first is the original's, 48 + 33 + 20 + 9.
@pytest.mark.parametrize(
    ("size", "count"), [((24, 8), 110), ((16, 8), 70), ((8, 4), 14), ((7, 3), 3 + 2 + 1 + 1), ((1, 1), 4)]
)
def test_windows_of_maps_of_any_size(size, count):
    x = feature_map(*size)
    outputs = make(x)(x, labels=LABELS, training=True)
    assert shapes(outputs) == {
        "logits": [(4, CLASSES)] * 2,
        "scores": (4, CLASSES),
        "feature": [(4, 6)] * 2,
        "embedding": (4, 6),
        "maps": (4, count, 6),
        "weights": (4, count),
    }
    assert dtypes(outputs) == {"float32"}
    expected = np.concatenate([windows_of(x, side, 2) for side in (2, 4, 6, 8)], axis=1)
    np.testing.assert_array_equal(outputs["maps"], expected)
    np.testing.assert_allclose(np.sum(outputs["weights"], axis=1), 1, rtol=1e-6)


def test_formula():
    x, windows = feature_map(), ((2, 1), (3, 2))
    head = make(windows=windows)
    outputs = head(x)
    vectors = [windows_of(x, *pair) for pair in windows]
    kernel, bias = np.asarray(head.occlusion.kernel), np.asarray(head.occlusion.bias)
    scores = [1 / (1 + np.exp(-(v @ kernel + bias)[..., 0])) for v in vectors]
    both = np.concatenate(scores, axis=1)
    np.testing.assert_allclose(outputs["weights"], both / both.sum(1, keepdims=True), rtol=1e-5)
    share = scores[0] / scores[0].sum(axis=1, keepdims=True)
    foreground = np.einsum("nj,njc->nc", share, vectors[0])
    np.testing.assert_allclose(outputs["feature"][1], foreground, rtol=1e-5)
    np.testing.assert_allclose(outputs["feature"][0], x.mean(axis=(1, 2)), rtol=1e-5)
    neck = head.foreground.neck
    gamma, beta, mean, variance = (
        np.asarray(v) for v in (neck.gamma, neck.beta, neck.moving_mean, neck.moving_variance)
    )
    embedding = (foreground - mean) / np.sqrt(variance + neck.epsilon) * gamma + beta
    np.testing.assert_allclose(outputs["embedding"], embedding, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(outputs["scores"], np.mean(outputs["logits"], axis=0), rtol=1e-5)


def test_scores_start_equal():
    x = feature_map()
    outputs = PartialHead(CLASSES)(x)
    np.testing.assert_allclose(outputs["weights"], 1 / 14, rtol=1e-6)
    np.testing.assert_allclose(outputs["feature"][1], windows_of(x, 2, 2).mean(axis=1), rtol=1e-5)


def test_options():
    x = feature_map()
    after = make(metric_feature="after", embedding_dim=3)(x)
    assert shapes(after["feature"]) == [(4, 3), (4, 3)]
    np.testing.assert_array_equal(after["feature"][1], after["embedding"])
    head = make(classifier=CircleSoftmax(CLASSES, 8, 0.2))
    plain, trained = head(x), head(x, labels=LABELS)
    np.testing.assert_allclose(trained["scores"], plain["scores"], rtol=1e-5)
    for a, b in zip(plain["logits"], trained["logits"], strict=True):
        assert np.abs(a - b).max() > 1e-3
    # Two necks (4) and class weights, the score's kernel and offset.
    assert len({id(variable) for variable in head.weights}) == len(head.weights) == 12


@pytest.mark.parametrize("offset", [0, 300, -300])
@pytest.mark.parametrize("scale", [0, 1, 1e4])
def test_gradients_are_finite(scale, offset):
    """Also where every score is 0 or 1 in float32, and for a dead map."""
    head = make()
    head.occlusion.bias.assign([offset])

    def total(x):
        outputs = head(x, labels=LABELS, training=True)
        return sum(
            keras.ops.sum(value) for value in keras.tree.flatten([outputs["logits"], outputs["weights"]])
        )

    x = feature_map() * np.float32(scale)
    assert_finite(head(x))
    assert_finite(gradients(total, x))
    np.testing.assert_allclose(np.sum(head(x)["weights"], axis=1), 1, rtol=1e-5)


def test_the_scores_learn():
    x = feature_map()
    head = make(metric_feature="after")
    head.occlusion.kernel.assign(np.zeros((6, 1)))
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(head(x)["embedding"]))
    gradient = tape.gradient(loss, head.occlusion.kernel.value)
    assert np.abs(gradient).max() > 1e-3


def test_round_trip_in_a_model():
    inputs = keras.Input((8, 4, 6))
    options = {"classifier": CircleSoftmax(CLASSES, 8, 0.2), "windows": [(1, 1), (3, 2)], "embedding_dim": 3}
    model = keras.Model(inputs, PartialHead(CLASSES, **options)(inputs))
    randomize(model)
    again = reloaded(model)
    for a, b in zip(
        keras.tree.flatten(again(feature_map())), keras.tree.flatten(model(feature_map())), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    rebuilt(PartialHead(CLASSES, **options))


@pytest.mark.parametrize("policy", HALF_POLICIES)
def test_float32_under_mixed_precision(policy):
    # Far from 1, where half precision would round the mean.
    x = (1000 + feature_map()).astype("float16")
    with dtype_policy(policy):
        outputs = PartialHead(CLASSES)(keras.ops.cast(x, "float16"), labels=LABELS, training=True)
    assert dtypes(outputs) == {"float32"}
    assert_finite(outputs)
    np.testing.assert_allclose(outputs["feature"][0], x.astype("float64").mean(axis=(1, 2)), rtol=1e-6)
    np.testing.assert_array_equal(outputs["maps"][:, :8], windows_of(x, 2, 2))


@pytest.mark.parametrize("windows", [(), ((2, 2), (0, 1)), ((2,),), ((2, -1),), ((2.5, 2),), 3])
def test_bad_windows(windows):
    with pytest.raises(ValueError, match=r"`windows` of PartialHead must be pairs \(side, stride\)"):
        PartialHead(CLASSES, windows=windows)


def test_bad_inputs():
    with pytest.raises(ValueError, match="must know its size: call the model on images of a fixed size"):
        PartialHead(CLASSES)(keras.Input((None, 4, 6)))
    with pytest.raises(ValueError, match="expected ndim=4"):
        PartialHead(CLASSES)(np.ones((4, 6), "float32"))
    with pytest.raises(ValueError, match="`metric_feature` of BNNeckHead"):
        PartialHead(CLASSES, metric_feature="between")
