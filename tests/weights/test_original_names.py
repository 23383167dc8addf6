"""Every family under the original's own names: each weight finds its place, and nothing has to be assumed."""

import pytest

from keras_reid.weights import build_fastreid
from keras_reid.weights.architectures import recognize
from tests import golden
from tests.weights import original_names as names

HEADS = {"NAME": "EmbeddingHead", "WITH_BNNECK": True, "POOL_LAYER": "GlobalAvgPool", "NECK_FEAT": "before"}
HEADS |= {"EMBEDDING_DIM": 0, "CLS_LAYER": "Linear", "NUM_CLASSES": 7, "SCALE": 1, "MARGIN": 0.0}


def import_network(shapes, family, depth, pooling="GlobalAvgPool", **backbone):
    """With a config as complete as the original's own, which says nothing of pixels."""
    backbone = {"NAME": f"build_{family}_backbone", "DEPTH": depth, "LAST_STRIDE": 1, **backbone}
    config = {"BACKBONE": backbone, "HEADS": {**HEADS, "POOL_LAYER": pooling}}
    state = golden.state_dict({"state_dict_shapes": shapes})
    return build_fastreid(
        state, {"MODEL": {**config, "META_ARCHITECTURE": "Baseline"}, "INPUT": {"SIZE_TEST": [64, 32]}}
    )


@pytest.mark.parametrize(
    ("shapes", "arguments", "expected"),
    [
        pytest.param(
            names.osnet(ibn=True),
            ("osnet", "x0_25"),
            {"width": 0.25, "ibn": True},
            marks=pytest.mark.slow,
        ),
        (names.mobilenet_v2(), ("mobilenetv2", "0.1x"), {"width": 0.1}),
        (names.repvgg(), ("repvgg", "A0"), {"variant": "A0", "width": 8, "fused": False}),
        (names.repvgg(fused=True), ("repvgg", "A0"), {"variant": "A0", "width": 8, "fused": True}),
        (names.vit_small(8), ("vit", "small", "Identity"), {"depth": "small", "stride": (16, 16)}),
        pytest.param(
            names.resnext((3, 4, 6, 3), 32, ibn_last_stage=True),
            ("resnext", "50x"),
            {"depth": 50, "ibn": True, "ibn_last_stage": True},
            marks=pytest.mark.slow,
        ),
    ],
    ids=["osnet", "mobilenet_v2", "repvgg", "repvgg fused", "vit", "resnext"],
)
def test_every_weight_finds_its_place(shapes, arguments, expected):
    ibn = {"WITH_IBN": True} if expected.get("ibn") else {}
    model = import_network(shapes, *arguments, **ibn)
    assert {key: getattr(model.backbone, key) for key in expected} == expected
    assert model.metadata["pixel_mean"] == [123.675, 116.28, 103.53]
    assert model.metadata["pixel_std"] == [58.395, 57.12, 57.375]


@pytest.mark.parametrize("last", [False, True])
def test_a_deep_network_is_recognised(last):
    shapes = {
        name.removeprefix("backbone."): tuple(shape)
        for name, shape in names.resnext(ibn_last_stage=last).items()
        if name.startswith("backbone.")
    }
    found = recognize(shapes)
    assert found.backbone == "ResNeXt"
    assert found.arguments == {
        "depth": 101,
        "width": 64,
        "ibn": True,
        "ibn_last_stage": last,
        "squeeze_excite": False,
        "non_local": False,
    }


@pytest.mark.parametrize("stride", [12, "12", "(12, 12)", [12, 12]])
def test_stride_of_a_vision_transformer(stride):
    model = import_network(names.vit_small(5 * 2), "vit", "small", "Identity", STRIDE_SIZE=stride)
    assert model.backbone.stride == (12, 12)


def test_pixels_of_a_vision_transformer_without_config():
    state = golden.state_dict({"state_dict_shapes": names.vit_small(16 * 8)})
    with pytest.warns(
        UserWarning, match=r"ViT recipe is assumed: .*STRIDE_SIZE=\(16, 16\).*PIXEL_MEAN=\(127\.5"
    ):
        model = build_fastreid(state)
    assert model.metadata["pixel_mean"] == [127.5] * 3
