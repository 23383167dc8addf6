import keras
import numpy as np
import pytest

from keras_reid.losses import CrossEntropy
from tests.harness import gradients, run_loss_test
from tests.losses import LABELS, LOGITS


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1, "adaptive"])
def test_contract(label_smoothing):
    run_loss_test(lambda: CrossEntropy(label_smoothing), LABELS, LOGITS)


@pytest.mark.parametrize(
    ("label_smoothing", "expected"), [(0.0, 1.73759425), (0.1, 1.76906526), ("adaptive", 1.78581786)]
)
def test_golden(label_smoothing, expected):
    assert float(CrossEntropy(label_smoothing, alpha=0.2)(LABELS, LOGITS)) == pytest.approx(
        expected, rel=1e-6
    )


def test_equals_keras_without_smoothing():
    expected = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(LABELS, LOGITS)
    assert float(CrossEntropy()(LABELS, LOGITS)) == pytest.approx(float(expected), rel=1e-6)


def test_smoothing_goes_to_the_other_classes_only():
    loss = float(CrossEntropy(0.3)(np.array([0]), np.array([[0.0, 1.0, 2.0]], "float32")))
    log_p = np.array([0.0, 1, 2]) - np.log(np.exp([0.0, 1, 2]).sum())
    assert loss == pytest.approx(-(0.7 * log_p[0] + 0.15 * log_p[1] + 0.15 * log_p[2]), rel=1e-6)


def test_alpha_changes_adaptive_smoothing_only():
    small, large = (float(CrossEntropy("adaptive", alpha=a)(LABELS, LOGITS)) for a in (0.0, 0.5))
    assert small == pytest.approx(1.73759425, rel=1e-6)
    assert abs(large - small) > 0.01
    assert CrossEntropy(0.1, alpha=0.5)(LABELS, LOGITS) == CrossEntropy(0.1)(LABELS, LOGITS)


def test_adaptive_smoothing_is_a_constant_to_the_gradient():
    probability = np.exp(LOGITS[0]) / np.exp(LOGITS[0]).sum()
    fixed = CrossEntropy(float(0.2 * probability[0]))
    for row in ("adaptive", fixed):
        loss = CrossEntropy(row) if row == "adaptive" else row
        (gradient,) = gradients(lambda x, loss=loss: loss(LABELS[:1], x), LOGITS[:1])
        if row == "adaptive":
            expected = gradient
    np.testing.assert_allclose(gradient, expected, rtol=1e-5)


def test_mean_divides_by_the_number_of_losses_that_are_not_0():
    logits = np.array([[100.0, 0, 0], [0, 1, 0], [100, 0, 0], [0, 0, 1]], "float32")
    labels = np.array([0, 1, 0, 1])
    each = np.asarray(CrossEntropy(reduction=None)(labels, logits))
    assert (each == 0).tolist() == [True, False, True, False]
    assert float(CrossEntropy()(labels, logits)) == pytest.approx(each.sum() / 2, rel=1e-6)
    assert float(CrossEntropy(reduction="sum")(labels, logits)) == pytest.approx(each.sum(), rel=1e-6)
    weights = np.array([1, 0.5, 1, 0])
    assert float(CrossEntropy()(labels, logits, sample_weight=weights)) == pytest.approx(
        0.5 * each[1] / 2, rel=1e-6
    )
    assert float(CrossEntropy()(labels[:1], logits[:1])) == 0


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1, "adaptive"])
@pytest.mark.parametrize("scale", [0.0, 1e4, 1e30])
def test_gradients_are_finite_at_the_edges(label_smoothing, scale):
    loss = CrossEntropy(label_smoothing)
    assert np.isfinite(float(loss(LABELS, scale * LOGITS)))
    assert np.isfinite(gradients(lambda x: loss(LABELS, x), (scale * LOGITS).astype("float32"))[0]).all()


def test_single_class():
    assert float(CrossEntropy(0.1)(np.array([0, 0]), np.ones((2, 1), "float32"))) == 0


@pytest.mark.parametrize("value", [-0.1, 1.0, "smooth"])
def test_bad_smoothing(value):
    with pytest.raises(
        ValueError, match=r"`label_smoothing` of CrossEntropy must be from 0 .* or 'adaptive'.*Received"
    ):
        CrossEntropy(value)


def test_other_bad_arguments():
    with pytest.raises(ValueError, match=r"`alpha` of CrossEntropy must be from 0 to 1\. Received: alpha=2"):
        CrossEntropy("adaptive", alpha=2)
    with pytest.raises(
        ValueError, match=r"CrossEntropy needs `y_pred` of shape.*Received: shape \(2, 3, 4\)"
    ):
        CrossEntropy()(np.zeros(2), np.zeros((2, 3, 4)))
