import numpy as np
import pytest

from keras_reid.layers import SqueezeExcite
from tests.harness import randomize, run_layer_test


def images(channels=8):
    return np.random.default_rng(0).normal(size=(2, 4, 3, channels)).astype("float32")


def test_contract():
    layer = run_layer_test(lambda: SqueezeExcite(4), images(), (2, 4, 3, 8))
    assert layer.squeeze.kernel.shape == (8, 2)
    assert layer.excite.bias is None


def test_formula():
    x = images()
    layer = SqueezeExcite(2)
    layer.build(x.shape)
    randomize(layer)
    hidden = np.maximum(x.mean((1, 2)) @ np.asarray(layer.squeeze.kernel), 0)
    gate = 1 / (1 + np.exp(-hidden @ np.asarray(layer.excite.kernel)))
    np.testing.assert_allclose(layer(x), x * gate[:, None, None], rtol=1e-5, atol=1e-6)


def test_fewer_channels_than_the_reduction():
    layer = SqueezeExcite(16)
    layer.build((None, 4, 3, 8))
    assert layer.squeeze.kernel.shape == (8, 1)


def test_bad_arguments():
    with pytest.raises(
        ValueError, match=r"`reduction` of SqueezeExcite must be at least 1\. Received: reduction=0"
    ):
        SqueezeExcite(0)
