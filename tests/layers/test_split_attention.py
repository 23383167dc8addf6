import numpy as np
import pytest

from keras_reid.layers import SplitAttention
from tests.harness import randomize, run_layer_test

EPSILON = 1e-5


def images(height=5, width=3, channels=8):
    return np.random.default_rng(0).normal(size=(2, height, width, channels)).astype("float32")


@pytest.mark.parametrize("radix", [1, 2])
def test_contract(radix):
    layer = run_layer_test(lambda: SplitAttention(6, radix=radix), images(), (2, 5, 3, 6))
    assert layer.conv.kernel.shape == (3, 3, 8 // radix, 6 * radix)
    assert layer.conv.bias is None


def convolved(x, kernel, dilation):
    """Sum over the taps of the shifted, zero-padded image."""
    size = kernel.shape[0]
    pad = dilation * (size // 2)
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    height, width = x.shape[1:3]
    return sum(
        padded[:, i * dilation : i * dilation + height, j * dilation : j * dilation + width] @ kernel[i, j]
        for i in range(size)
        for j in range(size)
    )


def normalised(x, norm):
    mean, variance, gamma, beta = (
        np.asarray(v) for v in (norm.moving_mean, norm.moving_variance, norm.gamma, norm.beta)
    )
    return (x - mean) / np.sqrt(variance + EPSILON) * gamma + beta


def formula(layer, x):
    radix, filters = layer.radix, layer.filters
    kernel = np.asarray(layer.conv.kernel)
    parts = np.split(x, radix, axis=-1)
    kernels = np.split(kernel, radix, axis=-1)
    u = np.concatenate(
        [convolved(a, k, layer.dilation_rate) for a, k in zip(parts, kernels, strict=True)], axis=-1
    )
    splits = np.split(np.maximum(normalised(u, layer.bn0), 0), radix, axis=-1)
    hidden = sum(splits).mean((1, 2)) @ np.asarray(layer.fc1.kernel) + np.asarray(layer.fc1.bias)
    hidden = np.maximum(normalised(hidden, layer.bn1), 0)
    scores = hidden @ np.asarray(layer.fc2.kernel) + np.asarray(layer.fc2.bias)
    if radix == 1:
        return 1 / (1 + np.exp(-scores))[:, None, None] * splits[0]
    weights = np.exp([scores[:, r * filters : (r + 1) * filters] for r in range(radix)])
    weights /= weights.sum(axis=0)
    return sum(w[:, None, None] * split for w, split in zip(weights, splits, strict=True))


@pytest.mark.parametrize(
    ("size", "arguments"),
    [
        ((4, 4), {}),
        ((5, 3), {"radix": 1}),
        ((5, 3), {"radix": 4, "reduction": 1}),
        ((7, 5), {"kernel_size": 5}),
        ((7, 5), {"dilation_rate": 2}),
    ],
    ids=str,
)
def test_formula(size, arguments):
    x = images(*size, channels=64)
    layer = SplitAttention(6, **arguments)
    layer.build(x.shape)
    randomize(layer)
    np.testing.assert_allclose(layer(x), formula(layer, x), rtol=1e-4, atol=1e-5)


def test_untrained_splits_count_the_same():
    # Without a bias that sets them apart the sum of weights is 1: equal splits give the split itself.
    layer = SplitAttention(4)
    x = images(channels=8)
    layer.build(x.shape)
    for norm in (layer.bn0, layer.bn1):
        assert (norm.momentum, norm.epsilon) == (0.9, 1e-5)
    kernel = np.asarray(layer.conv.kernel)
    layer.conv.kernel.assign(np.concatenate([kernel[..., :4]] * 2, axis=-1))
    twice = np.concatenate([x[..., :4]] * 2, axis=-1)
    expected = np.maximum(normalised(convolved(x[..., :4], kernel[..., :4], 1), _first_half(layer.bn0)), 0)
    np.testing.assert_allclose(layer(twice), expected, rtol=1e-4, atol=1e-5)


def _first_half(norm):
    class Half:
        moving_mean, moving_variance, gamma, beta = (
            np.asarray(v)[:4] for v in (norm.moving_mean, norm.moving_variance, norm.gamma, norm.beta)
        )

    return Half


@pytest.mark.parametrize(
    ("channels", "arguments", "hidden"),
    [(64, {}, 32), (256, {}, 128), (256, {"reduction": 2}, 256), (256, {"radix": 1}, 64), (8, {}, 32)],
)
def test_hidden_units(channels, arguments, hidden):
    layer = SplitAttention(8, **arguments)
    layer.build((None, 4, 4, channels))
    assert layer.fc1.kernel.shape == (8, hidden)
    assert layer.bn1.gamma.shape == (hidden,)


def test_training_uses_the_statistics_of_the_batch():
    layer = SplitAttention(4)
    x = images()
    layer(x)
    before = np.array(layer.bn0.moving_mean), np.array(layer.bn1.moving_mean)
    layer(x, training=True)
    assert not np.allclose(layer.bn0.moving_mean, before[0])
    assert not np.allclose(layer.bn1.moving_mean, before[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filters": 0}, r"`filters` of SplitAttention must be a positive integer\. Received: filters=0"),
        ({"radix": 1.5}, r"`radix` of SplitAttention must be a positive integer\. Received: radix=1\.5"),
        ({"dilation_rate": 0}, r"`dilation_rate` of .*Received: dilation_rate=0"),
        ({"reduction": -1}, r"`reduction` of .*Received: reduction=-1"),
        ({"kernel_size": 4}, r"`kernel_size` of SplitAttention must be odd.*Received: kernel_size=4"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        SplitAttention(**{"filters": 4, **arguments})


def test_bad_input():
    with pytest.raises(
        ValueError, match=r"multiple of its radix \(2\)\. Received: input shape \(None, 4, 4, 7\)"
    ):
        SplitAttention(4).build((None, 4, 4, 7))
