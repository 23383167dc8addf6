import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_reid.layers import GroupedConv2D
from keras_reid.utils import convolution_tensorflow
from tests.harness import randomize, run_layer_test


def images(channels=12):
    return np.random.default_rng(0).normal(size=(2, 7, 5, channels)).astype("float32")


def test_contract():
    make = lambda: GroupedConv2D(8, 3, groups=4, padding="same")  # noqa: E731
    layer = run_layer_test(make, images(), (2, 7, 5, 8))
    assert layer.kernel.shape == (3, 3, 3, 8)


def convolved_by_group(x, kernel, groups, **kwargs):
    """Each part of the channels by itself."""
    parts = zip(np.split(x, groups, axis=-1), np.split(kernel, groups, axis=-1), strict=True)
    return np.concatenate([np.asarray(keras.ops.conv(a, b, **kwargs)) for a, b in parts], axis=-1)


@pytest.mark.parametrize(
    ("channels", "groups", "merged"),
    [(12, 1, 1), (12, 4, 4), (64, 32, 16), (64, 4, 2), (128, 4, 1), (96, 6, 2), (60, 20, 20), (200, 5, 1)],
)
def test_formula(channels, groups, merged):
    x = images(channels)
    layer = GroupedConv2D(2 * groups, (3, 2), groups=groups, padding="same", dilation_rate=2)
    layer.build(x.shape)
    randomize(layer)
    expected = convolved_by_group(x, np.asarray(layer.kernel), groups, padding="same", dilation_rate=2)
    np.testing.assert_allclose(layer(x), expected + np.asarray(layer.bias), rtol=1e-4, atol=1e-5)
    # Groups share a dense convolution until it has 32 channels.
    assert layer._merged(channels // groups) == merged


@pytest.mark.parametrize("arguments", [{"strides": 2}, {"dilation_rate": 2, "padding": "same"}], ids=str)
def test_values_and_gradients_are_those_of_the_layer_in_keras(arguments):
    x = tf.constant(images(8))
    found = []
    for kind in (GroupedConv2D, keras.layers.Conv2D):
        layer = kind(12, 3, groups=4, **arguments)
        layer.build(x.shape)
        randomize(layer)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
            value = tf.reduce_sum(y**3)
        found.append([y, *tape.gradient(value, [x, *layer.trainable_variables])])
    for own, expected in zip(*found, strict=True):
        np.testing.assert_allclose(own, expected, rtol=1e-3, atol=1e-3)


def test_graph_is_free_of_xla():
    def operations(layer):
        layer.build((None, None, None, 8))
        function = tf.function(layer, input_signature=[tf.TensorSpec((None, None, None, 8))])
        graph = function.get_concrete_function().graph.as_graph_def()
        compiled = [f for f in graph.library.function if f.attr["_XlaMustCompile"].b]
        return len(compiled), {node.op for node in graph.node}

    # If Keras' own layer does without one day, this one has lost half of its purpose.
    assert operations(keras.layers.Conv2D(8, 3, groups=4))[0] > 0
    compiled, operations_used = operations(GroupedConv2D(8, 3, groups=4))
    assert compiled == 0
    assert "Conv2D" in operations_used


def test_channels_first_is_split_along_its_axis():
    layer = GroupedConv2D(8, 3, groups=2, data_format="channels_first")
    assert layer.compute_output_shape((2, 64, 7, 5)) == (2, 8, 5, 3)
    layer.build((2, 64, 7, 5))
    assert layer(keras.Input((64, 7, 5))).shape == (None, 8, 5, 3)


def test_bad_groups():
    with pytest.raises(ValueError, match=r"filters.* evenly divisible by the number of groups"):
        GroupedConv2D(9, 3, groups=4)
    with pytest.raises(ValueError, match=r"channels must be evenly divisible by the number of groups"):
        GroupedConv2D(8, 3, groups=4).build((None, 4, 4, 10))


@pytest.mark.parametrize("arguments", [{"strides": 2}, {"dilation_rate": 2, "padding": "same"}], ids=str)
def test_training_on_a_gpu_uses_the_grouped_kernel(arguments, monkeypatch):
    """Which gives the same on a CPU with oneDNN."""
    layer = GroupedConv2D(64, 3, groups=4, **arguments)
    layer.build((None, 7, 5, 64))
    randomize(layer)
    expected = layer(images(64), training=True)
    monkeypatch.setattr(convolution_tensorflow, "has_gpu", lambda: True)

    def convolutions(training):
        function = tf.function(lambda x: layer(x, training=training))
        graph = function.get_concrete_function(tf.TensorSpec((2, 7, 5, 64))).graph
        return [operation for operation in graph.get_operations() if operation.type == "Conv2D"]

    (one,) = convolutions(training=True)
    assert one.inputs[1].shape == layer.kernel.shape
    assert len(convolutions(training=False)) == 2  # what is exported must run anywhere
    np.testing.assert_allclose(layer(images(64), training=True), expected, rtol=1e-4, atol=1e-4)
