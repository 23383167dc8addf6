import keras
import numpy as np
import pytest

from keras_reid.backbones import RepVGG
from keras_reid.checkpoints import fill, model_targets, named
from tests.golden import relative_error
from tests.harness import HALF_POLICIES, randomize, reloaded, run_model_test


def images(height=64, width=32, batch=2):
    return np.random.default_rng(0).normal(size=(batch, height, width, 3)).astype("float32")


def count(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def convolution(x, kernel, stride):
    """A convolution with kernel `(out, in / groups, k, k)` and padding `k // 2`, of `(batch, h, w, in)`."""
    outputs, inputs, size, _ = kernel.shape
    margin = size // 2
    x = np.pad(x, ((0, 0), (margin, margin), (margin, margin), (0, 0)))
    patches = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(1, 2))[:, ::stride, ::stride]
    groups = x.shape[-1] // inputs
    split = patches.reshape(*patches.shape[:3], groups, inputs, size, size)
    y = np.einsum("bhwgikl,goikl->bhwgo", split, kernel.reshape(groups, -1, inputs, size, size))
    return y.reshape(*y.shape[:3], outputs)


def normalization(x, state, name):
    mean, variance = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    return (x - mean) / np.sqrt(variance + 1e-5) * state[f"{name}.weight"] + state[f"{name}.bias"]


def reference(x, state, strides):
    """What the network computes, read from a state dict in PyTorch's layout."""
    blocks = dict.fromkeys(name[: name.index(".rbr")] for name in state)
    for block in blocks:
        stride = strides.get(block, 1)
        y = 0
        for branch in ("rbr_dense", "rbr_1x1"):
            kernel = state[f"{block}.{branch}.conv.weight"]
            y = y + normalization(convolution(x, kernel, stride), state, f"{block}.{branch}.bn")
        if f"{block}.rbr_identity.weight" in state:
            y = y + normalization(x, state, f"{block}.rbr_identity")
        x = np.maximum(y, 0)
    return x


def random_state(model):
    generator = np.random.default_rng(0)
    state = {}
    for name, target in model_targets(model).items():
        (shape,) = target.shapes()
        if "fused_" in name:  # another name for what is there already
            continue
        state[name] = generator.uniform(0.3, 1.0, shape)
        if len(shape) > 1:
            state[name] = generator.normal(size=shape) / np.prod(shape[1:]) ** 0.5
    return state


@pytest.mark.parametrize(
    "arguments",
    [
        {"variant": "A0"},
        {"variant": "A2", "last_stride": 2, "fused": True, "input_shape": (64, 32, 3)},
    ],
    ids=["trained", "fused"],
)
def test_contract(arguments):
    rows = 4 // arguments.get("last_stride", 1)
    run_model_test(
        lambda: RepVGG(width=8, **arguments),
        images(),
        (2, rows, rows // 2, {"A0": 160, "A2": 176}[arguments["variant"]]),
        half_policies=HALF_POLICIES[:1] if "fused" in arguments else (),
    )


@pytest.mark.parametrize(
    ("variant", "parameters", "channels"),
    [
        ("A0", 7_827_968, 1280),
        pytest.param("A1", 12_811_264, 1280, marks=pytest.mark.slow),
        pytest.param("A2", 26_801_600, 1408, marks=pytest.mark.slow),
        pytest.param("B0", 14_536_960, 1280, marks=pytest.mark.slow),
        pytest.param("B1", 55_366_016, 2048, marks=pytest.mark.slow),
        pytest.param("B1g2", 43_733_376, 2048, marks=pytest.mark.slow),
        pytest.param("B1g4", 37_917_056, 2048, marks=pytest.mark.slow),
        pytest.param("B2", 86_461_376, 2560, marks=pytest.mark.slow),
        pytest.param("B3", 120_524_288, 2560, marks=pytest.mark.slow),
    ],
)
def test_parameters_and_output_of_the_original(variant, parameters, channels):
    model = RepVGG(variant, input_shape=(256, 128, 3))
    assert count(model) == parameters
    assert model.output_shape == (None, 16, 8, channels)


def test_names_are_those_of_checkpoints():
    names = model_targets(RepVGG("A0", width=8))
    norm = ("weight", "bias", "running_mean", "running_var")
    for block in ("stage0", "stage1.0", "stage1.1", "stage4.0"):
        wanted = {f"{block}.{branch}.conv.weight" for branch in ("rbr_dense", "rbr_1x1")}
        wanted |= {f"{block}.{branch}.bn.{part}" for branch in ("rbr_dense", "rbr_1x1") for part in norm}
        if block == "stage1.1":
            wanted |= {f"{block}.rbr_identity.{part}" for part in norm}
        assert {name for name in names if name.startswith(f"{block}.r")} == wanted
    fused = model_targets(RepVGG("A0", width=8, fused=True))
    assert {name for name in fused if name.startswith("stage3.13.")} == {
        f"stage3.13.{name}"
        for name in ("rbr_reparam.weight", "rbr_reparam.bias", "fused_weight", "fused_bias")
    }


@pytest.mark.parametrize(
    ("variant", "last_stride", "groups"),
    [("B1g2", 2, 2), pytest.param("B2g4", 1, 4, marks=pytest.mark.medium)],
)
def test_output_against_numpy_and_fused(variant, last_stride, groups):
    model = RepVGG(variant, last_stride, width=8)
    state = random_state(model)
    assert fill(model_targets(model), named(state), model.weights).complete
    in_groups = [
        layer.name
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D) and "dense" in layer.name and layer.groups == groups
    ]
    # Every second block, of which stage0 is number 0.
    assert in_groups[:3] == [f"{block}.rbr_dense.conv" for block in ("stage1.1", "stage1.3", "stage2.1")]
    assert len(in_groups) == 13
    x = images(33, 20)  # odd sizes tell paddings apart
    strides = {"stage0": 2, "stage1.0": 2, "stage2.0": 2, "stage3.0": 2, "stage4.0": last_stride}
    expected = np.asarray(model(x))
    assert relative_error(expected, reference(x.astype("float64"), state, strides)) < 1e-5

    fused = model.fuse()
    assert relative_error(fused(x), expected) < 1e-5
    assert relative_error(reloaded(fused)(x), expected) < 1e-5
    # One 3×3 convolution with bias a block.
    assert [v.shape[:2] for v in fused.weights[::2]] == [(3, 3)] * (len(fused.weights) // 2)
    assert [v.ndim for v in fused.weights[1::2]] == [1] * (len(fused.weights) // 2)
    assert len(fused.weights) == 2 * sum(layer.name.endswith(".nonlinearity") for layer in model.layers)


def test_fuse_keeps_all_but_the_form():
    model = RepVGG("A0", width=8, last_stride=2, input_shape=(64, 32, 3), name="net", dtype="mixed_bfloat16")
    model.trainable = False
    randomize(model)
    fused = model.fuse()
    assert fused.get_config() == {**model.get_config(), "fused": True}
    assert not model.fused

    copy = fused.fuse()
    assert copy is not fused
    assert copy.get_config() == fused.get_config()
    for a, b in zip(copy.weights, fused.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    copy.weights[0].assign(0 * copy.weights[0])
    assert np.any(np.asarray(fused.weights[0]))


def test_fused_weights_load_under_both_names():
    model = RepVGG("A0", width=8, fused=True)
    state = random_state(model)
    assert all(".rbr_reparam." in name for name in state)
    assert fill(model_targets(model), named(state), model.weights).complete
    expected = np.asarray(model(images()))
    other = RepVGG("A0", width=8, fused=True)
    renamed = {name.replace("rbr_reparam.", "fused_"): value for name, value in state.items()}
    assert fill(model_targets(other), named(renamed), other.weights).complete
    np.testing.assert_array_equal(other(images()), expected)
    # A report has the proper names.
    report = fill(model_targets(other), {}, other.weights)
    assert report.unfilled[0] == "stage0.rbr_reparam.weight"


def test_initial_weights():
    model = RepVGG("A0", width=64)
    dense = model.get_layer("stage4.0.rbr_dense.conv")
    limit = (9 * 192) ** -0.5
    assert np.abs(dense.kernel).max() == pytest.approx(limit, rel=0.01)
    assert np.std(dense.kernel) == pytest.approx(limit / 3**0.5, rel=0.01)
    assert not any(layer.use_bias for layer in model.layers if isinstance(layer, keras.layers.Conv2D))
    norm = model.get_layer("stage1.1.rbr_identity")
    assert (norm.epsilon, norm.momentum) == (1e-5, 0.9)


@pytest.mark.parametrize("fused", [False, True])
def test_one_step_moves_every_weight(fused):
    backbone = RepVGG("A0", width=8)
    randomize(backbone)
    backbone = backbone.fuse() if fused else backbone
    model = keras.Sequential([backbone, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)])
    before = [np.array(v) for v in backbone.trainable_variables]
    model.compile(keras.optimizers.SGD(0.1), loss="mse", run_eagerly=True)
    model.train_on_batch(images(64, 64, 4), np.ones((4, 2)))
    still = [
        v.path
        for v, b in zip(backbone.trainable_variables, before, strict=True)
        if np.array_equal(np.asarray(v), b)
    ]
    assert still == []


def test_fusing_a_partly_frozen_network():
    model = RepVGG(width=8)
    model.get_layer("stage0.rbr_dense.conv").trainable = False
    fused = model.fuse()  # the branch, and what was frozen with it, is gone
    assert all(layer.trainable for layer in fused.layers)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"variant": "A3"}, r"`variant` of RepVGG must be one of 'A0', .*'B3g4'\. Received: variant='A3'"),
        ({"variant": "A0g2"}, "Received: variant='A0g2'"),
        ({"last_stride": 4}, r"`last_stride` of RepVGG must be one of 1, 2\. Received: last_stride=4"),
        ({"width": 12}, r"`width` of RepVGG must be a positive multiple of 8\. Received: width=12"),
        ({"width": 0}, r"Received: width=0"),
        ({"input_shape": (64, 32)}, r"`input_shape` of RepVGG must be \(height, width, channels\)"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        RepVGG(**arguments)
