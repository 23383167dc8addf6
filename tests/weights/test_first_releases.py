"""Files of the original's first releases, the published ones: other names, and two heads that later ones lack."""

import numpy as np
import pytest

from keras_reid.backbones import MultiGranularityResNet, ResNeSt
from keras_reid.checkpoints import Target
from keras_reid.heads import BNNeckHead, MultiGranularityHeads
from keras_reid.layers import GeMPooling2D
from keras_reid.models import ReIDModel
from keras_reid.utils.errors import UserError
from keras_reid.weights import build_fastreid, load_fastreid
from keras_reid.weights.fastreid_names import targets
from tests import golden
from tests.checkpoints import writing
from tests.harness import randomize
from tests.weights.test_fastreid import first_release, small_model

HEADS = {
    "POOL_LAYER": "gempool",
    "CLS_LAYER": "circleSoftmax",
    "NECK_FEAT": "after",
    "SCALE": 64,
    "MARGIN": 0.35,
}
CONFIG = {"MODEL": {"BACKBONE": {"LAST_STRIDE": 1}, "HEADS": HEADS}, "INPUT": {"SIZE_TEST": [64, 32]}}
IMAGES = np.random.default_rng(0).uniform(0, 255, (2, 64, 32, 3)).astype("float32")


def state_of(model):
    """A model's weights under today's names; a reduction is a 1×1 convolution in the files."""
    return {
        name: value[..., None, None] if "bottleneck.0" in name and value.ndim == 2 else value
        for name, value in writing.state_of(targets(model)).items()
    }


@pytest.mark.medium
def test_mgn_as_it_was_published():
    """Pooling, convolution, normalisation and ReLU were a sequence `b1_pool` before a head with neck."""
    heads = MultiGranularityHeads(5, embedding_dim=4, metric_feature="after", reduction_activation="relu")
    model = ReIDModel(MultiGranularityResNet(50, ibn=True, width=2), lambda x: x, heads, (64, 32))
    randomize(model)
    old = {}
    for name, value in state_of(model).items():
        branch, _, rest = name.partition("_head.")
        for today, then in (
            ("pool_layer.", "_pool.0."),
            ("bottleneck.0.", "_pool.1."),
            ("bottleneck.1.", "_pool.2."),
            ("bottleneck.2.", "_head.bnneck."),
        ):
            if rest.startswith(today):
                name = branch + then + rest.removeprefix(today)
        old[f"{branch}_head.classifier.weight" if rest == "weight" else name] = value
    assert {"b1_pool.0.p", "b33_pool.1.weight", "b21_head.bnneck.weight", "b1.1.2.conv3.weight"} <= set(old)
    assert "backbone.6.conv1.weight" in old

    imported = build_fastreid(old, {"MODEL": {**CONFIG["MODEL"], "META_ARCHITECTURE": "MGN"}, **_size()})
    assert imported.backbone.ibn
    assert imported.head.reduction_activation == "relu"
    np.testing.assert_allclose(imported(IMAGES), model(IMAGES), rtol=1e-4, atol=1e-4)
    report = load_fastreid(imported, old)
    assert report.complete
    assert sorted(report.used) == sorted(old)


def test_mgn_without_necks():
    shapes = golden.load("mgn_r50_ibn")["state_dict_shapes"]
    state = {
        name: np.broadcast_to(np.float32(1), shape)
        for name, shape in shapes.items()
        if ".bottleneck.1." not in name
    }
    heads = {**HEADS, "POOL_LAYER": "GeneralizedMeanPoolingP", "CLS_LAYER": "Linear", "WITH_BNNECK": False}
    config = {
        "MODEL": {"META_ARCHITECTURE": "MGN", "BACKBONE": {"LAST_STRIDE": 1}, "HEADS": heads},
        **_size(),
    }
    with pytest.raises(
        UserError, match=r"MGN can be imported only with necks \(MODEL\.HEADS\.WITH_BNNECK True"
    ):
        build_fastreid(state, config)


def _size():
    return {"INPUT": CONFIG["INPUT"]}


def test_reduction_head():
    """Convolution, normalisation and leaky ReLU before the neck."""
    model = small_model(head=BNNeckHead(5, embedding_dim=3, reduction_activation="leaky_relu"))
    randomize(model)
    names = {"heads.bottleneck.2.": "heads.bnneck.", "heads.weight": "heads.classifier.weight"}
    old = {}
    for name, value in state_of(model).items():
        for today, then in names.items():
            name = name.replace(today, then)
        old[name] = value
    head = {
        **HEADS,
        "NAME": "ReductionHead",
        "REDUCTION_DIM": 3,
        "POOL_LAYER": "GeneralizedMeanPooling",
        "CLS_LAYER": "linear",
    }
    imported = build_fastreid(old, {"MODEL": {"BACKBONE": {"LAST_STRIDE": 1}, "HEADS": head}, **_size()})
    assert imported.head.reduction_activation == "leaky_relu"
    model.pooling.p.assign(imported.pooling.p)
    np.testing.assert_allclose(imported(IMAGES), model(IMAGES), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("first", [True, False])
def test_the_last_stage_of_resnest_was_not_dilated(first):
    model = ReIDModel(ResNeSt(50, width=2), GeMPooling2D(learnable=False), BNNeckHead(5), (64, 32))
    state = state_of(model)
    if first:
        state = first_release(state)
    else:  # no sign of it: later releases had it too
        state["heads.classifier.weight"] = state.pop("heads.weight")
    assert build_fastreid(state, CONFIG).backbone.dilate_last_stage is not first


@pytest.mark.parametrize("layout", ["convolution", "depthwise", "matrix", "as is"])
def test_target_refuses_another_shape(layout):
    shape = {"convolution": (3, 3, 2, 4), "depthwise": (3, 3, 4, 1), "matrix": (2, 4), "as is": (4,)}[layout]
    target = Target(np.zeros(shape), layout)
    for file_shape in target.shapes():
        assert target.convert(np.zeros(file_shape)).shape == shape
