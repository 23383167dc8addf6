import keras
import numpy as np
import pytest

from keras_reid.backbones import OSNetAIN
from tests.harness import run_model_test


def images(height=64, width=32, batch=2):
    return np.random.default_rng(0).normal(size=(batch, height, width, 3)).astype("float32")


@pytest.mark.slow
def test_contract():
    run_model_test(lambda: OSNetAIN(0.25), images(), (2, 4, 2, 128))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("width", "expected"), [(1.0, 1_905_828), (0.75, 1_087_610), (0.5, 497_426), (0.25, 134_792)]
)
def test_parameters_as_in_the_original(width, expected):
    model = OSNetAIN(width)
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == expected
    assert model.output.shape == (None, None, None, 512 * width)


def test_places_of_instance_normalisation():
    model = OSNetAIN(0.25)
    found = [x.name for x in model.layers if isinstance(x, keras.layers.GroupNormalization)]
    assert found == ["conv1.bn", "conv2.0.IN", "conv2.1.IN", "conv3.1.IN", "conv4.0.IN"]
    order = [x.name for x in model.layers]
    for block in ("conv2.0", "conv2.1", "conv3.1", "conv4.0"):
        places = [order.index(f"{block}.{part}") for part in ("conv3.conv", "IN", "add", "relu")]
        assert places == sorted(places)
        assert f"{block}.conv3.bn" not in order
    assert model.compute_output_shape((1, 75, 51, 3)) == (1, 4, 3, 128)


def test_another_width():
    with pytest.raises(ValueError, match=r"`width` of OSNetAIN must be one of 0\.25, .* Received: width=2"):
        OSNetAIN(2)
