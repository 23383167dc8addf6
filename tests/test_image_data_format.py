"""Keras' global `image_data_format` changes no network of this package, built or loaded."""

import ast
import inspect
import pathlib

import keras
import numpy as np
import pytest

import keras_reid
from keras_reid import experiment as ex
from keras_reid import heads, layers
from keras_reid.models import ReIDModel
from keras_reid.weights import fastreid
from tests.export.models import BACKBONES, images, randomize

SIZE = (64, 32)
QUICK = {"resnet18", "osnet_ibn", "mobilenet_v2", "vit"}
# Made of Keras' own layers by their users, who choose the format.
FAMILIES = [name for name in BACKBONES if name not in ("composite", "keras_mobilenet")]


@pytest.fixture
def channels_first():
    """A function that sets the global format; it is as before after the test."""
    before = keras.config.image_data_format()
    yield lambda: keras.config.set_image_data_format("channels_first")
    keras.config.set_image_data_format(before)


def same_weights(model, other):
    randomize(model)
    other.set_weights(model.get_weights())


def close(one, other):
    for a, b in zip(keras.tree.flatten(one), keras.tree.flatten(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.medium) for name in FAMILIES]
)
def test_each_family_of_networks(name, channels_first):
    model = BACKBONES[name]()
    channels_first()
    other = BACKBONES[name]()
    same_weights(model, other)
    pixels = np.random.default_rng(0).normal(size=(2, *SIZE, 3)).astype("float32")
    close(other(pixels), model(pixels))


POOLINGS = [
    *(getattr(layers.pooling, name) for name in layers.pooling.__all__ if name != "IdentityPooling2D"),
    ex.AveragePooling().build,
    ex.MaxPooling().build,
    *(fastreid._POOLINGS[name] for name in ("GlobalAvgPool", "FastGlobalAvgPool", "GlobalMaxPool")),
]


@pytest.mark.parametrize("make", POOLINGS, ids=lambda make: getattr(make, "__qualname__", "pooling"))
def test_each_pooling(make, channels_first):
    feature_map = np.random.default_rng(0).uniform(size=(2, 6, 4, 8)).astype("float32")
    expected = make()(feature_map)
    channels_first()
    assert expected.shape == (2, 8)
    close(make()(feature_map), expected)


@pytest.mark.parametrize("name", heads.__all__)
def test_each_head(name, channels_first):
    cls = getattr(heads, name)
    wanted = {"embedding_dim": 6, "reduction_activation": "relu", "num_parts": 2}
    options = {key: value for key, value in wanted.items() if key in inspect.signature(cls).parameters}
    takes = {
        "ClassTokenHead": (2, 1, 3, 16),
        "PartialHead": (2, 8, 4, 16),
        "MultiGranularityHeads": [(2, 6, 4, 16)] * 3,
    }.get(name, (2, 16))
    rng = np.random.default_rng(0)
    inputs = (
        [rng.uniform(size=shape).astype("float32") for shape in takes]
        if isinstance(takes, list)
        else rng.uniform(size=takes).astype("float32")
    )
    head = cls(5, **options)
    outputs = head(inputs)
    channels_first()
    other = cls(5, **options)
    other(inputs)
    same_weights(head, other)
    close(other(inputs), head(inputs))
    assert outputs["scores"].shape == (2, 5)


@pytest.mark.parametrize("saved_under", ["channels_last", "channels_first"])
def test_a_saved_model(saved_under, tmp_path, channels_first):
    if saved_under == "channels_first":
        channels_first()
    model = ReIDModel(
        BACKBONES["resnet18"](), ex.AveragePooling().build(), heads.BNNeckHead(5), image_size=SIZE
    )
    randomize(model)
    expected = model.predict(images(model), verbose=0)
    model.save(tmp_path / "model.keras")
    channels_first()
    if saved_under == "channels_first":
        keras.config.set_image_data_format("channels_last")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    close(loaded.predict(images(model), verbose=0), expected)


def test_a_pooling_for_channels_first_is_refused(channels_first):
    channels_first()
    pooling = keras.layers.GlobalAveragePooling2D()
    with pytest.raises(
        ValueError, match=r'channels last.*GlobalAveragePooling2D.*data_format="channels_last"'
    ):
        ReIDModel(BACKBONES["resnet18"](), pooling, heads.BNNeckHead(5), image_size=SIZE)


def _takes_format(function):
    return "data_format" in inspect.signature(function).parameters


FORMATTED = {
    "layers": {
        name for name, one in vars(keras.layers).items() if inspect.isclass(one) and _takes_format(one)
    },
    "ops": {name for name, one in vars(keras.ops).items() if inspect.isfunction(one) and _takes_format(one)},
    "ops.image": {
        name for name, one in vars(keras.ops.image).items() if inspect.isfunction(one) and _takes_format(one)
    },
}


def test_each_layer_and_operation_of_keras_that_takes_a_format_is_given_one():
    assert {"Conv2D", "MaxPooling2D", "GlobalAveragePooling2D"} <= FORMATTED["layers"]
    assert {"max_pool", "conv"} <= FORMATTED["ops"]
    assert "resize" in FORMATTED["ops.image"]
    root = pathlib.Path(keras_reid.__file__).parent
    missing = [
        f"{file.relative_to(root)}:{node.lineno}: {node.func.attr}"
        for file in sorted(root.rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if node.func.attr in FORMATTED.get(ast.unparse(node.func.value).removeprefix("keras."), ())
        if "data_format" not in {keyword.arg for keyword in node.keywords}
    ]
    assert not missing
