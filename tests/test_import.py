import subprocess
import sys

import pytest

from keras_reid.backbones import ResNet
from keras_reid.heads import BNNeckHead
from keras_reid.layers import GeMPooling2D
from keras_reid.models import ReIDModel


def python(code):
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_import_is_light():
    python("import sys, keras_reid; assert not {'keras', 'tensorflow', 'numpy'} & set(sys.modules)")


def test_everything_named_is_there():
    python("import keras_reid; [getattr(keras_reid, name) for name in dir(keras_reid)]")


@pytest.mark.parametrize("order", ["keras_reid, keras", "keras, keras_reid", "keras_reid, tensorflow, keras"])
def test_plain_keras_loads_a_model_in_either_order_of_imports(order, tmp_path):
    model = ReIDModel(ResNet(depth=18, width=8), GeMPooling2D(), BNNeckHead(3), image_size=(32, 16))
    file = tmp_path / "model.keras"
    model.save(file)
    printed = python(f"import {order}; print(type(keras.saving.load_model({str(file)!r})).__name__)")
    assert printed.strip() == "ReIDModel"


def test_an_unknown_name_is_an_attribute_error():
    import keras_reid

    with pytest.raises(AttributeError, match="no attribute 'backbone'"):
        keras_reid.backbone  # noqa: B018
