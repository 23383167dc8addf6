import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_reid.layers import IdentityPooling2D
from tests.harness import run_layer_test


def token(size=1):
    return np.random.default_rng(0).normal(size=(3, size, size, 5)).astype("float32")


def test_contract():
    run_layer_test(IdentityPooling2D, token(), (3, 5))


def test_values_are_those_of_the_map():
    np.testing.assert_array_equal(IdentityPooling2D()(token()), token()[:, 0, 0])


@pytest.mark.parametrize("shape", [(None, None, 5), (1, None, 5), (1, 1, 5)])
def test_unknown_sizes(shape):
    images = keras.Input(shape)
    model = keras.Model(images, IdentityPooling2D()(images))
    assert model.output_shape == (None, 5)
    np.testing.assert_array_equal(model.predict(token(), verbose=0), token()[:, 0, 0])


@pytest.mark.parametrize("shape", [(2, 1, 5), (1, 3, 5), (None, 2, 5)])
def test_a_map_known_to_be_larger_is_refused(shape):
    message = r"IdentityPooling2D needs a feature map of one position.*Received: shape \((None|3), .* Use"
    with pytest.raises(ValueError, match=message):
        IdentityPooling2D()(keras.Input(shape))
    with pytest.raises(ValueError, match=message):
        IdentityPooling2D()(np.ones((3, *(size or 1 for size in shape)), "float32"))


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_map_of_unknown_size_that_turns_out_larger_is_refused_when_it_runs(jit_compile):
    layer = IdentityPooling2D()

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 5))], jit_compile=jit_compile)
    def run(x):
        return layer(x)

    np.testing.assert_array_equal(run(token()), token()[:, 0, 0])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"[Rr]eshape"):
        run(token(2))
