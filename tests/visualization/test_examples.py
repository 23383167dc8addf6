import doctest
import importlib
import pkgutil

import pytest

import keras_reid.visualization

MODULES = [module.name for module in pkgutil.iter_modules(keras_reid.visualization.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_hold(name):
    module = importlib.import_module(f"keras_reid.visualization.{name}")
    failed, _ = doctest.testmod(module)
    assert failed == 0
