import keras
import numpy as np
import pytest

from keras_reid.layers import Conv2D
from tests.harness import randomize, run_layer_test


def images(channels=6, batch=2, size=(7, 5)):
    return np.random.default_rng(0).normal(size=(batch, *size, channels)).astype("float32")


@pytest.mark.parametrize("training", [False, True])
def test_contract(training):
    run_layer_test(lambda: Conv2D(8, 3, padding="same"), images(), (2, 7, 5, 8), {"training": training})


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    "arguments",
    [{}, {"activation": "relu"}, {"use_bias": False, "strides": 2}, {"dilation_rate": 2}],
    ids=str,
)
def test_values_are_those_of_keras(arguments, training):
    ours, theirs = Conv2D(4, 3, **arguments), keras.layers.Conv2D(4, 3, **arguments)
    for layer in (ours, theirs):
        layer.build((None, 7, 5, 6))
        randomize(layer)
    np.testing.assert_allclose(ours(images(), training=training), theirs(images()), rtol=1e-5, atol=1e-6)


def test_channels_last_is_the_default_whatever_keras_is_configured_to():
    keras.config.set_image_data_format("channels_first")
    try:
        layer = Conv2D(4, 3)
    finally:
        keras.config.set_image_data_format("channels_last")
    assert layer.data_format == "channels_last"
    assert layer(images()).shape == (2, 5, 3, 4)


def test_channels_first_is_left_to_keras():
    layer = Conv2D(4, 3, data_format="channels_first")
    layer.build((None, 6, 7, 5))
    assert layer(keras.Input((6, 7, 5)), training=True).shape == (None, 4, 5, 3)


def test_weights_are_saved_under_the_names_of_keras(tmp_path):
    """What was saved before this class existed, its networks still load."""

    def model(kind):
        return keras.Sequential([keras.Input((7, 5, 6)), kind(4, 3, name="first"), kind(4, 3, name="second")])

    keras.utils.set_random_seed(0)
    before, now = model(keras.layers.Conv2D), model(Conv2D)
    before.save_weights(tmp_path / "before.weights.h5")
    now.load_weights(tmp_path / "before.weights.h5")
    np.testing.assert_array_equal(now(images()), before(images()))
