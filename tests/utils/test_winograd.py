import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_reid.utils.winograd_tensorflow import matrices, transform, winograd_convolution

TOLERANCE = 1e-5


def tensors(height, width, images=2, channels=64, filters=48):
    generator = np.random.default_rng(0)
    x = tf.constant(generator.normal(size=(images, height, width, channels)), tf.float32)
    kernel = tf.constant(generator.normal(scale=0.1, size=(3, 3, channels, filters)), tf.float32)
    dy = tf.constant(generator.normal(size=(images, height, width, filters)), tf.float32)
    return x, kernel, dy


def winograd(x, kernel, dy):
    y, gradient = winograd_convolution(x, kernel)
    return y, *gradient(dy)


def plain(x, kernel, dy):
    with tf.GradientTape() as tape:
        tape.watch((x, kernel))
        y = tf.nn.conv2d(x, kernel, 1, "SAME")
    return y, *tape.gradient(y, (x, kernel), output_gradients=dy)


def relative_error(found, expected):
    found, expected = (np.asarray(value, "float64") for value in (found, expected))
    assert found.shape == expected.shape
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


def test_the_matrices_are_those_of_a_convolution_in_exact_arithmetic():
    of_outputs, of_kernel, of_inputs = matrices()
    generator = np.random.default_rng(0)
    inputs, kernel = generator.normal(size=6), generator.normal(size=3)
    found = of_outputs.T @ ((of_kernel @ kernel) * (of_inputs @ inputs))
    np.testing.assert_allclose(found, np.correlate(inputs, kernel, "valid"), rtol=0, atol=1e-14)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8, 11])
def test_tiles_cover_every_size_with_zeros_around(size):
    _, of_kernel, _ = matrices()
    generator = np.random.default_rng(0)
    inputs, kernel = generator.normal(size=size), generator.normal(size=3)
    of_size = transform(size)
    products = (of_size.inputs @ inputs).reshape(6, -1) * (of_kernel @ kernel)[:, None]
    expected = np.correlate(np.pad(inputs, 1), kernel, "valid")
    np.testing.assert_allclose(of_size.outputs.T @ products.ravel(), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("size", "batch", "options"),
    [
        ((8, 4), 2, {}),
        ((2, 13), 2, {}),
        ((1, 1), 2, {}),
        ((11, 5), None, {}),
        ((11, 5), 2, {"jit_compile": True}),
    ],
    ids=["whole tiles", "parts of tiles", "one pixel", "unknown batch", "XLA"],
)
def test_outputs_and_gradients_are_those_of_tensorflow(size, batch, options):
    arguments = tensors(*size)
    x, kernel, dy = (tf.TensorSpec(argument.shape) for argument in arguments)
    signature = [tf.TensorSpec((batch, *x.shape[1:])), kernel, tf.TensorSpec((batch, *dy.shape[1:]))]
    compiled = tf.function(winograd, input_signature=signature, **options)
    assert [tuple(output.shape) for output in compiled.get_concrete_function().structured_outputs] == [
        (batch, *dy.shape[1:]),
        (batch, *x.shape[1:]),
        tuple(kernel.shape),
    ]
    for found, expected in zip(compiled(*arguments), plain(*arguments), strict=True):
        assert relative_error(found, expected) < TOLERANCE


def test_the_error_stays_small_over_many_channels():
    """In comparison with float64, where TensorFlow's own is off by 1e-6."""
    x, kernel, dy = tensors(8, 4, images=4, channels=512, filters=512)
    x = tf.nn.relu(x)  # what a network has: sums of positive values do not cancel
    exact = plain(*(tf.cast(argument, tf.float64) for argument in (x, kernel, dy)))
    for found, expected in zip(winograd(x, kernel, dy), exact, strict=True):
        assert relative_error(found, expected) < 4e-6


def test_it_computes_the_same_to_the_bit_again():
    arguments = tensors(16, 8, images=4)
    for first, second in zip(winograd(*arguments), winograd(*arguments), strict=True):
        np.testing.assert_array_equal(first, second)


def test_a_batch_may_be_empty():
    y, dx, dk = winograd(*tensors(8, 4, images=0))
    assert (y.shape, dx.shape) == ((0, 8, 4, 48), (0, 8, 4, 64))
    np.testing.assert_array_equal(dk, np.zeros((3, 3, 64, 48)))


def test_the_gradient_has_a_gradient():
    """As penalties on gradients need it."""
    x, kernel, dy = tensors(4, 4, channels=8, filters=8)

    def of(convolve):
        with tf.GradientTape() as outer:
            outer.watch(kernel)
            with tf.GradientTape() as inner:
                inner.watch(x)
                value = tf.reduce_sum(convolve(x, kernel) ** 2 * dy)
            penalty = tf.reduce_sum(inner.gradient(value, x) ** 2)
        return outer.gradient(penalty, kernel)

    found = of(tf.custom_gradient(winograd_convolution))
    assert relative_error(found, of(lambda x, kernel: keras.ops.conv(x, kernel, padding="same"))) < TOLERANCE
