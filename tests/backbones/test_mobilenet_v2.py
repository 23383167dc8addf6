import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_reid.backbones import MobileNetV2, base
from keras_reid.checkpoints import fill, model_targets, named
from tests.harness import randomize, run_model_test


def images(height=64, width=32, batch=2):
    return np.random.default_rng(0).normal(size=(batch, height, width, 3)).astype("float32")


@pytest.fixture(scope="module")
def model():
    """The narrowest, untrained."""
    return MobileNetV2(0.1)


@pytest.mark.slow
def test_contract():
    run_model_test(lambda: MobileNetV2(0.1), images(), (2, 2, 1, 1280))


@pytest.mark.parametrize(
    ("width", "stem", "expected"),
    [
        (1.0, 32, 2_223_872),
        pytest.param(0.75, 24, 1_355_424, marks=pytest.mark.slow),
        pytest.param(0.5, 16, 687_680, marks=pytest.mark.slow),
        (0.35, 16, 396_128),
        pytest.param(0.25, 8, 238_112, marks=pytest.mark.slow),
        (0.1, 4, 75_696),
    ],
)
def test_parameters_as_in_the_original(width, stem, expected):
    model = MobileNetV2(width)
    assert model.get_layer("features.0.0").filters == stem
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == expected
    assert model.output.shape == (None, None, None, 1280)


@pytest.mark.parametrize(("size", "expected"), [((256, 128), (8, 4)), ((75, 51), (3, 2))])
def test_output_size(model, size, expected):
    assert model.compute_output_shape((1, *size, 3)) == (1, *expected, 1280)


def test_sums_where_the_shape_stays(model):
    sums = [x.name for x in model.layers if isinstance(x, keras.layers.Add)]
    # The first only where a width's stem has no more channels than the first block: 4 here.
    numbers = (1, 3, 5, 6, 8, 9, 10, 12, 13, 15, 16)
    assert sums == [f"features.{number}.add" for number in numbers]


def test_non_linearities_end_at_six_and_blocks_have_none_at_the_end(model):
    relus = [x for x in model.layers if isinstance(x, keras.layers.ReLU)]
    # Two a block, one in the first, and those of the first and the last convolution.
    assert len(relus) == 2 * 16 + 1 + 2
    np.testing.assert_array_equal(relus[0](np.array([-1.0, 5.0, 7.0])), [0, 5, 6])
    assert {relu.max_value for relu in relus} == {6.0}
    last = model.get_layer("features.16.add").output
    assert last is model.get_layer("features.17.conv.0").input


def test_strided_convolutions_are_padded_on_all_sides(model):
    start = keras.Model(model.input, model.get_layer("features.2.conv.7").output)
    randomize(start)
    for layer in start.layers:
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)):
            kernel = np.asarray(layer.kernel)
            layer.kernel.assign(kernel + kernel[:, ::-1])
    x = images(33, 33)
    assert start(x).shape == (2, 9, 9, 4)
    np.testing.assert_allclose(start(x[:, :, ::-1])[:, :, ::-1], start(x), rtol=1e-4, atol=1e-4)


def test_initial_weights():
    model = MobileNetV2(0.35)
    depthwise = np.asarray(model.get_layer("features.17.conv.3").kernel)
    assert depthwise.std() == pytest.approx((2 / depthwise.size) ** 0.5, rel=0.05)
    last = np.asarray(model.get_layer("conv.0").kernel)
    assert last.std() == pytest.approx((2 / 1280) ** 0.5, rel=0.02)
    norm = model.get_layer("conv.1")
    assert (norm.epsilon, norm.momentum) == (1e-5, 0.9)
    assert not any(x.use_bias for x in model.layers if isinstance(x, keras.layers.Conv2D))


def test_a_gradient_reaches_every_weight():
    model = MobileNetV2(0.1)
    weights = model.trainable_variables
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(model(images(128, 64), training=True) ** 2)
    still = [
        v.path
        for v, gradient in zip(weights, tape.gradient(value, weights), strict=True)
        if not np.any(np.asarray(gradient))
    ]
    assert still == []


def test_weights_under_torchvisions_names(model):
    values = {
        name: np.full(target.shapes()[0], i, "float32")
        for i, (name, target) in enumerate(model_targets(model).items())
    }
    assert model.adapt_checkpoint(values) is values

    def theirs(name):
        """The other way round than `mobilenet_v2_name`, for the second block and the last convolution."""
        first, *rest = name.split(".")
        if first == "conv":
            return ".".join(["features.18", *rest])
        steps = {"0": "0.0", "1": "0.1", "3": "1.0", "4": "1.1", "6": "2", "7": "3"}
        return ".".join(["features.2.conv", steps[rest[2]], *rest[3:]])

    own = [name for name in values if name.startswith(("conv.", "features.2.conv."))]
    state = named(model.adapt_checkpoint({theirs(name): values[name] for name in own}))
    report = fill(model_targets(model), state, model.weights)
    assert sorted(report.used) == sorted(own)
    np.testing.assert_array_equal(model.get_layer("conv.1").gamma, values["conv.1.weight"])


@pytest.mark.parametrize(
    ("width", "expected"),
    [(1.0, "mobilenet_v2"), pytest.param(0.5, "mobilenet_v2 of width 0.5", marks=pytest.mark.slow)],
)
def test_name_of_the_published_weights(width, expected, monkeypatch):
    asked = []
    monkeypatch.setattr(base, "load_pretrained", lambda *received: asked.append(received[1:]))
    MobileNetV2(width, pretrained="imagenet")
    assert asked == [("imagenet", expected)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 1.4}, r"`width` of MobileNetV2 must be one of 0\.1, 0\.25, .*Received: width=1\.4"),
        ({"input_shape": (64, 32)}, r"`input_shape` of MobileNetV2 must be \(height, width, channels\)"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        MobileNetV2(**arguments)
