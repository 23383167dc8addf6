import numpy as np
import pytest

from keras_reid.backbones import ViT
from keras_reid.checkpoints import fill, model_targets, named
from keras_reid.utils.errors import UserError
from keras_reid.weights.architectures import recognize
from keras_reid.weights.architectures.vit import recognize_vit
from tests import golden

OPTIONS = {
    "MODEL.BACKBONE.STRIDE_SIZE": [12, 8],
    "MODEL.BACKBONE.DROP_PATH_RATIO": 0.2,
    "MODEL.BACKBONE.DROP_RATIO": 0.1,
    "MODEL.BACKBONE.ATT_DROP_RATE": 0.3,
    "MODEL.BACKBONE.SIE_COE": 2.0,
}


def shapes(blocks=12, width=768, ratio=4, bias=True, patch=16):
    found = {
        "cls_token": (1, 1, width),
        "pos_embed": (1, 129, width),
        "patch_embed.proj.weight": (width, 3, patch, patch),
        **{f"blocks.{index}.mlp.fc1.weight": (ratio * width, width) for index in range(blocks)},
    }
    return {**found, "blocks.0.attn.qkv.bias": (3 * width,)} if bias else found


@pytest.mark.parametrize(
    ("arguments", "depth", "width"),
    [
        ({}, "base", 768),
        ({"width": 384}, "base", 384),  # DeiT-S
        ({"width": 192}, "base", 192),  # DeiT-Ti
        ({"blocks": 8, "ratio": 3, "bias": False}, "small", 768),
    ],
)
def test_depth_and_width(arguments, depth, width):
    found = recognize(shapes(**arguments))
    assert found.backbone == "ViT"
    assert found.arguments == {"depth": depth, "width": width}
    assert found.options == {"MODEL.BACKBONE.NAME": "build_vit_backbone", "MODEL.BACKBONE.DEPTH": depth}
    assert found.open_arguments == {
        "MODEL.BACKBONE.STRIDE_SIZE": "stride",
        "MODEL.BACKBONE.DROP_PATH_RATIO": "drop_path",
        "MODEL.BACKBONE.DROP_RATIO": "dropout",
        "MODEL.BACKBONE.ATT_DROP_RATE": "attention_dropout",
    }
    assert found.fixed_image_size


@pytest.mark.parametrize(
    "arguments",
    [
        {"blocks": 24, "width": 1024},  # ViT-L
        {"patch": 32},
        {"bias": False},
        {"ratio": 3},
        {"width": 100},
    ],
)
def test_another_vision_transformer(arguments):
    with pytest.raises(UserError, match=r"a vision transformer, but neither .* Received: \d+ blocks of \d+"):
        recognize(shapes(**arguments))


def test_convolutional_stem():
    stem = {"patch_embed.conv.0.weight": (64, 3, 7, 7), "patch_embed.proj.weight": (384, 64, 8, 8)}
    found = recognize({**shapes(width=384), **stem})
    assert found.arguments == {"depth": "base", "width": 384, "convolutional_stem": True}
    with pytest.raises(UserError, match=r"patches \(384, 3, 16, 16\)"):
        recognize({**shapes(width=384), "patch_embed.conv.0.weight": (64, 3, 7, 7)})


def test_flat_patches_of_old_files():
    assert recognize({**shapes(), "patch_embed.proj.weight": (768, 768)}).arguments["depth"] == "base"


def test_names_of_another_family():
    names = golden.load("bot_r50")["state_dict_shapes"]
    assert recognize_vit({name.removeprefix("backbone."): shape for name, shape in names.items()}) is None


@pytest.mark.parametrize("num_cameras", [0, 4])
def test_built_network_takes_every_weight(num_cameras):
    network = ViT("small", (12, 8), width=96, num_cameras=num_cameras, input_shape=(48, 32, 3))
    generator = np.random.default_rng(0)
    state = {
        name: generator.normal(size=target.shapes()[0]) for name, target in model_targets(network).items()
    }
    found = recognize({name: value.shape for name, value in state.items()})
    built = found.build(OPTIONS, (48, 32))
    assert built.get_config() == {
        **network.get_config(),
        "name": built.name,
        "drop_path": 0.2,
        "dropout": 0.1,
        "attention_dropout": 0.3,
        "camera_scale": 2.0 if num_cameras else 3.0,
    }
    assert fill(model_targets(built), named(state), built.weights).complete
