import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_reid.layers import Conv2D
from keras_reid.utils import convolution_tensorflow
from keras_reid.utils.convolution import SWITCH, convolution_for_training
from keras_reid.utils.convolution_tensorflow import (
    Case,
    typical_map,
    ways_to_input,
    ways_to_kernel,
    winograd_map,
)
from keras_reid.utils.errors import UserError

TOLERANCE = 1e-5
CASES = [
    Case(3, 3, 32, 48, 1, "SAME"),
    Case(5, 3, 32, 48, 1, "SAME"),
    Case(3, 3, 32, 48, 1, "VALID"),
    Case(2, 4, 32, 48, 1, "VALID"),
    Case(1, 1, 32, 48, 1, "VALID"),
    Case(1, 1, 32, 48, 2, "VALID"),
    Case(1, 1, 32, 48, 3, "VALID"),
    Case(3, 3, 32, 48, 2, "VALID"),
]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(SWITCH, raising=False)

    remembering = (
        convolution_tensorflow.fastest,
        convolution_tensorflow.winograd_is_faster,
        convolution_tensorflow._choices,
    )
    for function in remembering:
        function.cache_clear()
    yield tmp_path / "keras_reid"
    for function in remembering:
        function.cache_clear()


def choose(monkeypatch, to_input="own", to_kernel="own", winograd=False):
    monkeypatch.setattr(convolution_tensorflow, "fastest", lambda *arguments: (to_input, to_kernel))
    monkeypatch.setattr(convolution_tensorflow, "winograd_is_faster", lambda *arguments: winograd)


def tensors(case, dtype="float32"):
    generator = np.random.default_rng(0)
    x = tf.constant(generator.normal(size=(2, 11, 8, case.channels)), dtype)
    kernel = tf.constant(generator.normal(scale=0.1, size=case.kernel), dtype)
    return x, kernel


def relative_error(found, expected):
    found, expected = (np.asarray(tf.cast(value, tf.float64)) for value in (found, expected))
    assert found.shape == expected.shape
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize("known", [True, False], ids=["known size", "unknown size"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_way_gives_the_gradients_of_tensorflow(case, known):
    x, kernel = tensors(case)
    dy = tf.constant(
        np.random.default_rng(1).normal(size=tf.nn.conv2d(x, kernel, case.stride, case.padding).shape),
        tf.float32,
    )
    unknown = lambda channels: tf.TensorSpec((None, None, None, channels))  # noqa: E731
    to_input = (
        None if known else (unknown(case.filters), tf.TensorSpec(case.kernel), tf.TensorSpec((4,), tf.int32))
    )
    to_kernel = None if known else (unknown(case.channels), unknown(case.filters))
    for ways, signature, arguments in (
        (ways_to_input(case), to_input, (dy, kernel, tf.shape(x))),
        (ways_to_kernel(case), to_kernel, (x, dy)),
    ):
        expected = next(iter(ways.values()))(case, *arguments)
        for name, way in ways.items():
            compiled = tf.function(lambda *given, way=way: way(case, *given), input_signature=signature)
            assert relative_error(compiled(*arguments), expected) < TOLERANCE, name


def test_there_is_a_choice():
    """Which tests above rely on."""
    assert list(ways_to_input(CASES[0])) == ["own", "rotated"]
    assert list(ways_to_input(CASES[4])) == ["own", "rotated", "product"]
    assert list(ways_to_input(CASES[5])) == ["own", "product"]
    assert list(ways_to_kernel(CASES[4])) == ["own", "product"]


def gradients(layer, x, **options):
    @tf.function(**options)
    def calculate(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
            value = tf.reduce_sum(tf.cast(y, tf.float32) ** 2)
        return y, *tape.gradient(value, [x, *layer.trainable_variables])

    return calculate(x)


def made(kind, policy="float32", filters=48, channels=32, **arguments):
    layer = kind(
        filters,
        padding="same",
        dtype=policy,
        kernel_initializer=keras.initializers.RandomNormal(0.1, seed=1),
        # In half precision, the sum over all positions is rounded differently in any other order.
        use_bias=policy == "float32",
        **arguments,
    )
    layer.build((None, None, None, channels))
    return layer


@pytest.mark.parametrize("options", [{}, {"jit_compile": True}], ids=["graph", "XLA"])
@pytest.mark.parametrize(
    ("size", "policy", "chosen", "tolerance"),
    [
        (3, "float32", ("rotated", "own"), TOLERANCE),
        (1, "float32", ("product", "product"), TOLERANCE),
        # Within one step of bfloat16, 2⁻⁸.
        (1, "mixed_bfloat16", ("rotated", "product"), 2**-8),
    ],
)
def test_a_layer_trains_with_the_chosen_ways_as_with_those_of_tensorflow(
    size, policy, chosen, tolerance, options, monkeypatch
):
    choose(monkeypatch, *chosen)
    x, _ = tensors(CASES[4])
    found = gradients(made(Conv2D, policy, kernel_size=size), x, **options)
    plain = made(keras.layers.Conv2D, policy, kernel_size=size)
    expected = gradients(Plain(plain), x)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        assert relative_error(one, other) < tolerance


class Plain:
    """Keras' own layer, which knows no `training`."""

    def __init__(self, layer):
        self.layer, self.trainable_variables = layer, layer.trainable_variables

    def __call__(self, x, training):
        return self.layer(x)


def operations(layer, training, x=None):
    x = tensors(CASES[0])[0] if x is None else x
    graph = tf.function(lambda x: layer(x, training=training)).get_concrete_function(x).graph
    return {operation.type for operation in graph.get_operations()}


def test_inference_has_the_operations_of_keras(monkeypatch):
    choose(monkeypatch, "rotated")
    layer, plain = made(Conv2D, kernel_size=3), made(keras.layers.Conv2D, kernel_size=3)
    assert "IdentityN" in operations(layer, True)
    assert operations(layer, False) == operations(Plain(plain), False)


def test_what_is_measured_is_remembered(cache, monkeypatch):
    x, kernel = tensors(CASES[4])
    function = tf.function(lambda x: convolution_for_training(x, kernel, padding="same"))
    function(x)
    (file,) = cache.glob("convolutions-*.json")
    found = json.loads(file.read_text())
    questions = [f"float32 1x1 32-48 stride 1 valid on 16x8 towards {what}" for what in ("input", "kernel")]
    assert list(found["fastest"]) == questions
    assert found["machine"]["tensorflow"] == tf.__version__
    for way in ("product", "rotated"):
        convolution_tensorflow.fastest.cache_clear()
        convolution_tensorflow._choices.cache_clear()
        file.write_text(json.dumps({**found, "fastest": {questions[0]: way, questions[1]: "own"}}))
        case = convolution_tensorflow.case_of(x, kernel, (1, 1), "same", (1, 1))
        assert convolution_tensorflow.fastest(case, 16, 8, tf.float32) == (way, "own")


WINOGRAD = Case(3, 3, 64, 64, 1, "SAME")


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_a_layer_trains_by_winograd_in_float32_alone(policy, monkeypatch):
    choose(monkeypatch, winograd=True)
    x, _ = tensors(WINOGRAD)
    arguments = {"kernel_size": 3, "filters": WINOGRAD.filters, "channels": WINOGRAD.channels}
    layer, plain = made(Conv2D, policy, **arguments), made(keras.layers.Conv2D, policy, **arguments)
    assert ("BatchMatMulV2" in operations(layer, True, x)) is (policy == "float32")
    assert operations(layer, False, x) == operations(Plain(plain), False, x)
    for one, other in zip(gradients(layer, x), gradients(Plain(plain), x), strict=True):
        assert one.dtype == other.dtype
        assert relative_error(one, other) < TOLERANCE


@pytest.mark.parametrize(
    ("case", "shape", "dtype"),
    [
        (WINOGRAD._replace(stride=2), (2, 8, 4, 64), "float32"),
        (WINOGRAD._replace(padding="VALID"), (2, 8, 4, 64), "float32"),
        (WINOGRAD._replace(width=5), (2, 8, 4, 64), "float32"),
        (WINOGRAD._replace(filters=32), (2, 8, 4, 64), "float32"),
        (WINOGRAD, (2, 8, None, 64), "float32"),
        (WINOGRAD, (2, 8, 4, 64), "bfloat16"),
    ],
)
def test_winograd_is_for_some_convolutions(case, shape, dtype):
    suits = convolution_tensorflow.suits_winograd
    assert suits(WINOGRAD, tf.TensorSpec((None, 8, 4, 64)))
    assert not suits(case, tf.TensorSpec(shape, dtype))


@pytest.mark.parametrize(
    ("batch", "images"), [(None, 32), (0, 4), (1, 4), (12, 16), (32, 32), (100, 32)], ids=str
)
def test_batches_of_about_the_same_size_share_a_measurement(batch, images):
    assert winograd_map((batch, 7, 5, 64)) == (images, 7, 5)


def test_answers_of_an_older_version_stay(cache):
    """Its files have no answer about Winograd's convolution, which alone is measured."""
    case, (x, kernel) = WINOGRAD, tensors(WINOGRAD)
    fastest, winograd_is_faster = convolution_tensorflow.fastest, convolution_tensorflow.winograd_is_faster
    fastest(case, 16, 8, tf.float32)
    (file,) = cache.glob("convolutions-*.json")
    old = json.loads(file.read_text())
    (question,) = old["fastest"]
    old["fastest"][question] = "rotated"
    file.write_text(json.dumps(old))
    for function in (fastest, convolution_tensorflow._choices):
        function.cache_clear()
    convolution_for_training(x, kernel, padding="same")
    added = "float32 3x3 64-64 stride 1 same on 4 of 11x8 forward and backward"
    answers = json.loads(file.read_text())["fastest"]
    assert list(answers) == [question, added]
    assert answers[question] == "rotated"
    for answer in ("winograd", "direct"):
        winograd_is_faster.cache_clear()
        convolution_tensorflow._choices.cache_clear()
        file.write_text(json.dumps({**old, "fastest": {**answers, added: answer}}))
        assert winograd_is_faster(case, ("rotated", "own"), 4, 11, 8) is (answer == "winograd")


def test_it_can_be_switched_off(monkeypatch):
    choose(monkeypatch, "rotated")
    layer = made(Conv2D, kernel_size=3)
    assert "IdentityN" in operations(layer, True)
    monkeypatch.setenv(SWITCH, "plain")
    assert "IdentityN" not in operations(layer, True)
    monkeypatch.setenv(SWITCH, "fast")
    with pytest.raises(UserError, match=r"KERAS_REID_CONVOLUTIONS must be plain .* Received: 'fast'"):
        layer(tensors(CASES[0])[0], training=True)


@pytest.mark.parametrize(
    ("channels", "filters", "options", "dtype"),
    [
        (3, 64, {}, "float32"),
        (64, 8, {}, "float32"),
        (64, 64, {"dilation_rate": (2, 2)}, "float32"),
        (64, 64, {"strides": (2, 1)}, "float32"),
        (64, 64, {"strides": (2, 2), "padding": "same"}, "float32"),
        (64, 64, {}, "float16"),
        (64, 64, {}, "float64"),
    ],
)
def test_elsewhere_tensorflow_is_not_asked(channels, filters, options, dtype):
    arguments = {"strides": (1, 1), "padding": "valid", "dilation_rate": (1, 1)} | options
    x, kernel = tf.ones((1, 6, 6, channels), dtype), tf.ones((3, 3, channels, filters), dtype)
    assert convolution_tensorflow.case_of(x, kernel, **arguments) is None


def test_on_a_gpu_everything_stays(monkeypatch):
    x, kernel = tensors(CASES[0])
    assert convolution_tensorflow.case_of(x, kernel, (1, 1), "same", (1, 1)) == CASES[0]
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: ["a GPU"] if kind == "GPU" else [])
    assert convolution_tensorflow.case_of(x, kernel, (1, 1), "same", (1, 1)) is None


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((64, 32), (64, 32)),
        ((32, 32), (32, 16)),
        ((24, 8), (16, 8)),
        ((None, None), (32, 16)),
        ((1, 1), (8, 4)),
        ((999, 999), (128, 64)),
    ],
)
def test_maps_of_about_the_same_size_share_a_measurement(size, expected):
    assert typical_map((None, *size, 64)) == expected
