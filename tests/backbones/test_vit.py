import math

import keras
import numpy as np
import pytest

from keras_reid.backbones import ViT
from keras_reid.checkpoints import fill, model_targets, named
from tests.golden import relative_error
from tests.harness import HALF_POLICIES, rebuilt, reloaded, run_model_test, shapes


def images(height=48, width=32, batch=2):
    return np.random.default_rng(0).normal(size=(batch, height, width, 3)).astype("float32")


def narrow(depth="base", input_shape=(48, 32, 3), **arguments):
    return ViT(depth, width={"base": 128, "small": 96}[depth], input_shape=input_shape, **arguments)


def count(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def random_state(model):
    generator = np.random.default_rng(0)
    state = {}
    for name, target in model_targets(model).items():
        shape = target.shapes()[0]
        state[name] = generator.normal(scale=0.5, size=shape)
        if len(shape) in (2, 4):
            state[name] = generator.normal(size=shape) * (2 / np.prod(shape[1:])) ** 0.5
    return state


def normalization(x, state, name):
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)
    return x * state[f"{name}.weight"] + state[f"{name}.bias"]


def dense(x, state, name):
    return x @ state[f"{name}.weight"].T + state.get(f"{name}.bias", 0)


def reference(pixels, state, stride, heads, scale, offset=0):
    """What the network computes, read from a state dict in PyTorch's layout."""
    kernel, bias = state["patch_embed.proj.weight"], state["patch_embed.proj.bias"]
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (16, 16), axis=(1, 2))
    windows = windows[:, :: stride[0], :: stride[1]]
    patches = np.einsum("bhwcij,ocij->bhwo", windows, kernel) + bias
    batch, dim = len(patches), len(bias)
    token = np.broadcast_to(state["cls_token"], (batch, 1, dim))
    x = np.concatenate([token, patches.reshape(batch, -1, dim)], axis=1) + state["pos_embed"] + offset
    blocks = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("blocks."))
    for block in (f"blocks.{index}" for index in range(blocks)):
        qkv = dense(normalization(x, state, f"{block}.norm1"), state, f"{block}.attn.qkv")
        q, k, v = np.moveaxis(qkv.reshape(batch, -1, 3, heads, dim // heads), 2, 0)
        weights = np.exp(scale * np.einsum("bihd,bjhd->bhij", q, k))
        weights /= weights.sum(-1, keepdims=True)
        attended = np.einsum("bhij,bjhd->bihd", weights, v).reshape(x.shape)
        x = x + dense(attended, state, f"{block}.attn.proj")
        hidden = dense(normalization(x, state, f"{block}.norm2"), state, f"{block}.mlp.fc1")
        hidden = hidden * 0.5 * (1 + np.vectorize(math.erf)(hidden / 2**0.5))
        x = x + dense(hidden, state, f"{block}.mlp.fc2")
    return normalization(x, state, "norm")[:, 0].reshape(batch, 1, 1, dim)


def test_contract():
    model = run_model_test(lambda: narrow("small"), images(), (2, 1, 1, 96), half_policies=HALF_POLICIES[:1])
    assert {layer.epsilon for layer in model.layers if hasattr(layer, "epsilon")} == {1e-6}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("depth", "stride", "parameters"),
    [
        ("base", (16, 16), 85_746_432),
        ("base", (12, 12), 85_809_408),
        ("small", (16, 16), 47_933_184),
    ],
)
def test_parameters_and_output_of_the_original(depth, stride, parameters):
    model = ViT(depth, stride)
    assert count(model) == parameters
    assert model.input_shape == (None, 256, 128, 3)
    assert model.output_shape == (None, 1, 1, 768)


@pytest.mark.parametrize(
    ("depth", "stride", "grid", "heads", "scale"),
    [
        ("base", (12, 16), (3, 2), 2, 64**-0.5),
        ("small", (16, 16), (3, 2), 1, 96**-0.5),
        ("small", (8, 10), (5, 2), 1, 96**-0.5),
    ],
)
def test_output_against_numpy(depth, stride, grid, heads, scale):
    model = narrow(depth, stride=stride)
    assert model.grid == grid
    state = random_state(model)
    assert fill(model_targets(model), named(state), model.weights).complete
    x = images()
    expected = reference(x.astype("float64"), state, stride, heads, scale)
    assert relative_error(model(x), expected) < 1e-5


def test_names_are_those_of_checkpoints():
    names = set(model_targets(narrow(num_cameras=4)))
    pairs = {"patch_embed.proj", "norm"}
    for index in range(12):
        pairs |= {f"blocks.{index}.{part}" for part in ("norm1", "attn.qkv", "attn.proj", "norm2")}
        pairs |= {f"blocks.{index}.mlp.{part}" for part in ("fc1", "fc2")}
    wanted = {f"{name}.{part}" for name in pairs for part in ("weight", "bias")}
    assert names == wanted | {"cls_token", "pos_embed", "sie_embed"}
    assert "blocks.0.attn.qkv.bias" not in model_targets(narrow("small"))
    assert "sie_embed" not in model_targets(narrow())


def test_convolutional_stem():
    # Its numbers are compared with PersonViT's in tests/weights/test_transreid.py.
    model = narrow("small", convolutional_stem=True, stride=(12, 8))
    assert model.grid == narrow("small", stride=(12, 8)).grid == (3, 3)
    assert shapes(model(images())) == (2, 1, 1, 96)
    found = {name: target.shapes()[0] for name, target in model_targets(model).items()}
    stem = {name: shape for name, shape in found.items() if name.startswith("patch_embed.conv.")}
    assert {name: shape for name, shape in stem.items() if len(shape) == 4} == {
        "patch_embed.conv.0.weight": (64, 3, 7, 7),
        "patch_embed.conv.3.weight": (64, 64, 3, 3),
        "patch_embed.conv.6.weight": (64, 64, 3, 3),
    }
    assert {name.rsplit(".", 1)[0] for name, shape in stem.items() if len(shape) == 1} == {
        *(f"patch_embed.conv.{index}.{half}" for index in (1, 4) for half in ("IN", "BN")),
        "patch_embed.conv.7",
    }
    assert found["patch_embed.proj.weight"] == (96, 64, 8, 8)
    assert rebuilt(model).convolutional_stem


def test_a_config_from_before_the_convolutional_stem():
    config = narrow("small").get_config()
    assert config.pop("convolutional_stem") is False
    assert not ViT.from_config(config).convolutional_stem


def test_initial_weights():
    model = narrow()
    kernel = np.asarray(model.get_layer("patch_embed").projection.kernel)
    assert kernel.std() == pytest.approx((2 / (256 * 128)) ** 0.5, rel=0.02)
    for name, target in model_targets(model).items():
        value = np.asarray(target.variable)
        if name.endswith(("cls_token", "pos_embed")) or (value.ndim == 2 and "." in name):
            assert value.std() == pytest.approx(0.02, rel=0.15), name


def test_cameras():
    model = narrow("small", num_cameras=5, camera_scale=2.0)
    state = random_state(model)
    assert fill(model_targets(model), named(state), model.weights).complete
    x = images(batch=5)
    cameras = np.array([4, 0, -1, 5, 0], "int32")
    offset = state["sie_embed"][cameras.clip(0, 4)]
    offset[2:4] = state["sie_embed"].mean(axis=0)  # a camera that is not one of the five
    expected = reference(x.astype("float64"), state, (16, 16), 1, 96**-0.5, offset=2.0 * offset)
    inputs = {"images": x, "cameras": cameras}
    assert relative_error(model(inputs), expected) < 1e-5

    symbolic = model({"images": keras.Input((48, 32, 3)), "cameras": keras.Input((), dtype="int64")})
    assert shapes(symbolic) == (None, 1, 1, 96)
    other = reloaded(model)
    assert other.get_config() == model.get_config()
    np.testing.assert_allclose(other(inputs), model(inputs), rtol=1e-5, atol=1e-5)
    assert rebuilt(model).num_cameras == 5


def test_rates_act_in_training_only():
    model = narrow("small", drop_path=0.14, dropout=0.2, attention_dropout=0.3)
    blocks = [model.get_layer(f"blocks.{index}") for index in range(8)]
    # Stochastic depth rises linearly.
    np.testing.assert_allclose([block.drop_path for block in blocks], 0.02 * np.arange(8), atol=1e-12)
    assert {block.dropout for block in blocks} | {model.get_layer("pos_drop").rate} == {0.2}
    assert {block.attention_dropout for block in blocks} == {0.3}
    x = images()
    first, second = (np.asarray(model(x, training=True)) for _ in range(2))
    assert np.abs(first - second).max() > 1e-3
    np.testing.assert_array_equal(model(x), model(x))


def test_one_step_moves_every_weight():
    backbone = narrow("small", num_cameras=3, drop_path=0.0)
    x = {"images": images(batch=4), "cameras": np.array([0, 1, 2, 0], "int32")}
    outputs = keras.layers.Dense(2)(keras.layers.Flatten()(backbone.output))
    model = keras.Model(backbone.input, outputs)
    before = [np.array(v) for v in backbone.trainable_variables]
    model.compile(keras.optimizers.SGD(1.0), loss="mse", run_eagerly=True)
    model.train_on_batch(x, np.ones((4, 2)))
    still = [
        v.path
        for v, b in zip(backbone.trainable_variables, before, strict=True)
        if np.array_equal(np.asarray(v), b)
    ]
    assert still == []


def test_published_weights_are_adapted():
    model = narrow("small", stride=(12, 12))
    state = random_state(model)
    positions = np.random.default_rng(1).normal(size=(1, 5, 96))  # of an image of 2 × 2 patches
    published = {**state, "pos_embed": positions, "head.weight": np.zeros((3, 96))}
    adapted = model.adapt_checkpoint(published)
    assert adapted["pos_embed"].shape == (1, 7, 96)
    assert fill(model_targets(model), named(adapted), model.weights).complete
    np.testing.assert_allclose(
        model.get_layer("patch_embed").positions[:, 0], positions[:, 0], rtol=1e-6, atol=1e-7
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": "large"}, r"`depth` of ViT must be one of 'base', 'small'\. Received: depth='large'"),
        (
            {"width": 96},
            r"`width` of ViT at depth 'base' must be a positive multiple of 64\. Received: width=96",
        ),
        ({"depth": "small", "width": 64}, "at depth 'small' must be a positive multiple of 96"),
        ({"stride": 16}, r"`stride` of ViT must be two positive integers.* Received: stride=16"),
        ({"stride": (16, 0)}, r"`stride` of ViT must be .* Received: stride=\(16, 0\)"),
        (
            {"stride": (16, 11), "convolutional_stem": True},
            r"`stride` of ViT must be even with a convolutional stem.* Received: stride=\(16, 11\)",
        ),
        ({"drop_path": 1.0}, r"`drop_path` of ViT must be in \[0, 1\)\. Received: drop_path=1\.0"),
        ({"dropout": -0.1}, r"`dropout` of ViT must be in"),
        ({"attention_dropout": 2}, r"`attention_dropout` of ViT must be in"),
        ({"num_cameras": -1}, r"`num_cameras` of ViT must be an integer of at least 0\. Received: .*-1"),
        ({"input_shape": (None, None, 3)}, r"`input_shape` of ViT must give height and width in pixels"),
        ({"input_shape": (256, 128)}, r"`input_shape` of ViT must be \(height, width, channels\)"),
        ({"input_shape": (256, 8, 3)}, r"needs images of at least one patch.*Received: .*256, 8, 3"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ViT(**arguments)
