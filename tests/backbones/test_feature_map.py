import keras
import numpy as np
import pytest
from keras import layers

from keras_reid.backbones.feature_map import find_feature_map


def images():
    return keras.Input((32, 16, 3), name="images")


def found(x, y, layer=None):
    return find_feature_map(keras.Model(x, y), layer)[1]


def convolution(name, filters=4, stride=2):
    return layers.Conv2D(filters, 3, strides=stride, padding="same", name=name)


@pytest.mark.parametrize(
    "top",
    [
        lambda x: layers.Dense(5)(layers.GlobalAveragePooling2D()(x)),
        lambda x: layers.Dense(5)(layers.GlobalMaxPooling2D()(x)),
        lambda x: layers.Flatten()(layers.Conv2D(5, 1)(layers.GlobalAveragePooling2D(keepdims=True)(x))),
        lambda x: layers.Dense(5)(layers.Flatten()(x)),
        lambda x: layers.Reshape((1, 1, 5))(layers.Dense(5)(keras.ops.mean(x, axis=(1, 2)))),
        lambda x: layers.GlobalAveragePooling1D()(layers.Reshape((-1, 4))(x)),
        lambda x: layers.Concatenate()([layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)]),
    ],
    ids=[
        "average",
        "maximum",
        "classifier_of_convolutions",
        "flatten",
        "operations",
        "tokens",
        "two_poolings",
    ],
)
def test_ends_before_the_pooling(top):
    x = images()
    y = top(convolution("second")(convolution("first")(x)))
    if len(y.shape) == 4:  # one that gives a map again is taken whole: let it go on
        y = layers.Flatten()(y)
    assert found(x, y) == "second"


def test_a_gate_is_part_of_the_map():
    x = images()
    y = convolution("first")(x)
    gate = layers.Conv2D(4, 1, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(y))
    y = layers.Multiply(name="gated")([y, gate])
    assert found(x, layers.GlobalAveragePooling2D()(y)) == "gated"


def test_a_map_as_output_is_taken_even_if_it_was_pooled():
    x = images()
    y = layers.GlobalAveragePooling2D(keepdims=True, name="pooled")(convolution("first")(x))
    tensor, name = find_feature_map(keras.Model(x, y))
    assert name == "pooled"
    assert tensor is y


def test_a_layer_that_is_called_twice_and_a_model_in_the_model():
    shared = layers.ReLU(name="shared")
    inner = keras.Sequential([keras.Input((None, None, 3)), convolution("inside")], name="inner")
    x = images()
    y = shared(convolution("second", filters=6)(shared(inner(x))))
    model = keras.Model(x, layers.GlobalAveragePooling2D()(y))
    tensor, name = find_feature_map(model)
    assert (name, tensor.shape) == ("shared", (None, 8, 4, 6))
    tensor, _ = find_feature_map(model, "inner")
    assert tensor.shape == (None, 16, 8, 4)
    # The tensor is one of this graph, not of the inner model's own.
    assert keras.Model(x, tensor)(np.zeros((2, 32, 16, 3), "float32")).shape == (2, 16, 8, 4)


def test_a_named_layer_is_taken():
    x = images()
    y = convolution("second")(convolution("first")(x))
    assert found(x, y, "first") == "first"


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("secnd", r"`layer` must be a layer of the model 'net', such as 'second'.* Received: layer='secnd'"),
        ("scores", r"Received from the layer 'scores': \(None, 5\)"),
    ],
)
def test_a_wrong_layer_is_refused(layer, message):
    x = images()
    y = layers.GlobalAveragePooling2D()(convolution("second")(x))
    model = keras.Model(x, layers.Dense(5, name="scores")(y), name="net")
    with pytest.raises(ValueError, match=message):
        find_feature_map(model, layer)


def test_two_maps_are_refused_by_name():
    x = images()
    pooled = [layers.GlobalAveragePooling2D()(convolution(name)(x)) for name in ("left", "right")]
    with pytest.raises(ValueError, match=r"Received: '(left|right)', '(left|right)'\. Name the layer"):
        found(x, layers.Concatenate()(pooled))


def test_several_outputs_need_no_name_if_one_map_is_last():
    x = images()
    y = convolution("second")(convolution("first")(x))
    outputs = [layers.GlobalAveragePooling2D()(y), layers.GlobalMaxPooling2D()(y)]
    assert found(x, outputs) == "second"


def test_no_map_is_refused():
    x = images()
    with pytest.raises(ValueError, match=r"Received: none\. Name the layer"):
        found(x, layers.Dense(5)(layers.Flatten()(x)))


@pytest.mark.parametrize("classified", [False, True])
def test_tokens_are_refused_and_the_remedy_works(classified):
    x = images()
    patches = layers.Conv2D(6, 8, strides=8, name="patches")(x)
    tokens = layers.LayerNormalization(name="blocks")(layers.Reshape((-1, 6))(patches))
    model = keras.Model(x, layers.Dense(5)(tokens[:, 0]) if classified else tokens, name="vit")
    with pytest.raises(
        ValueError, match=r"its layer 'blocks' gives \(None, 8, 6\), as a transformer's tokens"
    ):
        find_feature_map(model)
    assert find_feature_map(model, "patches")[1] == "patches"
    remedy = keras.Model(model.input, layers.Reshape((1, 1, 6), name="map")(tokens[:, 0]))
    assert find_feature_map(remedy)[1] == "map"
