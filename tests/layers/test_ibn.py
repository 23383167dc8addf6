import keras
import numpy as np
import pytest

from keras_reid.layers import IBN
from tests.harness import randomize, run_layer_test


def images(channels=5, seed=0):
    generator = np.random.default_rng(seed)
    return generator.normal(2.0, 3.0, (4, 6, 3, channels)).astype("float32")


@pytest.mark.parametrize("training", [False, True])
def test_contract(training):
    layer = run_layer_test(IBN, images(), (4, 6, 3, 5), {"training": training})
    assert layer.gamma.shape == (2,)  # floor(5 / 2) by instance
    assert layer.batch_norm.gamma.shape == (3,)


def test_instance_half_is_normalised_over_the_positions_of_each_image():
    x = images(4)
    y = np.asarray(IBN()(x, training=True))[..., :2]
    np.testing.assert_allclose(y.mean((1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(y.var((1, 2)), 1, atol=1e-3)


def test_batch_half_is_normalised_over_the_batch():
    y = np.asarray(IBN()(images(4), training=True))[..., 2:]
    np.testing.assert_allclose(y.mean((0, 1, 2)), 0, atol=1e-5)
    assert np.abs(y.mean((1, 2))).max() > 0.01


def test_instance_half_ignores_brightness_and_contrast_in_inference_too():
    x = images(4)
    layer = IBN()
    layer.build(x.shape)
    randomize(layer)
    a, b = np.asarray(layer(x)), np.asarray(layer(2 * x + 10))
    np.testing.assert_allclose(a[..., :2], b[..., :2], atol=1e-4)
    assert np.abs(a[..., 2:] - b[..., 2:]).max() > 1


def test_formula():
    x = images(2)
    layer = IBN(epsilon=0.5)
    layer.build(x.shape)
    randomize(layer)
    y = np.asarray(layer(x))
    gamma, beta = np.asarray(layer.gamma), np.asarray(layer.beta)
    half = x[..., :1]
    expected = (half - half.mean((1, 2), keepdims=True)) / np.sqrt(half.var((1, 2), keepdims=True) + 0.5)
    np.testing.assert_allclose(y[..., :1], expected * gamma + beta, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("training", [False, True])
def test_batch_half_equals_keras_batch_normalisation(training):
    x = images(4)
    layer = IBN()
    layer.build(x.shape)
    randomize(layer)
    norm = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)
    norm.build((None, 6, 3, 2))
    for ours, theirs in zip(layer.batch_norm.weights, norm.weights, strict=True):
        theirs.assign(ours)
    expected = norm(x[..., 2:], training=training)
    np.testing.assert_allclose(
        np.asarray(layer(x, training=training))[..., 2:], expected, rtol=1e-4, atol=1e-5
    )
    for ours, theirs in zip(layer.batch_norm.weights, norm.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_momentum_and_freezing():
    x = images(4)
    for momentum in (0.9, 0.5):
        layer = IBN(momentum=momentum)
        layer(x, training=True)
        expected = (1 - momentum) * x[..., 2:].mean((0, 1, 2))
        np.testing.assert_allclose(layer.batch_norm.moving_mean, expected, rtol=1e-4)
    layer.trainable = False
    before = np.asarray(layer.batch_norm.moving_mean)
    layer(x, training=True)
    np.testing.assert_array_equal(layer.batch_norm.moving_mean, before)


def test_needs_two_channels():
    with pytest.raises(ValueError, match=r"at least two channels.*\(4, 6, 3, 1\)"):
        IBN()(images(1))
