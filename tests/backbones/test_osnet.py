import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_reid.backbones import OSNet, base
from keras_reid.layers import ChannelGate
from tests.harness import randomize, run_model_test


def images(height=64, width=32, batch=2):
    return np.random.default_rng(0).normal(size=(batch, height, width, 3)).astype("float32")


@pytest.fixture(scope="module")
def model():
    """The narrowest, untrained."""
    return OSNet(0.25, ibn=True)


@pytest.fixture(scope="module")
def plain():
    """Without instance normalisation, as it was initialised."""
    return OSNet(0.25)


@pytest.mark.slow
def test_contract():
    run_model_test(lambda: OSNet(0.25, ibn=True), images(), (2, 4, 2, 128))


@pytest.mark.parametrize(
    ("arguments", "channels", "expected"),
    [
        pytest.param({"width": 1.0}, 512, 1_905_828, marks=pytest.mark.medium),
        pytest.param({"width": 1.0, "ibn": True}, 512, 1_906_852, marks=pytest.mark.slow),
        pytest.param({"width": 0.75}, 384, 1_087_610, marks=pytest.mark.slow),
        pytest.param({"width": 0.5}, 256, 497_426, marks=pytest.mark.slow),
        pytest.param({"width": 0.25}, 128, 134_792, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_parameters_as_in_the_original(arguments, channels, expected):
    model = OSNet(**arguments)
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == expected
    assert model.output.shape == (None, None, None, channels)


@pytest.mark.parametrize(("size", "expected"), [((256, 128), (16, 8)), ((75, 51), (4, 3))])
def test_output_size(model, size, expected):
    assert model.compute_output_shape((1, *size, 3)) == (1, *expected, 128)


def test_instance_normalisation_is_in_the_stem_and_ends_the_blocks_of_the_first_stage(model):
    found = [x.name for x in model.layers if isinstance(x, keras.layers.GroupNormalization)]
    assert found == ["conv1.bn", "conv2.0.IN", "conv2.1.IN"]
    order = [x.name for x in model.layers]
    assert order.index("conv2.1.add") < order.index("conv2.1.IN") < order.index("conv2.1.relu")

    x = images(6, 5).repeat(22, axis=-1)[..., :64]
    norm = model.get_layer("conv2.0.IN")
    gamma, beta = np.linspace(0.5, 1.5, 64), np.linspace(-1, 1, 64)
    norm.gamma.assign(gamma)
    norm.beta.assign(beta)
    expected = (x - x.mean((1, 2), keepdims=True)) / np.sqrt(x.var((1, 2), keepdims=True) + 1e-5)
    np.testing.assert_allclose(norm(x), gamma * expected + beta, rtol=1e-4, atol=1e-5)


def test_no_instance_normalisation_by_default(plain):
    assert not any(isinstance(x, keras.layers.GroupNormalization) for x in plain.layers)
    assert isinstance(plain.get_layer("conv1.bn"), keras.layers.BatchNormalization)


def test_one_gate_for_the_four_streams_of_a_block(model):
    gates = [x for x in model.layers if isinstance(x, ChannelGate)]
    assert [gate.name for gate in gates] == [f"conv{s}.{i}.gate" for s in (2, 3, 4) for i in range(2)]
    assert all(len(gate._inbound_nodes) == 4 for gate in gates)


@pytest.mark.parametrize(("stream", "sees"), [("a", 3), ("b.1", 5), ("c.2", 7), ("d.3", 9)])
def test_what_a_stream_sees(model, stream, sees):
    end = model.get_layer(f"conv3.0.conv2{stream}.conv2").output
    network = keras.Model(model.get_layer("conv3.0.conv1.relu").output, end)
    for layer in network.layers:
        if "conv" in type(layer).__name__.lower():
            layer.kernel.assign(np.ones(layer.kernel.shape))
        elif isinstance(layer, keras.layers.BatchNormalization):  # other tests share the model, and change it
            for variable, value in zip(layer.weights, (1.0, 0.0, 0.0, 1.0), strict=True):
                variable.assign(np.full(variable.shape, value))
    x = np.zeros((1, 11, 11, 24), "float32")
    x[0, 5, 5] = 1
    rows = np.flatnonzero(np.asarray(network(x)).any((0, 2, 3)))
    assert (rows[0], rows[-1]) == (5 - sees // 2, 5 + sees // 2)


def test_strided_layers_are_padded_on_all_sides(model):
    kernel = np.random.default_rng(0).normal(size=model.get_layer("conv1.conv").kernel.shape)
    model.get_layer("conv1.conv").kernel.assign(kernel + kernel[:, ::-1])
    stem = keras.Model(model.input, model.get_layer("maxpool").output)
    x = images(33, 33)
    assert stem(x).shape == (2, 9, 9, 16)
    np.testing.assert_allclose(stem(x[:, :, ::-1])[:, :, ::-1], stem(x), rtol=1e-4, atol=1e-4)


def test_initial_weights(plain):
    model = plain
    depthwise = [np.asarray(model.get_layer(f"conv4.1.conv2d.{i}.conv2").kernel) for i in range(4)]
    assert np.std(depthwise) == pytest.approx((2 / (9 * 32)) ** 0.5, rel=0.1)
    kernel = np.asarray(model.get_layer("conv5.conv").kernel)
    assert kernel.std() == pytest.approx((2 / 128) ** 0.5, rel=0.05)
    norm = model.get_layer("conv1.bn")
    assert (norm.epsilon, norm.momentum) == (1e-5, 0.9)


def test_a_gradient_reaches_every_weight(model):
    randomize(model)
    for layer in model.layers:
        if isinstance(layer, ChannelGate):  # whose few ReLUs may all be closed
            layer.squeeze.kernel.assign(np.abs(layer.squeeze.kernel))
    weights = model.trainable_variables
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(model(images(), training=True) ** 2)
    still = [
        v.path
        for v, gradient in zip(weights, tape.gradient(value, weights), strict=True)
        if not np.any(np.asarray(gradient))
    ]
    assert still == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"width": 0.25}, "osnet_x0_25"),
        pytest.param({"ibn": True}, "osnet_ibn_x1_0", marks=pytest.mark.slow),
    ],
)
def test_name_of_the_published_weights(arguments, expected, monkeypatch):
    asked = []
    monkeypatch.setattr(base, "load_pretrained", lambda *received: asked.append(received[1:]))
    OSNet(pretrained="imagenet", **arguments)
    assert asked == [("imagenet", expected)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"width": 0.3},
            r"`width` of OSNet must be one of 0\.25, 0\.5, 0\.75, 1\.0\. Received: width=0\.3",
        ),
        ({"input_shape": (64, 32)}, r"`input_shape` of OSNet must be \(height, width, channels\)"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        OSNet(**arguments)
