"""Vision transformers of TransReID and PersonViT as whole models.

The golden values in `tests/golden/models/transreid_*.json` and `personvit_stem.json` are those of TransReID's and
PersonViT's own classes in PyTorch 2.13 on a CPU: the network was made as the file's "source" says, its weights were set
to `golden._weight(name, shape)` and it was called, in evaluation, on `golden.images`, (pixel − 127.5) / 127.5, with the
stored cameras and views, if any.
"""

import keras
import numpy as np
import pytest

from keras_reid.backbones import JigsawViT, ViT
from keras_reid.heads import ClassTokenHead
from keras_reid.models import ReIDModel
from keras_reid.utils.errors import UserError
from keras_reid.weights import build_transreid, build_whole_model
from keras_reid.weights.transreid import _targets
from tests import golden

TOLERANCE = 1e-5  # relative L2 error; measured: 6e-7
ASSUMED = "those of the published configurations are assumed: image_size="


def case(name):
    """`(state dict, what is expected of it)`."""
    expected = golden.load(name)
    size = tuple(expected["input_shape_nhwc"][1:3])
    if name == "transreid_jigsaw":
        backbone = JigsawViT(stride=(12, 12), num_cameras=6, width=128, input_shape=(*size, 3))
    elif name == "personvit_stem":
        backbone = ViT(width=128, convolutional_stem=True, input_shape=(*size, 3))
    else:
        backbone = ViT(num_cameras=6, width=128, input_shape=(*size, 3))
    head = ClassTokenHead(
        7,
        num_parts=4 if name == "transreid_jigsaw" else 0,
        embedding_dim=96 if name == "personvit_stem" else None,
    )
    targets = _targets(ReIDModel(backbone, keras.layers.Identity(), head, size), with_classifier=True)
    others = {"base.fc.weight": (5, 128), "base.fc.bias": (5,)}
    for own, target in targets.items():
        if own.startswith("b1."):  # the last block and normalisation, of which only the copies are used
            name = own.replace("b1.0.", "base.blocks.11.").replace("b1.1.", "base.norm.")
            others[name] = target.shapes()[0]
    return golden.state_of_targets(expected, targets, others), expected


def check(model, cameras, expected):
    inputs = golden.images(expected)
    if cameras is not None:
        inputs = {"images": inputs, "cameras": np.array(cameras, "int32")}
    embedding = np.asarray(model(inputs, training=False))
    assert list(embedding.shape) == expected["embedding_shape"]
    assert golden.relative_error(embedding[:, ::10], expected["embedding_every_10th"]) < TOLERANCE
    norms = np.linalg.norm(embedding, axis=1)
    assert golden.relative_error(norms, expected["embedding_l2_norms"]) < TOLERANCE


@pytest.mark.medium
def test_jigsaw_branch_and_cameras():
    state, expected = case("transreid_jigsaw")
    with pytest.warns(UserWarning, match=ASSUMED + r"\(256, 128\), stride=12, .*camera_scale=3\.0, shift=5"):
        model = build_whole_model({f"module.{name}": value for name, value in state.items()})
    assert model.image_size == (256, 128)
    assert model.metadata["pixel_mean"] == [127.5] * 3
    assert model.metadata["provenance"]["source"] == "TransReID"
    assert model.head.num_classes == 7
    check(model, expected["cameras"], expected)
    # An unknown camera gets the mean of all.
    images = golden.images(expected)
    unknown = np.asarray(model(images))
    np.testing.assert_array_equal(unknown, model({"images": images, "cameras": np.array([-1, 6])}))
    table = model.backbone.get_layer("sie_embed").embeddings
    table.assign(np.broadcast_to(np.mean(table, axis=0), table.shape))
    known = model({"images": images, "cameras": np.array([0, 5])})
    np.testing.assert_allclose(unknown, known, rtol=1e-4, atol=1e-4)


@pytest.mark.medium
def test_one_token_with_cameras_and_views():
    state, expected = case("transreid_plain")
    with pytest.warns(UserWarning, match=ASSUMED + r"\(256, 256\), stride=16, .*camera_scale=3\.0\."):
        model = build_transreid(state)
    views = 1 + max(expected["views"])
    rows = [
        camera * views + view for camera, view in zip(expected["cameras"], expected["views"], strict=True)
    ]
    check(model, rows, expected)


@pytest.mark.medium
def test_convolutional_stem_and_reduction():
    state, expected = case("personvit_stem")
    with pytest.warns(UserWarning, match=ASSUMED + r"\(256, 128\), stride=16, pixel_mean"):
        model = build_whole_model(state)
    assert model.backbone.convolutional_stem
    assert model.embedding_dim == 96
    check(model, None, expected)


def small_state(**changes):
    """Names and shapes that a network is told from, with values of no consequence."""
    shapes = {
        "base.cls_token": (1, 1, 64),
        "base.pos_embed": (1, 129, 64),
        "base.patch_embed.proj.weight": (64, 3, 16, 16),
        **{f"base.blocks.{index}.norm1.weight": (64,) for index in range(12)},
        "base.blocks.0.mlp.fc1.weight": (256, 64),
        "base.blocks.0.attn.qkv.bias": (192,),
        "bottleneck.running_mean": (64,),
    }
    return {name: np.zeros(shape, "float32") for name, shape in {**shapes, **changes}.items() if shape}


STEM = {
    "base.patch_embed.conv.0.weight": (64, 3, 7, 7),
    "base.patch_embed.proj.weight": (64, 64, 8, 8),
}


@pytest.mark.parametrize(
    ("changes", "arguments", "message"),
    [
        (
            {"bottleneck.running_mean": None},
            {},
            "not those of a vision transformer of TransReID or PersonViT",
        ),
        (
            {"base.pos_embed": (1, 100, 64)},
            {},
            "99 position embeddings tell neither the size .*image_size=None",
        ),
        ({}, {"image_size": (224, 224)}, r"128 position embeddings .*image_size=\(224, 224\), stride=None"),
        ({"base.patch_embed.proj.weight": (64, 64, 8, 8)}, {}, "neither of 12 blocks"),
        ({**STEM, "b1.0.norm1.weight": (64,)}, {}, "jigsaw branch on a convolutional stem is not built here"),
        ({**STEM}, {}, "do not fit each other: .*unfilled"),
        ({}, {}, "do not fit each other: .*unfilled"),
    ],
    ids=[
        "no neck",
        "patches",
        "image size",
        "patch size",
        "stem and jigsaw",
        "incomplete stem",
        "incomplete",
    ],
)
def test_other_networks_are_refused(changes, arguments, message):
    with pytest.raises(UserError, match=message):
        build_transreid(small_state(**changes), **arguments)
