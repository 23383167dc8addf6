"""The examples in the docstrings of these rooms run and say what they print."""

import doctest
import importlib
import pkgutil

import pytest

import keras_reid.embedding
import keras_reid.evaluation

MODULES = [
    module.name
    for room in (keras_reid.evaluation, keras_reid.embedding)
    for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}.")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0
