import pathlib

import keras
import numpy as np
import pytest

from keras_reid.backbones import ResNet, ViT
from keras_reid.backbones.base import Backbone, policy
from keras_reid.checkpoints import PUBLISHED, Published, load_pretrained, model_targets
from keras_reid.layers import NonLocal2D
from keras_reid.utils.errors import UserError
from tests.checkpoints.pickles import saved

NETWORK = {"depth": 18, "width": 4}


def published_arrays(model, prefix="", seed=0):
    """Random weights of a network as torchvision publishes them, with the classifier that a backbone lacks."""
    random = np.random.default_rng(seed)
    state = {}
    for name, target in model_targets(model).items():
        if name.startswith("NL_"):
            continue
        value = random.uniform(0.5, 1.5, target.shapes()[0]).astype("float32")
        state[prefix + name] = value
        if name.endswith("running_var"):
            state[prefix + name.replace("running_var", "num_batches_tracked")] = np.int64(9)
    channels = model.output_shape[-1]
    state[f"{prefix}fc.weight"] = np.zeros((1000, channels), "float32")
    state[f"{prefix}fc.bias"] = np.zeros(1000, "float32")
    return state


@pytest.fixture
def state():
    return published_arrays(ResNet(**NETWORK))


def check(model, state, rename=lambda name: name):
    for name, target in model_targets(model).items():
        if not name.startswith("NL_"):
            np.testing.assert_array_equal(
                np.asarray(target.variable), target.convert(state[rename(name)]), err_msg=name
            )


def publish(monkeypatch, path, name):
    """Puts a file into the cache under a published name, so that nothing is fetched."""
    folder = path.parent / "home" / "keras_reid"
    folder.mkdir(parents=True)
    path.rename(folder / path.name)
    monkeypatch.setenv("KERAS_HOME", str(path.parent / "home"))
    monkeypatch.setitem(PUBLISHED, name, Published("https://example.org/a", path.name, None, "", ""))


def test_imagenet(monkeypatch, state, tmp_path):
    publish(monkeypatch, saved(tmp_path / "resnet18.pth", state), "resnet18 of width 4")
    check(ResNet(**NETWORK, pretrained="imagenet"), state)


def test_imagenet_of_another_network(monkeypatch, state, tmp_path):
    """Each form of a network has a file of its own."""
    model = ResNet(**NETWORK, ibn=True)
    state = published_arrays(model)
    publish(monkeypatch, saved(tmp_path / "ibn.pth", state), "resnet18_ibn_a of width 4")
    check(ResNet(**NETWORK, ibn=True, pretrained="imagenet"), state)
    with pytest.raises(ValueError, match=r"Received: se_resnet18 of width 4"):
        ResNet(**NETWORK, squeeze_excite=True, pretrained="imagenet")


@pytest.mark.parametrize(
    ("prefix", "container", "kind"), [("", None, str), ("module.", "state_dict", pathlib.Path)]
)
def test_path(prefix, container, kind, state, tmp_path):
    path = saved(tmp_path / "own.pth", {prefix + name: value for name, value in state.items()}, container)
    check(ResNet(**NETWORK, pretrained=kind(path)), state)


def test_state_dict_in_memory_is_no_part_of_the_config(state):
    model = ResNet(**NETWORK, pretrained=state)
    check(model, state)
    assert "pretrained" not in model.get_config()
    ResNet.from_config(model.get_config())


class Small(Backbone):
    """A convolution, a non-local block, and two branches that start from one."""

    def __init__(self, pretrained=None):
        images = keras.Input((8, 4, 3))
        x = keras.layers.Conv2D(4, 3, use_bias=False, name="conv1")(images)
        x = NonLocal2D(name="NL_2.0")(x)
        branches = [keras.layers.Conv2D(4, 1, use_bias=False, name=f"{name}.conv2") for name in ("b1", "b2")]
        outputs = [branch(x) for branch in branches]
        super().__init__(
            images, outputs, own={}, input_shape=(8, 4, 3), dtype=policy(None), pretrained=pretrained
        )

    def adapt_checkpoint(self, state):
        branches = {f"{name}.conv2.weight": state["conv2.weight"] for name in ("b1", "b2")}
        return {"conv1.weight": state["conv1.weight"], **branches}


def test_non_local_blocks_and_branches(tmp_path):
    """Nobody published non-local blocks, which start as the identity; a network may use weights twice."""
    random = np.random.default_rng(0)
    state = {
        "conv1.weight": random.normal(size=(4, 3, 3, 3)).astype("float32"),
        "conv2.weight": random.normal(size=(4, 4, 1, 1)).astype("float32"),
    }
    model = Small(saved(tmp_path / "own.pth", state))
    check(model, state, rename=lambda name: name.removeprefix("b1.").removeprefix("b2."))
    images = random.normal(size=(2, 8, 4, 3)).astype("float32")
    maps = model.get_layer("conv1")(images)
    np.testing.assert_array_equal(model(images)[1], model.get_layer("b2.conv2")(maps))


def test_weights_of_another_network(state, tmp_path):
    path = saved(tmp_path / "own.pth", state)
    with pytest.raises(
        UserError, match=r"own\.pth does not fit ResNet 'wide': .*\n  other shape: conv1\.weight"
    ):
        ResNet(18, width=8, pretrained=path, name="wide")
    with pytest.raises(
        UserError, match=r"unused: layer1\.0\.bn1\.weight\n(.*\n)*  unfilled: layer1\.0\.bn1\.IN\.weight"
    ):
        ResNet(**NETWORK, ibn=True, pretrained=path)
    saved(path, {**state, "stem.weight": state["conv1.weight"]})
    with pytest.raises(UserError, match=r"unused: stem\.weight"):
        ResNet(**NETWORK, pretrained=path)
    del state["layer4.1.bn2.bias"]
    with pytest.raises(
        UserError, match=r"^The state dict does not fit .*\n  .*\n.*\n  unfilled: layer4\.1\.bn2\.bias"
    ):
        ResNet(**NETWORK, pretrained=state)


def test_some_of_the_non_local_blocks():
    """None at all is a published network; some are an error."""
    own = {"conv1.weight": np.ones((4, 3, 3, 3)), "conv2.weight": np.ones((4, 4, 1, 1))}
    model = Small()
    state = {name: np.ones(target.shapes()[0]) for name, target in model_targets(model).items()}
    state = {name: value for name, value in state.items() if name.startswith("NL_")} | own
    load_pretrained(AllNames(), state)
    del state["NL_2.0.theta.bias"]
    with pytest.raises(UserError, match=r"unfilled: NL_2\.0\.theta\.bias"):
        load_pretrained(AllNames(), state)


class AllNames(Small):
    def adapt_checkpoint(self, state):
        adapted = {**state, **super().adapt_checkpoint(state)}
        del adapted["conv2.weight"]
        return adapted


def test_whole_network_of_fastreid(state):
    heads = {"heads.weight": np.ones((5, 32)), "heads.bottleneck.0.weight": np.ones(32)}
    whole = {f"backbone.{name}": value for name, value in state.items() if not name.startswith("fc.")}
    report = load_pretrained(ResNet(**NETWORK), {**whole, **heads, "pixel_mean": np.zeros(3)})
    assert report.unused == tuple(heads)
    check(ResNet(**NETWORK, pretrained={**whole, **heads}), state)
    with pytest.raises(UserError, match=r"unused: other\.weight"):
        ResNet(**NETWORK, pretrained={**whole, **heads, "other.weight": np.ones(3)})
    with pytest.raises(UserError, match=r"is a whole MGN, .*build_fastreid"):
        ResNet(**NETWORK, pretrained={**whole, "b1_head.weight": np.ones((5, 32))})


def test_what_a_network_leaves_out_is_reported():
    vit = ViT("small", width=96, input_shape=(32, 32, 3))
    own = {name: np.ones(target.shapes()[0], "float32") for name, target in model_targets(vit).items()}
    dropped = {"head.weight": np.ones((9, 96)), "pre_logits.fc.bias": np.ones(96)}
    assert load_pretrained(vit, {**own, **dropped}).unused == tuple(dropped)


def test_bad_path(tmp_path):
    with pytest.raises(UserError, match=r"Weights file not found: .*nothing\.pth"):
        ResNet(**NETWORK, pretrained=tmp_path / "nothing.pth")
