"""What is private to Keras is touched in one file."""

import ast
import pathlib

import keras
import pytest

import keras_reid
from keras_reid.utils import keras_internals

ROOT = pathlib.Path(keras_reid.__file__).parent
HERE = pathlib.Path(keras_internals.__file__)


@pytest.fixture(scope="module")
def private():
    """Names of Keras' objects that begin with one underscore."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1), keras.layers.BatchNormalization()])
    model.compile("adam", "mse", metrics=["mae"])
    objects = [model, *model.layers, model.optimizer, keras.optimizers.SGD(), *model.variables]
    names = {name for one in objects for name in dir(one)}
    return {name for name in names if name.startswith("_") and not name.startswith("__")}


def touched(tree):
    """Names of attributes, methods of subclasses and texts in a file, without those of the file's own classes."""
    nodes = list(ast.walk(tree))
    attributes = [node for node in nodes if isinstance(node, ast.Attribute)]
    own = {node.attr for node in attributes if of_self(node) and isinstance(node.ctx, ast.Store)}
    for node in nodes:
        if isinstance(node, ast.ClassDef):
            methods = [method for method in node.body if isinstance(method, ast.FunctionDef)]
            own |= {method.name for method in methods if not node.bases}
            yield from ((method.name, method.lineno) for method in methods if node.bases)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):  # of `getattr` and its like
            yield node.value, node.lineno
    yield from ((node.attr, node.lineno) for node in attributes if not (of_self(node) and node.attr in own))


def of_self(node):
    return isinstance(node.value, ast.Name) and node.value.id == "self"


def test_private_names_of_keras_are_in_one_file(private):
    assert {"_flatten_layers", "_maybe_symbolic_build", "_loss_tracker", "_learning_rate"} < private
    found = [
        f"{file.relative_to(ROOT)}:{line}: {name}"
        for file in sorted(ROOT.rglob("*.py"))
        if file != HERE
        for name, line in touched(ast.parse(file.read_text(encoding="utf-8")))
        if name in private
    ]
    assert found == []


def test_the_version_that_was_read():
    """Whoever moves to another version of Keras reads these places again, and changes this line and that text."""
    assert keras.__version__ == "3.15.1"
    assert f"Everything here was read in Keras {keras.__version__}" in keras_internals.__doc__
