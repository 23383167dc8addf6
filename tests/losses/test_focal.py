import numpy as np
import pytest

from keras_reid.losses import CrossEntropy, FocalLoss
from tests.harness import gradients, run_loss_test
from tests.losses import LABELS, LOGITS

GAMMAS = [0.0, 0.5, 1.0, 2.0, 5.0]


def at_probability(p, alpha=1.0, gamma=2.0):
    """The loss of a sample whose true class has probability `p`, and its gradient to that class's logit."""
    logits = np.array([[np.log(p / (1 - p)), 0]], "float32")
    loss = FocalLoss(alpha, gamma)
    (gradient,) = gradients(lambda x: loss(np.array([0]), x), logits)
    return float(loss(np.array([0]), logits)), gradient[0, 0]


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_contract(gamma):
    run_loss_test(lambda: FocalLoss(gamma=gamma), LABELS, LOGITS)


def test_golden():
    assert float(FocalLoss(alpha=0.25, gamma=2.0)(LABELS, LOGITS)) == pytest.approx(0.31297898, rel=1e-6)


def test_defaults():
    assert (FocalLoss().alpha, FocalLoss().gamma) == (0.25, 2.0)


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("p", [0.01, 0.3, 0.5, 0.9, 0.999])
def test_formula_and_slope(p, gamma):
    value, slope = at_probability(p, alpha=0.7, gamma=gamma)
    assert value == pytest.approx(-0.7 * (1 - p) ** gamma * np.log(p), rel=1e-4)
    # d/dp, times dp/dz = p(1 − p).
    expected = 0.7 * (gamma * p * (1 - p) ** gamma * np.log(p) - (1 - p) ** (gamma + 1))
    assert slope == pytest.approx(expected, rel=1e-4)


def test_gamma_0_is_the_cross_entropy_times_alpha():
    expected = 0.6 * float(CrossEntropy()(LABELS, LOGITS))
    assert float(FocalLoss(alpha=0.6, gamma=0.0)(LABELS, LOGITS)) == pytest.approx(expected, rel=1e-6)


def test_a_larger_gamma_weighs_easy_samples_less_than_hard_ones():
    easy, hard = (at_probability(p, gamma=3.0)[0] / at_probability(p, gamma=1.0)[0] for p in (0.9, 0.1))
    assert easy == pytest.approx(0.01, rel=1e-3)
    assert hard == pytest.approx(0.81, rel=1e-3)


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("scale", [0.0, 30.0, 1e4, 1e30])
def test_value_and_gradient_are_finite_at_extreme_logits(gamma, scale):
    loss, logits = FocalLoss(gamma=gamma), (scale * LOGITS).astype("float32")
    assert np.isfinite(float(loss(LABELS, logits)))
    assert np.isfinite(gradients(lambda x: loss(LABELS, x), logits)[0]).all()


@pytest.mark.parametrize("gamma", GAMMAS)
def test_loss_and_gradient_are_0_at_probability_1(gamma):
    logits, labels = np.array([[1000.0, 0, 0]], "float32"), np.array([0])
    loss = FocalLoss(gamma=gamma)
    assert float(loss(labels, logits)) == 0
    np.testing.assert_array_equal(gradients(lambda x: loss(labels, x), logits)[0], 0)


def test_a_wrong_sample_keeps_its_gradient_where_its_probability_is_0_in_float32():
    # The logarithm of the rounded softmax would be infinite here.
    logits, labels = np.array([[0.0, 1000.0]], "float32"), np.array([0])
    loss = FocalLoss()
    assert float(loss(labels, logits)) == pytest.approx(250)
    np.testing.assert_allclose(gradients(lambda x: loss(labels, x), logits)[0], [[-0.25, 0.25]], rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": 0}, r"`alpha` of FocalLoss must be positive\. Received: alpha=0"),
        ({"gamma": -0.5}, r"`gamma` of FocalLoss must not be negative; .*Received: gamma=-0\.5"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        FocalLoss(**arguments)


def test_needs_a_matrix():
    with pytest.raises(ValueError, match=r"FocalLoss needs `y_pred` of shape \(batch, dimensions\)"):
        FocalLoss()(LABELS, np.zeros((8, 2, 3)))
