import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_reid.layers import IBN, NeckNormalization
from keras_reid.training.precise_batch_norm import precise_batch_norm
from tests.harness import dtype_policy, randomize

IMAGES = np.random.default_rng(0).normal(1.0, 2.0, (24, 4, 2, 6)).astype("float32")


def batches(size=8, count=24):
    return tf.data.Dataset.from_tensor_slices(IMAGES[:count]).batch(size)


def make_model(norm):
    model = keras.Sequential([keras.Input((4, 2, 6)), norm, keras.layers.Dropout(0.5)])
    randomize(norm)
    return model


def expected(images, size, steps):
    parts = [images[k * size : (k + 1) * size].astype("float64") for k in range(steps)]
    mean = np.mean([part.mean(axis=(0, 1, 2)) for part in parts], axis=0)
    variance = np.mean([part.var(axis=(0, 1, 2)) for part in parts], axis=0)  # biased: divided by the count
    return mean, variance


@pytest.mark.parametrize(("size", "steps"), [(8, 3), (8, 1), (6, 4)])
def test_plain_averages_of_the_batches_statistics(size, steps):
    norm = keras.layers.BatchNormalization()
    precise_batch_norm(make_model(norm), batches(size), steps)
    mean, variance = expected(IMAGES, size, steps)
    np.testing.assert_allclose(np.array(norm.moving_mean), mean, rtol=2e-6, atol=1e-6)
    np.testing.assert_allclose(np.array(norm.moving_variance), variance, rtol=2e-6)


def test_the_batch_half_of_an_ibn():
    norm = IBN()
    precise_batch_norm(make_model(norm), batches(), 3)
    mean, variance = expected(IMAGES[..., 3:], 8, 3)
    np.testing.assert_allclose(np.array(norm.batch_norm.moving_mean), mean, rtol=2e-6, atol=1e-6)
    np.testing.assert_allclose(np.array(norm.batch_norm.moving_variance), variance, rtol=2e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    with dtype_policy(policy):
        norm = keras.layers.BatchNormalization()
        model = make_model(norm)
    precise_batch_norm(model, batches(), 3)
    coarse = np.array(keras.ops.cast(keras.ops.cast(IMAGES, norm.compute_dtype), "float32"))
    mean, variance = expected(coarse, 8, 3)
    assert norm.moving_variance.dtype == "float32"
    np.testing.assert_allclose(np.array(norm.moving_mean), mean, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(np.array(norm.moving_variance), variance, rtol=1e-5)


def test_nothing_else_changes():
    norm, frozen = keras.layers.BatchNormalization(), NeckNormalization()
    model = keras.Sequential([keras.Input((4, 2, 6)), norm, frozen, keras.layers.Dropout(0.5)])
    for layer in (norm, frozen):
        randomize(layer)
    frozen.trainable = False
    before = {id(v): np.array(v) for v in model.variables}
    momentum = norm.momentum
    precise_batch_norm(model, batches(), 3)
    changed = [v.path for v in model.variables if (before[id(v)] != np.array(v)).any()]
    assert changed == [norm.moving_mean.path, norm.moving_variance.path]
    assert norm.momentum == momentum
    # The dropout's random state, too: the next pass in training mode draws as it would have.
    assert any("seed" in v.path for v in model.variables)


def test_it_is_the_same_twice():
    norm = keras.layers.BatchNormalization()
    model = make_model(norm)
    precise_batch_norm(model, batches(), 3)
    once = np.array(norm.moving_variance)
    precise_batch_norm(model, batches(), 3)
    np.testing.assert_array_equal(once, np.array(norm.moving_variance))


def test_a_model_without_batch_norm_stays_and_too_few_batches_are_refused():
    precise_batch_norm(keras.Sequential([keras.Input((4, 2, 6)), keras.layers.Dense(1)]), batches(), 3)
    norm = keras.layers.BatchNormalization()
    model = make_model(norm)
    before = np.array(norm.moving_mean)
    with pytest.raises(ValueError, match=r"4 batches were asked for\. Received: 3"):
        precise_batch_norm(model, batches(), 4)
    np.testing.assert_array_equal(before, np.array(norm.moving_mean))
    with pytest.raises(ValueError, match="steps must be 1 or more"):
        precise_batch_norm(model, batches(), 0)
