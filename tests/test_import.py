import subprocess
import sys

import pytest

from keras_reid.backbones import ResNet
from keras_reid.heads import BNNeckHead
from keras_reid.layers import GeMPooling2D
from keras_reid.models import ReIDModel

MEDIUM, SLOW = pytest.mark.medium, pytest.mark.slow  # an import of Keras each


def python(code):
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_import_is_light():
    python("import sys, keras_reid; assert not {'keras', 'tensorflow', 'numpy'} & set(sys.modules)")


def test_everything_named_is_there():
    import keras_reid

    assert {"backbones", "models", "__version__"} <= set(dir(keras_reid))
    assert all(getattr(keras_reid, name) for name in dir(keras_reid))


@pytest.mark.parametrize(
    "order",
    [
        "keras_reid, keras",
        *(
            pytest.param(order, marks=MEDIUM)
            for order in ("keras, keras_reid", "keras_reid, tensorflow, keras")
        ),
    ],
)
def test_plain_keras_loads_a_model_in_either_order_of_imports(order, tmp_path):
    model = ReIDModel(ResNet(depth=18, width=8), GeMPooling2D(), BNNeckHead(3), image_size=(32, 16))
    file = tmp_path / "model.keras"
    model.save(file)
    printed = python(f"import {order}; print(type(keras.saving.load_model({str(file)!r})).__name__)")
    assert printed.strip() == "ReIDModel"


@pytest.mark.parametrize(
    "names",
    [
        pytest.param("layers import SqueezeExcite", marks=MEDIUM),
        pytest.param("weights import build_fastreid", marks=MEDIUM),
        pytest.param("backbones import ResNet", marks=SLOW),
        pytest.param("checkpoints import Report", marks=SLOW),
        pytest.param("heads.bnneck_head import BNNeckHead", marks=SLOW),
        pytest.param("losses import TripletLoss", marks=SLOW),
        pytest.param("models import ReIDModel", marks=SLOW),
        pytest.param("training import Adam", marks=SLOW),
    ],
)
def test_any_part_may_be_imported_first_and_registers_all(names):
    python(
        f"from keras_reid.{names}; import keras; "
        "[keras.saving.get_registered_object(f'keras_reid>{name}').__name__ "
        "for name in ('IBN', 'ResNet', 'LinearHead', 'TripletLoss', 'ReIDModel', 'WarmUp', 'AugmentationLayer')]"
    )


def test_an_unknown_name_is_an_attribute_error():
    import keras_reid

    with pytest.raises(AttributeError, match="no attribute 'backbone'"):
        keras_reid.backbone  # noqa: B018
