import re

import keras
import numpy as np
import pytest

from keras_reid.backbones import MultiGranularityResNet, ResNet
from keras_reid.checkpoints import fill, model_targets, named
from keras_reid.layers import IBN, SqueezeExcite
from tests.harness import randomize, reloaded, shapes

IMAGES = np.random.default_rng(0).normal(size=(2, 64, 32, 3)).astype("float32")


def state_of(model):
    """The model's weights as a state dict, by the names it would be filled from."""
    back = {"convolution": (3, 2, 0, 1), "matrix": (1, 0)}
    return {
        name: np.transpose(np.asarray(target.variable), back.get(target.layout))
        if target.layout in back
        else np.asarray(target.variable)
        for name, target in model_targets(model).items()
    }


@pytest.mark.parametrize(
    ("last_stride", "first"), [(1, (2, 4, 2, 64)), (2, (2, 2, 1, 64))], ids=["stride 1", "stride 2"]
)
def test_three_maps(last_stride, first):
    model = MultiGranularityResNet(last_stride=last_stride, width=2)
    assert shapes(model(IMAGES)) == [first, (2, 4, 2, 64), (2, 4, 2, 64)]
    assert shapes(model(keras.Input((64, 32, 3), batch_size=2))) == [first, (2, 4, 2, 64), (2, 4, 2, 64)]


def test_round_trip():
    model = MultiGranularityResNet(width=2, ibn=True)
    randomize(model)
    loaded = reloaded(model)
    assert loaded.get_config() == model.get_config()
    for a, b in zip(loaded(IMAGES), model(IMAGES), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_each_branch_is_the_rest_of_a_resnet_with_its_weights():
    resnet = ResNet(50, width=2, ibn=True, squeeze_excite=True)
    randomize(resnet)
    model = MultiGranularityResNet(50, width=2, ibn=True, squeeze_excite=True)
    report = fill(model_targets(model), named(model.adapt_checkpoint(state_of(resnet))), model.weights)
    assert report.complete
    for branch in model(IMAGES):
        np.testing.assert_allclose(branch, resnet(IMAGES), rtol=1e-4, atol=1e-4)


def test_branches_share_only_the_beginning():
    model = MultiGranularityResNet(50, width=2)
    shared = [v for layer in model.layers if not layer.name.startswith("b") for v in layer.weights]
    before = [np.asarray(x) for x in model(IMAGES)]
    layer = model.get_layer("b2.0.0.conv1")
    layer.kernel.assign(-np.asarray(layer.kernel))
    after = [np.asarray(x) for x in model(IMAGES)]
    assert [np.array_equal(a, b) for a, b in zip(before, after, strict=True)] == [True, False, True]
    names = {layer.name for layer in model.layers}
    assert {"layer3.0.conv1", "b1.0.0.conv1", "b1.0.4.conv3", "b3.1.2.conv3"} <= names
    assert "layer3.1.conv1" not in names
    assert len(shared) < len(model.weights) / 3


def test_options_change_the_layers():
    def kinds(**options):
        return [type(layer) for layer in MultiGranularityResNet(50, width=2, **options).layers]

    assert IBN not in kinds()
    assert kinds(ibn=True).count(IBN) == 3 + 4 + 1 + 3 * 5
    assert kinds(squeeze_excite=True).count(SqueezeExcite) == 3 + 4 + 1 + 3 * 8
    assert len(kinds()) < len([type(x) for x in MultiGranularityResNet(101, width=2).layers])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 18}, "`depth` of MultiGranularityResNet must be one of 50, 101, 152. Received: depth=18"),
        ({"last_stride": 3}, "must be one of 1, 2"),
        ({"width": 0}, "at least 2. Received: width=0"),
        ({"input_shape": (64, 32)}, "must be (height, width, channels)"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        MultiGranularityResNet(**arguments)
