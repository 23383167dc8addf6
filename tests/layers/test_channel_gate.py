import keras
import numpy as np
import pytest

from keras_reid.layers import ChannelGate
from tests.harness import randomize, run_layer_test


def images(channels=8):
    return np.random.default_rng(0).normal(size=(2, 4, 3, channels)).astype("float32")


def test_contract():
    gate = run_layer_test(lambda: ChannelGate(4), images(), (2, 4, 3, 8))
    assert gate.squeeze.kernel.shape == (8, 2)


def test_formula_and_starting_values():
    x = images()
    gate = ChannelGate(2)
    gate.build(x.shape)
    assert not np.any(np.asarray(gate.squeeze.bias))
    assert not np.any(np.asarray(gate.excite.bias))
    randomize(gate)
    hidden = x.mean((1, 2)) @ np.asarray(gate.squeeze.kernel) + np.asarray(gate.squeeze.bias)
    logits = np.maximum(hidden, 0) @ np.asarray(gate.excite.kernel) + np.asarray(gate.excite.bias)
    expected = x * np.asarray(keras.ops.sigmoid(logits))[:, None, None]
    np.testing.assert_allclose(gate(x), expected, rtol=1e-5, atol=1e-6)


def test_bad_arguments():
    with pytest.raises(
        ValueError, match=r"`reduction` of ChannelGate must be at least 1\. Received: reduction=0"
    ):
        ChannelGate(0)


def test_spread_of_the_starting_values():
    gate = ChannelGate(16)
    gate.build((None, 4, 3, 512))
    assert np.asarray(gate.squeeze.kernel).std() == pytest.approx((2 / 32) ** 0.5, rel=0.05)
    assert np.asarray(gate.excite.kernel).std() == pytest.approx((2 / 512) ** 0.5, rel=0.05)
