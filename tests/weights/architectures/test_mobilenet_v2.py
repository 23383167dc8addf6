import numpy as np
import pytest

from keras_reid.backbones import MobileNetV2
from keras_reid.checkpoints import model_targets
from keras_reid.utils.errors import UserError
from keras_reid.weights import build_fastreid
from keras_reid.weights.architectures import recognize
from keras_reid.weights.architectures.mobilenet_v2 import recognize_mobilenet_v2
from tests import golden

CONFIG = {
    "MODEL": {
        "BACKBONE": {
            "NAME": "build_mobilenetv2_backbone",
            "DEPTH": "0.1x",
            "LAST_STRIDE": 1,
            "WITH_IBN": True,  # the original does not look at it
        },
        "HEADS": {"POOL_LAYER": "GlobalAvgPool", "NECK_FEAT": "before", "CLS_LAYER": "Linear"},
    },
    "INPUT": {"SIZE_TEST": [64, 32]},
}


def shapes(channels):
    return {
        "features.17.conv.6.weight": (channels, 6 * channels // 2, 1, 1),
        "conv.0.weight": (1280, channels, 1, 1),
    }


@pytest.mark.parametrize(
    ("channels", "width", "depth"),
    [
        (320, 1.0, "1.0x"),
        (240, 0.75, "0.75x"),
        (160, 0.5, "0.5x"),
        (112, 0.35, "0.35x"),
        (80, 0.25, "0.25x"),
        (32, 0.1, "0.1x"),
    ],
)
def test_width(channels, width, depth):
    found = recognize(shapes(channels))
    assert found.backbone == "MobileNetV2"
    assert found.arguments == {"width": width}
    assert found.options == {
        "MODEL.BACKBONE.NAME": "build_mobilenetv2_backbone",
        "MODEL.BACKBONE.DEPTH": depth,
    }
    assert found.open_arguments == {}


def test_another_width():
    with pytest.raises(UserError, match=r"a MobileNetV2, but not of width .* Received: 448 channels"):
        recognize(shapes(448))


def test_names_of_another_family():
    names = golden.load("osnet_x0_25")["state_dict_shapes"]
    names = {name.removeprefix("backbone."): shape for name, shape in names.items()}
    assert recognize_mobilenet_v2(names) is None


@pytest.mark.medium
def test_a_whole_model():
    network = MobileNetV2(0.1)
    generator = np.random.default_rng(0)
    state = {
        f"backbone.{name}": generator.uniform(0.5, 1.0, target.shapes()[-1]).astype("float32")
        for name, target in model_targets(network).items()
    }
    for part in ("weight", "bias", "running_mean", "running_var"):
        state[f"heads.bottleneck.0.{part}"] = np.ones(1280, "float32")
    state["heads.weight"] = np.ones((5, 1280), "float32")
    model = build_fastreid(state, CONFIG)
    assert model.backbone.width == 0.1
    kernel = np.asarray(model.backbone.get_layer("features.2.conv.3").kernel)  # depthwise
    np.testing.assert_array_equal(
        kernel[..., 0].transpose(2, 0, 1)[:, None], state["backbone.features.2.conv.3.weight"]
    )
    kernel = np.asarray(model.backbone.get_layer("conv.0").kernel)
    np.testing.assert_array_equal(kernel.transpose(3, 2, 0, 1), state["backbone.conv.0.weight"])
