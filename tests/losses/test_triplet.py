import keras
import numpy as np
import pytest

from keras_reid.losses import TripletLoss
from tests.harness import assert_finite, gradients, run_loss_test
from tests.losses import FEATURES, LABELS, edge_cases

VARIANTS = [
    (m, mining, normalize)
    for m in (0.3, 0.0)
    for mining in ("hard", "weighted")
    for normalize in (False, True)
]

GOLDEN = [0.23439857, 0.24899328, 0, 0, 0.60270041, 0.61861879, 0.27452290, 0.32604387]


@pytest.mark.parametrize("variant", [VARIANTS[0], VARIANTS[7]], ids=str)
def test_contract(variant):
    run_loss_test(lambda: TripletLoss(*variant), LABELS, FEATURES)


@pytest.mark.parametrize(
    ("variant", "expected"),
    list(zip(VARIANTS, GOLDEN, strict=True)),
    ids=str,
)
def test_golden(variant, expected):
    # All eight are the original's: at these small distances its weights, which lose what lies beyond, still
    # sum to 1 (to 0.98 at a norm of 10, to 0.04 at 15); see test_definition_at_every_norm.
    assert float(TripletLoss(*variant)(LABELS, FEATURES)) == pytest.approx(expected, abs=1e-6)


def reference(labels, features, margin, mining):
    """The definition, one sample at a time, in float64."""
    features = features.astype("float64")
    losses = []
    for label, feature in zip(labels, features, strict=True):
        distances = np.linalg.norm(features - feature, axis=1)
        positive, negative = distances[labels == label], distances[labels != label]
        if mining == "hard":
            d_p, d_n = positive.max(), negative.min()
        else:
            w_p, w_n = np.exp(positive - positive.max()), np.exp(negative.min() - negative)
            d_p, d_n = (w_p * positive).sum() / w_p.sum(), (w_n * negative).sum() / w_n.sum()
        losses.append(max(d_p - d_n + margin, 0) if margin else np.logaddexp(0, d_p - d_n))
    return np.mean(losses)


@pytest.mark.parametrize("margin", [0.0, 0.3, 20.0])
@pytest.mark.parametrize("mining", ["hard", "weighted"])
@pytest.mark.parametrize("norm", [1, 5, 10, 15, 20, 200])
def test_definition_at_every_norm(margin, mining, norm):
    generator = np.random.default_rng(norm)
    labels = generator.permutation(np.repeat(np.arange(4), 4))
    features = generator.normal(size=(16, 32))
    features = (norm * features / np.linalg.norm(features, axis=1, keepdims=True)).astype("float32")
    expected = reference(labels, features, margin, mining)
    assert float(TripletLoss(margin, mining)(labels, features)) == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_distances_are_exact_far_from_the_origin():
    features = np.array([[0.0, 0], [0, 1], [3, 0], [3, 1]], "float32") + 1000.0
    each = TripletLoss(margin=10.0, reduction=None)(np.array([0, 0, 1, 1]), features)
    np.testing.assert_allclose(each, 4 * [1 - 3 + 10.0], rtol=1e-6)


def test_does_not_depend_on_order_or_on_the_values_of_labels():
    order = np.random.default_rng(0).permutation(8)
    value = float(TripletLoss()(LABELS, FEATURES))
    assert float(TripletLoss()(LABELS[order], FEATURES[order])) == pytest.approx(value, rel=1e-6)
    assert float(TripletLoss()(7 * LABELS + 100_000, FEATURES)) == pytest.approx(value, rel=1e-6)


def test_normalize_makes_the_length_irrelevant():
    lengths = np.linspace(0.5, 9, 8, dtype="float32")[:, None]
    loss = TripletLoss(normalize=True)
    assert float(loss(LABELS, lengths * FEATURES)) == pytest.approx(float(loss(LABELS, FEATURES)), rel=1e-5)


def test_without_negatives_the_loss_is_0():
    for variant in VARIANTS:
        assert float(TripletLoss(*variant)(np.zeros(8), FEATURES)) == 0


def test_without_positives_the_distance_to_the_positive_is_0():
    features = np.array([[0.0], [2.0]], "float32")
    for mining in ("hard", "weighted"):
        each = TripletLoss(margin=5.0, mining=mining, reduction=None)(np.array([0, 1]), features)
        np.testing.assert_allclose(each, [3.0, 3.0], rtol=1e-5)


def test_soft_margin_does_not_overflow():
    features = np.array([[0.0], [1e6], [0.0], [1e6]], "float32")
    assert float(TripletLoss(margin=0)(np.array([0, 0, 1, 1]), features)) == pytest.approx(1e6)


@pytest.mark.parametrize("case", edge_cases())
@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_value_and_gradient_are_finite_at_the_edges(variant, case):
    labels, features = edge_cases()[case]
    loss = TripletLoss(*variant)
    assert np.isfinite(float(loss(labels, features)))
    assert np.isfinite(gradients(lambda x: loss(labels, x), features)[0]).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("case", edge_cases())
@pytest.mark.parametrize("variant", [VARIANTS[0], VARIANTS[7]], ids=str)
def test_value_and_gradient_are_finite_at_the_edges_in_half_precision(variant, case, dtype):
    labels, features = edge_cases()[case]
    features = keras.ops.cast(features, dtype)
    loss = TripletLoss(*variant)
    assert np.isfinite(float(loss(labels, features)))
    assert_finite(gradients(lambda x: loss(labels, x), features))


def test_gradient_pulls_together_and_pushes_apart():
    features = np.array([[0.0], [1.0], [1.5], [2.5]], "float32")
    (gradient,) = gradients(lambda x: TripletLoss()(np.array([0, 0, 1, 1]), x), features)
    assert gradient[1, 0] > 0 > gradient[2, 0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"margin": -0.1}, r"`margin` of TripletLoss must be positive, or 0 .*Received: margin=-0\.1"),
        (
            {"mining": "easy"},
            r"`mining` of TripletLoss must be 'hard' or 'weighted'\. Received: mining='easy'",
        ),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        TripletLoss(**arguments)


def test_needs_a_matrix():
    with pytest.raises(ValueError, match=r"TripletLoss needs `y_pred` of shape \(batch, dimensions\)"):
        TripletLoss()(LABELS, np.zeros((8, 2, 2, 3)))
