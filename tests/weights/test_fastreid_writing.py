"""Weights under FastReID's names: what is written is read as the same model."""

import keras
import numpy as np
import pytest

from keras_reid import backbones, layers
from keras_reid.checkpoints import read_safetensors
from keras_reid.heads import BNNeckHead, LinearHead, MultiGranularityHeads
from keras_reid.models import ReIDModel
from keras_reid.utils.errors import UserError
from keras_reid.weights import build_backbone, build_fastreid, write_fastreid
from keras_reid.weights.fastreid_writing import saved_config
from tests import golden
from tests.weights import original_names
from tests.weights.test_fastreid import small_model
from tests.weights.test_original_names import import_network


class MeanPooling(keras.layers.Layer):
    def call(self, inputs):
        return keras.ops.mean(inputs, (1, 2))


IMAGES = np.random.default_rng(1).integers(0, 256, (2, 64, 32, 3)).astype("uint8")


def shaken(model):
    """No weight is left at a value that another one may have."""
    generator = np.random.default_rng(0)
    model.set_weights([value + 0.02 * generator.random(value.shape) for value in model.get_weights()])
    return model


def again(model, path):
    """The model that is made of what was written."""
    write_fastreid(model, path)
    return build_fastreid(path, saved_config(read_safetensors(path)[1]))


@pytest.mark.parametrize(
    "parts",
    [
        {
            "pooling": layers.GeMPooling2D(),
            "head": BNNeckHead(7, layers.CircleSoftmax(7, 64, 0.35), metric_feature="after"),
        },
        pytest.param(
            {"pooling": keras.layers.GlobalMaxPooling2D(), "head": LinearHead(7, embedding_dim=16)},
            marks=pytest.mark.medium,
        ),
    ],
    ids=["gem", "linear"],
)
def test_a_model_comes_back(parts, tmp_path):
    model = shaken(small_model(**parts))
    back = again(model, tmp_path / "a.safetensors")
    np.testing.assert_array_equal(back.predict(IMAGES, verbose=0), model.predict(IMAGES, verbose=0))
    assert back.image_size == (64, 32)
    assert type(back.head.classifier) is type(model.head.classifier)
    assert back.head.metric_feature == model.head.metric_feature
    for ours, theirs in zip(model.get_weights(), back.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "case",
    [
        pytest.param("osnet_x0_25", marks=pytest.mark.medium),
        pytest.param("bot_r34_ibn_se", marks=pytest.mark.medium),
        *(pytest.param(case, marks=pytest.mark.slow) for case in ("bot_s50", "sbs_r50", "bot_r50_reduced")),
    ],
)
def test_names_and_shapes_are_the_originals(case, tmp_path):
    case = golden.load(case)
    same_names(
        build_fastreid(golden.state_dict(case), golden.config(case)), case["state_dict_shapes"], tmp_path
    )


@pytest.mark.medium
def test_names_and_shapes_of_a_transformer(tmp_path):
    shapes = original_names.vit_small(8)
    same_names(import_network(shapes, "vit", "small", "Identity"), shapes, tmp_path)


def same_names(model, shapes, folder):
    written = write_fastreid(model, folder / "a.safetensors")
    counted = {
        name: tuple(shape) for name, shape in shapes.items() if not name.endswith("num_batches_tracked")
    }
    assert {name: value.shape for name, value in written.items()} == counted


@pytest.mark.medium
def test_mgn_comes_back(tmp_path):
    backbone = backbones.MultiGranularityResNet(50, width=4)
    heads = MultiGranularityHeads(5, pooling=layers.GeMPooling2D(), embedding_dim=8)
    model = shaken(ReIDModel(backbone, keras.layers.Identity(), heads, (64, 32)))
    back = again(model, tmp_path / "a.safetensors")
    np.testing.assert_allclose(back.predict(IMAGES, verbose=0), model.predict(IMAGES, verbose=0), rtol=1e-5)


def test_a_backbone_alone(tmp_path):
    backbone = shaken(backbones.ResNet(18, width=4))
    names = write_fastreid(backbone, tmp_path / "a.safetensors")
    assert names["layer1.0.conv1.weight"].shape == (4, 4, 3, 3)
    back = build_backbone(tmp_path / "a.safetensors")
    for ours, theirs in zip(backbone.get_weights(), back.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_what_has_no_name_there(tmp_path):
    model = small_model(pooling=layers.AttentionPooling2D())
    with pytest.raises(
        UserError, match=r"no names for \d+ of \d+ weights, such as .*Share the \.keras file itself"
    ):
        write_fastreid(model, tmp_path / "a.safetensors")
    with pytest.raises(
        UserError, match=r"FastReID has no pooling MeanPooling: it has GlobalAveragePooling2D, "
    ):
        write_fastreid(small_model(pooling=MeanPooling()), tmp_path / "a.safetensors")
    assert not list(tmp_path.iterdir())
