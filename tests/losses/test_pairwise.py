import keras
import numpy as np
import pytest

from keras_reid.layers.numerics import l2_normalize
from keras_reid.losses import CircleLoss, CosFaceLoss
from tests.harness import assert_finite, gradients, run_loss_test
from tests.losses import FEATURES, LABELS, edge_cases

ALL = [CircleLoss, CosFaceLoss]


@pytest.mark.parametrize("cls", ALL)
def test_contract(cls):
    run_loss_test(lambda: cls(margin=0.2, scale=4), LABELS, FEATURES)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (CircleLoss(margin=0.25, scale=128), 59.97208786),
        (CircleLoss(margin=0.25, scale=32), 15.15352440),
        (CosFaceLoss(margin=0.25, scale=128), 25.53556824),
        (CosFaceLoss(margin=0.35, scale=64), 17.58629990),
    ],
    ids=["circle 128", "circle 32", "cosface 128", "cosface 64"],
)
def test_golden(loss, expected):
    assert float(loss(LABELS, FEATURES)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("cls", ALL)
def test_defaults(cls):
    assert (cls().margin, cls().scale) == (0.25, 128)


def test_circle_weights_are_constants_to_the_gradient():
    # At one positive and one negative pair, with s = 0: both exponents are 0.25 · 1.25 · ... and their slopes
    # are the α.
    features = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]], "float32")
    loss = CircleLoss(margin=0.25, scale=1.0, reduction=None)
    (gradient,) = gradients(lambda x: loss(np.array([0, 0, 1]), x)[:1], features)
    exponent = 1.25 * 0.75 - 0.25 * 0.25
    slope = 1 / (1 + np.exp(-exponent))
    np.testing.assert_allclose(gradient[0], [0, -1.25 * slope, 0.25 * slope], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("cls", ALL)
def test_length_of_features_is_irrelevant(cls):
    lengths = np.linspace(0.5, 9, 8, dtype="float32")[:, None]
    assert float(cls()(LABELS, lengths * FEATURES)) == pytest.approx(float(cls()(LABELS, FEATURES)), rel=1e-5)


@pytest.mark.parametrize("cls", ALL)
def test_without_a_positive_or_a_negative_the_loss_is_0(cls):
    assert float(cls()(np.zeros(8), FEATURES)) == 0
    assert float(cls()(np.arange(8), FEATURES)) == 0


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("case", edge_cases())
def test_value_and_gradient_are_finite_at_the_edges(cls, case):
    labels, features = edge_cases()[case]
    assert np.isfinite(float(cls()(labels, features)))
    assert np.isfinite(gradients(lambda x: cls()(labels, x), features)[0]).all()


def test_rounding_takes_cosines_of_one_case_beyond_1():
    _, features = edge_cases()["on few lines"]
    features = np.asarray(l2_normalize(features))
    cosines = np.asarray(keras.ops.matmul(features, features.T))
    assert cosines.max() > 1
    assert cosines.min() < -1


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("case", edge_cases())
def test_value_and_gradient_are_finite_at_the_edges_in_half_precision(cls, case, dtype):
    labels, features = edge_cases()[case]
    features = keras.ops.cast(features, dtype)
    assert np.isfinite(float(cls()(labels, features)))
    assert_finite(gradients(lambda x: cls()(labels, x), features))


@pytest.mark.parametrize("cls", ALL)
def test_bad_arguments(cls):
    with pytest.raises(
        ValueError, match=rf"`margin` of {cls.__name__} must not be negative\. Received: margin=-1"
    ):
        cls(margin=-1)
    with pytest.raises(ValueError, match=rf"`scale` of {cls.__name__} must be positive\. Received: scale=0"):
        cls(scale=0)
