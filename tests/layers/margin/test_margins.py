"""What all classification layers share, and their golden numbers."""

import math

import keras
import numpy as np
import pytest

from keras_reid.layers import ArcSoftmax, CircleSoftmax, CosSoftmax, LinearClassifier
from keras_reid.losses import CrossEntropy
from tests.harness import assert_finite, gradients, run_layer_test
from tests.layers.margin import FEATURES, LABELS, WEIGHTS, at_cosine, normalized, with_weights
from tests.losses import on_few_lines

MARGINS = [CosSoftmax, ArcSoftmax, CircleSoftmax]
ALL = [LinearClassifier, *MARGINS]


@pytest.mark.parametrize("cls", ALL)
def test_double_precision_is_kept_whatever_the_features(cls):
    exact, single = (cls(5, dtype=dtype) for dtype in ("float64", "float32"))
    for layer in (exact, single):
        layer.build(FEATURES.shape)
        layer.set_weights([WEIGHTS.T])
    expected = exact(FEATURES.astype("float64"), labels=LABELS)
    for kind in ("float32", "float64"):
        found = exact(FEATURES.astype("float32").astype(kind), labels=LABELS)
        assert keras.backend.standardize_dtype(found.dtype) == "float64"
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert (
        np.abs(np.asarray(single(FEATURES.astype("float32"), labels=LABELS)) - np.asarray(found)).max()
        > 1e-12
    )


@pytest.mark.parametrize("cls", ALL)
def test_contract(cls):
    layer = run_layer_test(lambda: cls(5), FEATURES, (8, 5), {"labels": LABELS}, half_dtype="float32")
    assert layer.kernel.shape == (6, 5)
    assert [w.name for w in layer.weights] == ["kernel"]


@pytest.mark.parametrize(
    ("layer", "row_0", "row_3", "cross_entropy"),
    [
        (
            CosSoftmax(5, scale=64, margin=0.35),
            [19.13572, 42.42978, 40.87759, 36.83433, 29.80272],
            [-10.45674, -39.29929, -22.19831, -26.37681, -29.12244],
            30.038763,
        ),
        (
            ArcSoftmax(5, scale=64, margin=0.5),
            [13.10745, 42.42978, 40.87759, 36.83433, 29.80272],
            [-10.45674, -44.42476, -22.19831, -26.37682, -29.12243],
            35.401363,
        ),
        (
            CircleSoftmax(5, scale=64, margin=0.35),
            [-0.04506, 20.28948, 18.26903, 13.3595, 6.03816],
            [-6.13151, -94.42087, -0.14055, 0, 0],
            56.857231,
        ),
    ],
    ids=["cos", "arc", "circle"],
)
def test_golden(layer, row_0, row_3, cross_entropy):
    logits = np.asarray(with_weights(layer)(FEATURES, labels=LABELS))
    np.testing.assert_allclose(logits[0], row_0, rtol=1e-5, atol=2e-5)
    np.testing.assert_allclose(logits[3], row_3, rtol=1e-5, atol=2e-5)
    assert float(CrossEntropy(0.1)(LABELS, logits)) == pytest.approx(cross_entropy, rel=1e-6)


def test_golden_linear():
    layer = with_weights(LinearClassifier(5), normalized(WEIGHTS))
    logits = np.asarray(layer(normalized(FEATURES), labels=LABELS))
    np.testing.assert_allclose(logits[0], [0.649, 0.66297, 0.63871, 0.57554, 0.46567], atol=1e-5)
    assert float(CrossEntropy(0.1)(LABELS, logits)) == pytest.approx(1.536813, rel=1e-6)


@pytest.mark.parametrize("cls", MARGINS)
def test_without_labels_the_logits_are_scaled_cosines(cls):
    cosines = normalized(FEATURES) @ normalized(WEIGHTS).T
    np.testing.assert_allclose(with_weights(cls(5, scale=10))(FEATURES), 10 * cosines, atol=1e-5)


@pytest.mark.parametrize("cls", MARGINS)
def test_margin_lowers_the_true_class(cls):
    layer = with_weights(cls(5))
    with_margin, without = np.asarray(layer(FEATURES, labels=LABELS)), np.asarray(layer(FEATURES))
    rows = np.arange(8)
    assert (with_margin[rows, LABELS] < without[rows, LABELS]).all()


@pytest.mark.parametrize("cls", ALL)
def test_labels_as_a_column_and_as_int64(cls):
    layer = with_weights(cls(5))
    expected = np.asarray(layer(FEATURES, labels=LABELS))
    np.testing.assert_array_equal(layer(FEATURES, labels=LABELS[:, None].astype("int64")), expected)


@pytest.mark.parametrize("cls", [CosSoftmax, ArcSoftmax, LinearClassifier])
def test_a_label_of_minus_1_has_no_margin(cls):
    layer = with_weights(cls(5))
    labels = LABELS.copy()
    labels[2] = -1
    logits = np.asarray(layer(FEATURES, labels=labels))
    np.testing.assert_array_equal(logits[2], np.asarray(layer(FEATURES))[2])
    np.testing.assert_array_equal(logits[3], np.asarray(layer(FEATURES, labels=LABELS))[3])


def test_circle_with_a_label_of_minus_1_takes_every_class_for_another():
    layer = with_weights(CircleSoftmax(5, scale=2, margin=0.25))
    z = np.asarray(layer(FEATURES))[0] / 2
    expected = 2 * np.maximum(z + 0.25, 0) * (z - 0.25)
    np.testing.assert_allclose(layer(FEATURES[:1], labels=np.array([-1]))[0], expected, rtol=1e-5)


@pytest.mark.parametrize("cls", ALL)
def test_scale_is_a_factor(cls):
    once, thrice = (np.asarray(with_weights(cls(5, scale=s))(FEATURES, labels=LABELS)) for s in (1, 3))
    np.testing.assert_allclose(thrice, 3 * once, rtol=1e-5)


@pytest.mark.parametrize("cls", MARGINS)
def test_margin_changes_the_logits(cls):
    small, large = (np.asarray(with_weights(cls(5, margin=m))(FEATURES, labels=LABELS)) for m in (0.1, 0.4))
    assert np.abs(small - large).max() > 0.1


@pytest.mark.parametrize("cls", MARGINS)
@pytest.mark.parametrize("cosine", [-1.0, -0.9, 0.0, 0.9, 1.0])
def test_formula_of_the_true_class(cls, cosine):
    logit = at_cosine(cls(2, scale=1, margin=0.3), cosine)[0]
    expected = {
        CosSoftmax: cosine - 0.3,
        ArcSoftmax: math.cos(math.acos(cosine) + 0.3),
        CircleSoftmax: (1.3 - cosine) * (cosine - 0.7),
    }[cls]
    assert logit == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize(
    "factor", [1.0, -1.0, 0.0, 1e-20, 1e15], ids=["cos 1", "cos -1", "zero", "tiny", "huge"]
)
def test_gradients_are_finite_at_the_edges(cls, factor):
    layer = with_weights(cls(5))
    features = (factor * WEIGHTS[[0, 1, 2]]).astype("float32")

    def loss(features):
        return CrossEntropy()(np.array([0, 1, 2]), layer(features, labels=np.array([0, 1, 2])))

    (gradient,) = gradients(loss, features)
    assert np.isfinite(gradient).all()


def test_rounding_takes_cosines_beyond_1():
    features = on_few_lines()
    cosines = np.asarray(with_weights(CosSoftmax(64, scale=1), features)(features))
    assert cosines.max() > 1
    assert cosines.min() < -1


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("length", [1e-2, 1.0, 3e3])
@pytest.mark.parametrize("cls", ALL)
def test_value_and_gradient_are_finite_where_rounding_takes_cosines_beyond_1(cls, length, dtype):
    layer = with_weights(cls(64), on_few_lines())
    features = keras.ops.cast(length * on_few_lines(), dtype)
    labels = np.arange(64)
    assert_finite(layer(features, labels=labels))
    assert_finite(gradients(lambda x: CrossEntropy()(labels, layer(x, labels=labels)), features))


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize(("classes", "label"), [(5, 4), (1, 0)])
def test_a_batch_of_1_and_a_single_class(cls, classes, label):
    layer = with_weights(cls(classes), WEIGHTS[:classes])
    labels = np.array([label])
    assert_finite(layer(FEATURES[:1], labels=labels))
    assert_finite(gradients(lambda x: CrossEntropy()(labels, layer(x, labels=labels)), FEATURES[:1]))


def test_arc_still_learns_at_cosine_1():
    layer = with_weights(ArcSoftmax(5))
    features = WEIGHTS[:1] + np.array([[0.02, -0.01, 0.03, 0, 0.01, -0.02]], "float32")
    (gradient,) = gradients(lambda x: layer(x, labels=np.array([0]))[:, 0], features)
    assert np.abs(gradient).max() > 1e-3


def test_initial_weights_are_small():
    layer = LinearClassifier(500)
    layer.build((None, 200))
    assert float(np.std(layer.kernel)) == pytest.approx(0.01, rel=0.02)


@pytest.mark.parametrize("cls", ALL)
def test_bad_sizes(cls):
    with pytest.raises(
        ValueError, match=rf"`num_classes` of {cls.__name__} must be at least 1.*num_classes=0"
    ):
        cls(0)
    with pytest.raises(ValueError, match=rf"`scale` of {cls.__name__} must be positive\. Received: scale=-1"):
        cls(5, scale=-1)


@pytest.mark.parametrize(
    ("cls", "margin"), [(CosSoftmax, -0.1), (ArcSoftmax, -0.1), (ArcSoftmax, 3.2), (CircleSoftmax, 1.1)]
)
def test_bad_margins(cls, margin):
    with pytest.raises(ValueError, match=rf"`margin` of {cls.__name__} .*Received: margin={margin}"):
        cls(5, margin=margin)
