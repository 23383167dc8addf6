"""TensorRT reads and builds every supported backbone, with any batch size."""

import pytest

from keras_reid import backbones, heads, layers
from keras_reid.export.onnx import export_onnx
from keras_reid.export.tensorrt_builder import build_engine
from keras_reid.models import ReIDModel
from tests.export.models import model_of, randomize

pytestmark = pytest.mark.medium

_BOTH = (False, True)
SEED_BACKBONES = {
    **{
        f"{backbone.__name__}50{'_ibn' * ibn}{'_non_local' * non_local}": (
            lambda backbone=backbone, ibn=ibn, non_local=non_local: backbone(50, ibn=ibn, non_local=non_local)
        )
        for backbone in (backbones.ResNet, backbones.ResNeXt)
        for ibn in _BOTH
        for non_local in _BOTH
    },
    **{
        f"ResNeSt50{'_non_local' * non_local}": (
            lambda non_local=non_local: backbones.ResNeSt(50, non_local=non_local)
        )
        for non_local in _BOTH
    },
}


@pytest.fixture(autouse=True)
def keep_environment(monkeypatch):
    """The builder makes the GPU visible to its process, which in the tests is shared."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")


def seed_model(name):
    """A `ReIDModel` with the usual image size for people."""
    model = ReIDModel(
        SEED_BACKBONES[name](), layers.GeMPooling2D(), heads.BNNeckHead(751), image_size=(256, 128)
    )
    randomize(model)
    return model


def check(model, folder, precision):
    export_onnx(model, folder / "model.onnx", precision)
    told = build_engine(folder / "model.onnx", folder / "model.engine", precision, (1, 8, 32))
    assert told["layers"] > 10
    assert told["batches"] == {"min": 1, "opt": 8, "max": 32}
    assert (folder / "model.engine").stat().st_size > 1000
    return told


@pytest.mark.parametrize("precision", ["float32", pytest.param("float16", marks=pytest.mark.slow)])
def test_each_layer_of_our_own(tmp_path, precision):
    check(model_of("composite"), tmp_path, precision)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "float16"])
@pytest.mark.parametrize("name", SEED_BACKBONES)
def test_each_seed_backbone(name, tmp_path, precision):
    check(seed_model(name), tmp_path, precision)
