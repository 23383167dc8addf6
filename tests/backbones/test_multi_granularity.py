import re

import keras
import numpy as np
import pytest

from keras_reid.backbones import MultiGranularityResNet, ResNet, base, residual
from keras_reid.checkpoints import fill, model_targets, named
from keras_reid.layers import IBN, SqueezeExcite
from tests.checkpoints.writing import state_of
from tests.harness import (
    HALF_POLICIES,
    assert_finite,
    dtype_policy,
    dtypes,
    randomize,
    rebuilt,
    reloaded,
    shapes,
)

IMAGES = np.random.default_rng(0).normal(size=(2, 64, 32, 3)).astype("float32")


@pytest.fixture
def few_blocks(monkeypatch):
    """Depth 50 has one block in every stage but the third, which has two."""
    monkeypatch.setitem(residual.BLOCKS, 50, (1, 1, 2, 1))


@pytest.mark.parametrize(
    ("last_stride", "first"), [(1, (2, 4, 2, 64)), (2, (2, 2, 1, 64))], ids=["stride 1", "stride 2"]
)
def test_three_maps(last_stride, first):
    model = MultiGranularityResNet(last_stride=last_stride, width=2)
    assert shapes(model(IMAGES)) == [first, (2, 4, 2, 64), (2, 4, 2, 64)]
    assert shapes(model(keras.Input((64, 32, 3), batch_size=2))) == [first, (2, 4, 2, 64), (2, 4, 2, 64)]


@pytest.mark.parametrize(
    ("height", "width", "first", "others"),
    [(75, 51, (3, 2), (5, 4)), (97, 110, (3, 4), (6, 7)), (384, 128, (12, 4), (24, 8))],
)
@pytest.mark.usefixtures("few_blocks")
def test_sizes_of_the_maps(height, width, first, others):
    found = MultiGranularityResNet(last_stride=2, width=2).compute_output_shape((1, height, width, 3))
    assert found == [(1, *size, 64) for size in (first, others, others)]


@pytest.mark.parametrize("policy", HALF_POLICIES)
@pytest.mark.usefixtures("few_blocks")
def test_half_precision(policy):
    with dtype_policy(policy):
        model = MultiGranularityResNet(width=2, ibn=True, squeeze_excite=True)
        compute_dtype = model.layers[-1].compute_dtype
        assert dtypes(model(IMAGES)) == {compute_dtype} != {"float32"}
        assert_finite(model(IMAGES, training=True), policy)
    assert {variable.dtype for variable in model.weights} == {"float32"}
    # The policy is the model's own: it survives a process with another one.
    assert dtypes(rebuilt(model)(IMAGES)) == {compute_dtype}


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({}, "resnet50"),
        ({"ibn": True}, "resnet50_ibn_a"),
        pytest.param({"ibn": True, "squeeze_excite": True}, "se_resnet50_ibn_a", marks=pytest.mark.medium),
        ({"width": 4}, "resnet50 of width 4"),
    ],
    ids=str,
)
@pytest.mark.usefixtures("few_blocks")
def test_name_of_the_published_weights(arguments, name, monkeypatch):
    asked = []
    monkeypatch.setattr(base, "load_pretrained", lambda *received: asked.append(received[1:]))
    MultiGranularityResNet(pretrained="imagenet", **arguments)
    assert asked == [("imagenet", name)]


@pytest.mark.usefixtures("few_blocks")
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
    report = fill(
        model_targets(model), named(model.adapt_checkpoint(state_of(model_targets(resnet)))), model.weights
    )
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
    kinds = [type(layer) for layer in MultiGranularityResNet(50, 1, True, True, width=2).layers]
    assert kinds.count(IBN) == 3 + 4 + 1 + 3 * 5
    assert kinds.count(SqueezeExcite) == 3 + 4 + 1 + 3 * 8
    plain = [type(layer) for layer in MultiGranularityResNet(50, width=2).layers]
    assert not {IBN, SqueezeExcite} & set(plain)


@pytest.mark.slow
def test_depth():
    names = {layer.name for layer in MultiGranularityResNet(101, width=2).layers}
    assert {"b1.0.21.conv1", "b3.0.21.conv1"} <= names


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
