import keras
import numpy as np
import pytest

from keras_reid.backbones import RepVGG
from keras_reid.backbones.builder import LayerBuilder


@pytest.mark.parametrize("channels", [3, 20])
def test_a_strided_1x1_convolution_takes_every_second_pixel(channels):
    images = keras.Input((9, 6, channels))
    model = keras.Model(images, LayerBuilder("float32").convolution(images, 5, 1, "conv", stride=2))
    x = np.random.default_rng(0).normal(size=(2, 9, 6, channels)).astype("float32")
    expected = x[:, ::2, ::2] @ np.asarray(model.get_layer("conv").kernel)[0, 0]
    np.testing.assert_allclose(model(x), expected, rtol=1e-5, atol=1e-5)


def test_over_few_channels_it_has_no_stride():
    """Whose gradient overruns its memory on some processors: the step of a small RepVGG crashed."""
    strided = [
        layer.name
        for layer in RepVGG(width=8).layers
        if isinstance(layer, keras.layers.Conv2D)
        and layer.kernel_size == (1, 1)
        and layer.strides != (1, 1)
        and layer.input.shape[-1] < 16
    ]
    assert strided == []
