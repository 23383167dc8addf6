import ast
import contextlib
import importlib.util
import pathlib
import re
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

    names = {
        "adaptation",
        "backbones",
        "callbacks",
        "gallery",
        "models",
        "tuning",
        "UserError",
        "__version__",
    }
    assert names <= set(dir(keras_reid))
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


def test_documented_names_are_attributes_of_the_package():
    """`keras_reid.X.Y` in the pages and in docstrings, from `import keras_reid` alone; modules must exist."""
    import keras_reid

    root = pathlib.Path(keras_reid.__file__).parent
    pages = [*root.parent.glob("*.md"), *(root.parent / "docs").glob("*.md")]
    texts = [page.read_text(encoding="utf-8") for page in pages if page.name != "CHANGELOG.md"]
    for file in root.rglob("*.py"):
        nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
        texts += [ast.get_docstring(node) or "" for node in nodes if isinstance(node, kinds)]
    named = {
        name for text in texts for name in re.findall(r"(?<![\w./-])keras_reid((?:\.[a-zA-Z]\w*)+)", text)
    }
    assert {".losses.TripletLoss", ".callbacks.RetrievalEvaluation"} <= named
    assert not [name for name in sorted(named) if not _is_there(f"keras_reid{name}")]


def _is_there(name):
    """Whether a name is an attribute that is reached from the package, or a command or module, or in a module."""
    value = importlib.import_module("keras_reid")
    for part in name.split(".")[1:]:
        if not hasattr(value, part):
            break
        value = getattr(value, part)
    else:
        return True
    with contextlib.suppress(ModuleNotFoundError):
        if importlib.util.find_spec(name) is not None:
            return True
    module, _, last = name.rpartition(".")
    with contextlib.suppress(ModuleNotFoundError):
        return hasattr(importlib.import_module(module), last)
    return False


def test_callbacks_are_light_until_they_are_used():
    python(
        "import sys, keras_reid; from keras_reid import UserError, callbacks, gallery, tuning; dir(callbacks); "
        "assert not {'keras', 'tensorflow'} & set(sys.modules); "
        "assert issubclass(UserError, ValueError) and not hasattr(callbacks, 'Nothing')"
    )
