import numpy as np
import pytest

from keras_reid.layers import NonLocal2D
from tests.harness import randomize, run_layer_test


def images(channels=6):
    return np.random.default_rng(0).normal(size=(2, 4, 3, channels)).astype("float32")


@pytest.mark.parametrize("inter_channels", [1, 3])
def test_contract(inter_channels):
    layer = run_layer_test(lambda: NonLocal2D(inter_channels), images(), (2, 4, 3, 6))
    assert layer.theta.kernel.shape == (6, inter_channels)


def test_parameters_as_in_the_original():
    layer = NonLocal2D()
    layer.build((None, None, None, 512))
    assert sum(int(np.prod(v.shape)) for v in layer.trainable_variables) == 7 * 512 + 3


def test_untrained_is_the_identity():
    np.testing.assert_array_equal(NonLocal2D()(images()), images())


@pytest.mark.parametrize("inter_channels", [1, 3])
def test_formula_with_the_full_matrix_of_positions(inter_channels):
    x = images()
    layer = NonLocal2D(inter_channels, epsilon=0.1)
    layer.build(x.shape)
    randomize(layer)
    flat = x.reshape(2, 12, 6)
    theta, phi, g = (
        flat @ np.asarray(part.kernel) + np.asarray(part.bias) for part in (layer.theta, layer.phi, layer.g)
    )
    y = (theta @ phi.transpose(0, 2, 1) / 12) @ g
    y = y @ np.asarray(layer.w.kernel) + np.asarray(layer.w.bias)
    norm = layer.norm
    y = (y - np.asarray(norm.moving_mean)) / np.sqrt(np.asarray(norm.moving_variance) + 0.1)
    y = y * np.asarray(norm.gamma) + np.asarray(norm.beta)
    np.testing.assert_allclose(layer(x), y.reshape(x.shape) + x, rtol=1e-4, atol=1e-5)


def test_momentum_reaches_the_normalisation():
    assert NonLocal2D(momentum=0.5).norm.momentum == 0.5


def test_bad_arguments():
    with pytest.raises(
        ValueError, match=r"`inter_channels` of NonLocal2D must be positive\. Received: inter_channels=0"
    ):
        NonLocal2D(0)
