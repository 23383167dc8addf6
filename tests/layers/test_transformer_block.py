import math

import keras
import numpy as np
import pytest

from keras_reid.layers import TransformerBlock
from tests.harness import HALF_POLICIES, assert_finite, dtypes, randomize, run_layer_test


def tokens(batch=3, count=5, channels=8):
    return np.random.default_rng(0).normal(size=(batch, count, channels)).astype("float32")


def built(**arguments):
    layer = TransformerBlock(2, **arguments)
    layer.build((None, None, 8))
    randomize(layer)
    return layer


def normalization(x, layer):
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + layer.epsilon)
    return x * np.asarray(layer.gamma) + np.asarray(layer.beta)


def dense(x, layer):
    return x @ np.asarray(layer.kernel) + (0 if layer.bias is None else np.asarray(layer.bias))


def reference(x, layer, heads=2, scale=0.5):
    x = x.astype("float64")
    qkv = dense(normalization(x, layer.attention_norm), layer.qkv)
    q, k, v = np.split(qkv, 3, axis=-1)
    size = x.shape[-1] // heads
    attended = []
    for part in (slice(size * head, size * head + size) for head in range(heads)):
        weights = np.exp(scale * q[..., part] @ np.swapaxes(k[..., part], 1, 2))
        attended.append(weights / weights.sum(-1, keepdims=True) @ v[..., part])
    x = x + dense(np.concatenate(attended, axis=-1), layer.projection)
    hidden = dense(normalization(x, layer.mlp_norm), layer.expand)
    hidden = hidden * 0.5 * (1 + np.vectorize(math.erf)(hidden / 2**0.5))
    return x + dense(hidden, layer.contract)


def test_contract():
    layer = run_layer_test(
        lambda: TransformerBlock(2, dropout=0.1, attention_dropout=0.1, drop_path=0.1),
        tokens(),
        (3, 5, 8),
        {"training": True},
    )
    assert layer.expand.units == 32


@pytest.mark.parametrize(
    ("arguments", "scale"),
    [
        ({}, 0.5),  # 1/sqrt of the 4 channels of a head
        ({"scale": 0.1, "qkv_bias": False, "mlp_ratio": 3.0}, 0.1),
        ({"epsilon": 0.5}, 0.5),
    ],
)
def test_output_against_numpy(arguments, scale):
    layer = built(**arguments)
    np.testing.assert_allclose(layer(tokens()), reference(tokens(), layer, scale=scale), rtol=1e-5, atol=1e-5)
    assert (layer.qkv.bias is None) == (arguments.get("qkv_bias") is False)


@pytest.mark.parametrize("policy", HALF_POLICIES)
def test_softmax_is_float32_under_mixed_precision(policy, monkeypatch):
    seen = []
    softmax = keras.ops.softmax
    monkeypatch.setattr(keras.ops, "softmax", lambda x: seen.append(x.dtype) or softmax(x))
    layer = TransformerBlock(2, dtype=policy)
    layer.build((None, None, 8))
    outputs = layer(tokens())
    assert [keras.backend.standardize_dtype(dtype) for dtype in seen] == ["float32"]
    assert dtypes(outputs) == {layer.compute_dtype}


def test_products_of_queries_and_keys_stay_in_the_range_of_half_precision():
    layer = TransformerBlock(1, dtype="mixed_float16")
    layer.build((None, None, 64))
    kernel = np.zeros((64, 192), "float32")
    kernel[:, :64] = kernel[:, 64:128] = 40 * np.eye(64)
    layer.qkv.kernel.assign(kernel)
    x = tokens(channels=64)
    assert_finite(layer(x))
    # The unscaled product of a token with itself is beyond it.
    normalized = normalization(x, layer.attention_norm)
    assert (40**2 * np.sum(normalized**2, axis=-1)).max() > np.finfo("float16").max


@pytest.mark.parametrize("rate", [0.25, 0.6])
def test_stochastic_depth_is_per_image_and_keeps_the_mean(rate):
    layer = built(drop_path=rate)
    x = tokens(batch=2000, count=2)
    # Only the attention's branch is left.
    layer.contract.kernel.assign(0 * layer.contract.kernel)
    layer.contract.bias.assign(0 * layer.contract.bias)
    branch = np.asarray(layer(x)) - x
    dropped = np.asarray(layer(x, training=True)) - x
    factor = (dropped / branch).reshape(len(x), -1)
    kept = np.isclose(factor, 1 / (1 - rate), rtol=1e-2)
    assert np.all(kept | (np.abs(factor) < 1e-2))
    assert np.all(kept == kept[:, :1])
    assert kept[:, 0].mean() == pytest.approx(1 - rate, abs=0.05)
    again = np.asarray(layer(x, training=True)) - x
    assert np.any(np.abs(again - dropped) > 1e-3)


def test_seeds_make_dropping_repeatable():
    outputs = []
    for _ in range(2):
        keras.utils.set_random_seed(7)
        layer = built(drop_path=0.5, dropout=0.5, attention_dropout=0.5)
        outputs.append(np.asarray(layer(tokens(), training=True)))
    np.testing.assert_array_equal(*outputs)


@pytest.mark.parametrize("rate", ["dropout", "attention_dropout", "drop_path"])
def test_rates_act_in_training_only(rate):
    layer = built(**{rate: 0.5})
    plain = built()
    np.testing.assert_array_equal(layer(tokens()), plain(tokens()))
    assert np.any(np.asarray(layer(tokens(), training=True)) != np.asarray(plain(tokens())))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"num_heads": 0},
            r"`num_heads` of TransformerBlock must be a positive integer\. Received: num_heads=0",
        ),
        ({"num_heads": 2.5}, r"must be a positive integer\. Received: num_heads=2\.5"),
        ({"epsilon": 0.0}, r"`epsilon` of TransformerBlock must be positive\. Received: epsilon=0\.0"),
        ({"mlp_ratio": -1.0}, r"`mlp_ratio` of TransformerBlock must be positive"),
        ({"scale": 0.0}, r"`scale` of TransformerBlock must be positive"),
        ({"dropout": 1.0}, r"`dropout` of TransformerBlock must be in \[0, 1\)\. Received: dropout=1\.0"),
        ({"attention_dropout": -0.1}, r"`attention_dropout` of TransformerBlock must be in"),
        ({"drop_path": 2}, r"`drop_path` of TransformerBlock must be in"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        TransformerBlock(**{"num_heads": 2, **arguments})


def test_heads_that_do_not_divide_the_channels():
    with pytest.raises(ValueError, match=r"must divide the channels\. Received: num_heads=3"):
        TransformerBlock(3)(tokens())
