import numpy as np
import pytest

from keras_reid.backbones import ResNet
from keras_reid.export import export_savedmodel
from keras_reid.heads import BNNeckHead
from keras_reid.layers import GeMPooling2D
from keras_reid.models import ReIDModel
from tests.export.models import model_of


def megabytes(folder):
    """Size of all files except those that only TensorFlow Serving reads."""
    files = [file for file in folder.rglob("*") if file.is_file() and "assets.extra" not in file.parts]
    return sum(file.stat().st_size for file in files) / 1e6


@pytest.mark.medium
def test_small_models_cost_little_more_than_their_weights(tmp_path):
    model = model_of("composite")
    export_savedmodel(model, tmp_path / "served", batch_sizes=())
    assert megabytes(tmp_path / "served") <= 4e-6 * model.count_params() + 3
    assert not (tmp_path / "served" / "assets.extra").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "most"), [("float32", 1.05), ("bfloat16", 0.55)])
def test_resnet50(tmp_path, precision, most):
    model = ReIDModel(ResNet(50, last_stride=1), GeMPooling2D(), BNNeckHead(751), image_size=(256, 128))
    parts = (model.backbone, model.pooling, model.head.neck)
    path = 4e-6 * sum(np.prod(variable.shape) for part in parts for variable in part.variables)
    export_savedmodel(model, tmp_path / "served", precision)
    assert megabytes(tmp_path / "served") <= most * path
