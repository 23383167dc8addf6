"""Networks without a head from the files that others publish."""

import numpy as np
import pytest

from keras_reid import backbones
from keras_reid.backbones import MobileNetV2, ResNet
from keras_reid.checkpoints import model_targets
from keras_reid.checkpoints.torchvision_names import mobilenet_v2_name
from keras_reid.utils.errors import UserError
from keras_reid.weights import build_backbone
from tests.checkpoints.writing import state_of
from tests.harness import randomize


def randomized_state(model):
    """The model's weights, made random, as its authors' file has them."""
    randomize(model)
    return state_of(model_targets(model))


def images(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


SMALL = {
    "ResNet": {"depth": 18, "width": 4, "ibn": True, "non_local": True},
    "ResNeXt": {"depth": 50, "width": 32, "ibn": True},
    "ResNeSt": {"depth": 50, "width": 8},
    "OSNet": {"width": 0.25, "ibn": True},
    "MobileNetV2": {"width": 0.1},
    "RepVGG": {"variant": "A0", "width": 8},
    "ViT": {"depth": "small", "width": 96, "input_shape": (64, 32, 3)},
}


@pytest.mark.parametrize(
    "name",
    [
        "ResNet",
        "MobileNetV2",
        *(pytest.param(n, marks=pytest.mark.slow) for n in SMALL if n not in ("ResNet", "MobileNetV2")),
    ],
)
def test_every_family_is_recognised_and_filled(name):
    model = getattr(backbones, name)(**SMALL[name])
    state = {f"module.{key}": value for key, value in randomized_state(model).items()}
    state |= {"module.fc.weight": np.zeros((10, 4)), "module.bn1.num_batches_tracked": np.int64(3)}
    built = build_backbone(state, image_size=(64, 32))
    assert type(built) is type(model)
    pixels = images(2, 64, 32, 3)
    np.testing.assert_allclose(built(pixels), model(pixels), rtol=1e-4, atol=1e-4)


def test_torchvisions_names_of_mobilenet_v2():
    model = MobileNetV2(width=0.1)
    ours = randomized_state(model)
    blocks = [
        f"features.{i}.conv.{s}" for i in range(1, 18) for s in ("0.0", "0.1", "1", "1.0", "1.1", "2", "3")
    ]
    names = [f"{layer}.{part}" for layer in [*blocks, "features.0.0", "features.0.1", "features.18.0", "features.18.1"]
             for part in ("weight", "bias", "running_mean", "running_var")]  # fmt: skip
    theirs = {}
    for name in names:
        own = mobilenet_v2_name(name)
        step = name.split(".")[3:-1] if ".conv." in name else []
        if own in ours and (name.startswith("features.1.") or step not in (["1"], ["2", "0"])):
            theirs.setdefault(own, name)
    state = {theirs[name]: value for name, value in ours.items()}
    built = build_backbone(state)
    np.testing.assert_array_equal(built(images(1, 64, 32, 3)), model(images(1, 64, 32, 3)))


def test_last_stride():
    state = randomized_state(ResNet(18, width=4))
    assert build_backbone(state).last_stride == 1
    assert build_backbone(state, last_stride=2).last_stride == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("bn1.running_var"), r"unfilled: bn1\.running_var"),
        (lambda state: state.update({"conv9.weight": np.zeros(3)}), r"unused: conv9\.weight"),
        (lambda state: state.update({"bn1.bias": np.zeros(3)}), r"other shape: bn1\.bias"),
        (lambda state: state.clear(), "no network that can be built here. They start with: nothing"),
    ],
    ids=["missing", "left over", "other shape", "empty"],
)
def test_half_filled_networks_are_refused(change, message):
    state = randomized_state(ResNet(18, width=4))
    change(state)
    with pytest.raises(UserError, match=message):
        build_backbone(state)
