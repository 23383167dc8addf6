import numpy as np
import pytest

from keras_reid.backbones import RepVGG
from keras_reid.checkpoints import model_targets
from keras_reid.utils.errors import UserError
from keras_reid.weights import build_fastreid
from keras_reid.weights.architectures import recognize
from keras_reid.weights.architectures.repvgg import recognize_repvgg
from tests import golden

# Blocks of stages 1 to 4, and the channels of stage 0 and of these.
A, B = (2, 4, 14, 1), (4, 6, 16, 1)
VARIANTS = {
    "A0": (A, (48, 48, 96, 192, 1280), 1),
    "A1": (A, (64, 64, 128, 256, 1280), 1),
    "A2": (A, (64, 96, 192, 384, 1408), 1),
    "B0": (B, (64, 64, 128, 256, 1280), 1),
    "B1": (B, (64, 128, 256, 512, 2048), 1),
    "B1g2": (B, (64, 128, 256, 512, 2048), 2),
    "B1g4": (B, (64, 128, 256, 512, 2048), 4),
    "B2": (B, (64, 160, 320, 640, 2560), 1),
    "B2g2": (B, (64, 160, 320, 640, 2560), 2),
    "B2g4": (B, (64, 160, 320, 640, 2560), 4),
    "B3": (B, (64, 192, 384, 768, 2560), 1),
    "B3g2": (B, (64, 192, 384, 768, 2560), 2),
    "B3g4": (B, (64, 192, 384, 768, 2560), 4),
}
CONFIG = {
    "MODEL": {
        "BACKBONE": {"NAME": "build_repvgg_backbone", "DEPTH": "B1g2", "LAST_STRIDE": 2},
        "HEADS": {"POOL_LAYER": "GlobalAvgPool", "NECK_FEAT": "before", "CLS_LAYER": "Linear"},
    },
    "INPUT": {"SIZE_TEST": [64, 32]},
}


def shapes(blocks, channels, groups, weight="rbr_dense.conv.weight"):
    found = {f"stage0.{weight}": (channels[0], 3, 3, 3)}
    number, before = 1, channels[0]
    for stage, (count, after) in enumerate(zip(blocks, channels[1:], strict=True), start=1):
        for index in range(count):
            own = groups if number % 2 == 0 else 1
            found[f"stage{stage}.{index}.{weight}"] = (after, before // own, 3, 3)
            number, before = number + 1, after
    return found


def test_all_variants_are_covered():
    assert tuple(VARIANTS) == RepVGG.variants


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("weight", ["rbr_dense.conv.weight", "rbr_reparam.weight", "fused_weight"])
def test_variant_and_form(variant, weight):
    found = recognize(shapes(*VARIANTS[variant], weight))
    assert found.backbone == "RepVGG"
    assert found.arguments == {"variant": variant, "width": 64, "fused": "rbr_dense" not in weight}
    assert found.options == {
        "MODEL.BACKBONE.NAME": "build_repvgg_backbone",
        "MODEL.BACKBONE.DEPTH": variant,
    }
    assert found.open_arguments == {"MODEL.BACKBONE.LAST_STRIDE": "last_stride"}
    assert not found.fixed_image_size


@pytest.mark.parametrize(("variant", "width", "fused"), [("A0", 8, False), ("B2g4", 16, True)])
def test_narrow_networks(variant, width, fused):
    network = RepVGG(variant, width=width, fused=fused)
    found = recognize({name: target.shapes()[0] for name, target in model_targets(network).items()})
    assert found.arguments == {"variant": variant, "width": width, "fused": fused}


@pytest.mark.parametrize(
    ("blocks", "channels", "groups"),
    [
        ((2, 4, 14, 2), VARIANTS["A0"][1], 1),
        (A, (64, 64, 128, 256, 2048), 1),
        (A, VARIANTS["A0"][1], 2),  # none of the A networks has groups
        (B, VARIANTS["B1"][1], 8),
    ],
)
def test_another_repvgg(blocks, channels, groups):
    with pytest.raises(UserError, match=r"a RepVGG, but not of a known variant\. Received: \(\d"):
        recognize(shapes(blocks, channels, groups))


def test_names_of_another_family():
    names = golden.load("bot_r50")["state_dict_shapes"]
    assert recognize_repvgg({name.removeprefix("backbone."): shape for name, shape in names.items()}) is None


def test_a_whole_model_that_the_original_fused():
    network = RepVGG("B1g2", width=8, fused=True)
    generator = np.random.default_rng(0)
    state = {
        f"backbone.{name}": generator.uniform(0.5, 1.0, target.shapes()[0]).astype("float32")
        for name, target in model_targets(network).items()
        if ".fused_" in name
    }
    for part in ("weight", "bias", "running_mean", "running_var"):
        state[f"heads.bottleneck.0.{part}"] = np.ones(256, "float32")
    state["heads.weight"] = np.ones((5, 256), "float32")
    model = build_fastreid(state, CONFIG)
    assert model.backbone.get_config() == {
        **network.get_config(),
        "name": model.backbone.name,
        "last_stride": 2,
    }
    kernel = np.asarray(model.backbone.get_layer("stage1.1.rbr_reparam").kernel)
    np.testing.assert_array_equal(kernel.transpose(3, 2, 0, 1), state["backbone.stage1.1.fused_weight"])
