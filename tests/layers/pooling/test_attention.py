import numpy as np
import pytest

from keras_reid.layers import AttentionPooling2D
from tests.harness import run_layer_test
from tests.layers.pooling import GOLDEN_MAP, feature_map


@pytest.mark.parametrize("channel_wise", [False, True])
def test_contract(channel_wise):
    layer = run_layer_test(lambda: AttentionPooling2D(channel_wise=channel_wise), feature_map(), (2, 5))
    assert layer.kernel.shape == (5, 5 if channel_wise else 1)


def test_untrained_is_the_average():
    np.testing.assert_allclose(AttentionPooling2D()(GOLDEN_MAP), [[0.905229, 0.42864]], atol=1e-6)


def test_is_a_weighted_mean_that_follows_the_scores():
    x = feature_map()
    layer = AttentionPooling2D()
    layer.build(x.shape)
    layer.kernel.assign([[1000.0], [0], [0], [0], [0]])
    best = x.reshape(2, 12, 5)[np.arange(2), x[..., 0].reshape(2, 12).argmax(axis=1)]
    np.testing.assert_allclose(layer(x), best, rtol=1e-3)


def test_channel_wise_weights_differ_between_channels():
    x = feature_map()
    layer = AttentionPooling2D(channel_wise=True)
    layer.build(x.shape)
    layer.kernel.assign(1000.0 * np.eye(5))
    np.testing.assert_allclose(layer(x), x.max(axis=(1, 2)), rtol=1e-3)


def test_constant_map_gives_the_constant_whatever_the_weights():
    layer = AttentionPooling2D()
    layer.build((None, 4, 3, 5))
    layer.kernel.assign(np.random.default_rng(0).normal(size=(5, 1)))
    x = np.broadcast_to(np.arange(5, dtype="float32"), (1, 4, 3, 5))
    np.testing.assert_allclose(layer(x), [[0, 1, 2, 3, 4]], rtol=1e-5)
