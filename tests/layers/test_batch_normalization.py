import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_reid.layers import BatchNormalization
from tests.harness import dtype_policy, randomize, run_layer_test

TOLERANCE = 1e-5


def images(channels=5, batch=4):
    return np.random.default_rng(0).normal(2.0, 3.0, (batch, 6, 3, channels)).astype("float32")


@pytest.mark.parametrize("training", [False, True])
def test_contract(training):
    run_layer_test(BatchNormalization, images(), (4, 6, 3, 5), {"training": training})


def both(x, **arguments):
    """Ours and Keras' own layer with the same weights."""
    layers = [
        kind(momentum=0.9, epsilon=1e-5, **arguments)
        for kind in (BatchNormalization, keras.layers.BatchNormalization)
    ]
    for layer in layers:
        layer.build(x.shape)
        randomize(layer)
    return layers


def values(layer, x, training=True):
    """Outputs, gradients and running statistics of a call; the gradients are those of the sum of cubes."""
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=training)
        cubes = tf.reduce_sum(tf.cast(y, "float32") ** 3)
    gradients = tape.gradient(cubes, [x, *layer.trainable_variables])
    return [np.asarray(value, "float32") for value in (y, *gradients, *layer.non_trainable_variables)]


def assert_same(found, expected, tolerance=TOLERANCE):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert np.linalg.norm(one - other) <= tolerance * np.linalg.norm(other)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    "arguments", [{}, {"center": False}, {"scale": False}, {"renorm": True}, {"axis": 1}], ids=str
)
def test_numbers_are_those_of_keras(arguments, training):
    ours, theirs = both(images(), **arguments)
    assert_same(values(ours, images(), training), values(theirs, images(), training))


def test_numbers_are_those_of_keras_far_from_zero():
    x = images() + 1000
    ours, theirs = both(x)
    assert_same(values(ours, x), values(theirs, x), 1e-3)


def test_one_position_has_no_variance():
    x = images()[:1, :1, :1]
    ours, theirs = both(x)
    found = values(ours, x)
    assert all(np.isfinite(value).all() for value in found)
    np.testing.assert_allclose(found[-1], values(theirs, x)[-1], rtol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision(policy):
    with dtype_policy(policy):
        ours, theirs = both(images())
    x = tf.cast(images(), ours.compute_dtype)
    assert_same(values(ours, x), values(theirs, x), 2e-2)
    np.testing.assert_allclose(ours.moving_mean, theirs.moving_mean, rtol=1e-3)


def test_double_precision_is_left_to_keras():
    with dtype_policy("float64"):
        ours, theirs = both(images())
    assert_same(values(ours, images().astype("float64")), values(theirs, images().astype("float64")), 0.0)


def test_masks_and_features_are_left_to_keras():
    mask = np.array([[True, False], [True, True], [False, True]])
    x = images()[:3, :2, 0]
    ours, theirs = both(x)
    np.testing.assert_array_equal(ours(x, training=True, mask=mask), theirs(x, training=True, mask=mask))
    ours, theirs = both(x[:, 0])
    np.testing.assert_array_equal(ours(x[:, 0], training=True), theirs(x[:, 0], training=True))


def test_frozen_layer_uses_and_keeps_its_running_statistics():
    ours, theirs = both(images())
    ours.trainable = theirs.trainable = False
    before = np.asarray(ours.moving_mean)
    np.testing.assert_array_equal(ours(images(), training=True), theirs(images(), training=True))
    np.testing.assert_array_equal(ours.moving_mean, before)


def operations(layer, training):
    function = tf.function(lambda x: layer(x, training=training))
    graph = function.get_concrete_function(tf.TensorSpec((None, 6, 3, 5))).graph
    return {operation.type for operation in graph.get_operations()}


def test_training_is_one_operation_and_inference_is_that_of_keras():
    ours, theirs = both(images())
    assert "FusedBatchNormV3" in operations(ours, True)
    assert "SquaredDifference" not in operations(ours, True)
    assert operations(ours, False) == operations(theirs, False)
    ours.synchronized = True
    assert "FusedBatchNormV3" not in operations(ours, True)


def test_xla_computes_the_same():
    ours, theirs = both(images())
    compiled = tf.function(lambda x: ours(x, training=True), jit_compile=True)
    np.testing.assert_allclose(compiled(images()), theirs(images(), training=True), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(ours.moving_variance, theirs.moving_variance, rtol=1e-5)
