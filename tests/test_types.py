"""Public functions have type hints. mypy, a part of `make lint`, checks that these are right."""

import ast

import pytest

from tests.test_architecture import modules, room

TYPED = (
    "backbones",
    "checkpoints",
    "commands",
    "data",
    "embedding",
    "evaluation",
    "experiment",
    "export",
    "gallery",
    "heads",
    "layers",
    "losses",
    "models",
    "recipes",
    "run",
    "serving",
    "tracks",
    "training",
    "tuning",
    "utils",
    "visualization",
    "weights",
)
_CALLED_BY_SYNTAX = ("__init__", "__call__", "__getitem__", "__len__", "__iter__", "__enter__", "__exit__")


def public_functions(node, prefix=""):
    """`(name, function)` of the functions and methods that others may call."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef) and not child.name.startswith("_"):
            yield from public_functions(child, f"{prefix}{child.name}.")
        elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)) and (
            not child.name.startswith("_") or child.name in _CALLED_BY_SYNTAX
        ):
            yield prefix + child.name, child


def lacks_hints(function):
    given = function.args
    arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    return function.returns is None or any(
        argument.annotation is None and argument.arg not in ("self", "cls")
        for argument in arguments
        if argument
    )


@pytest.mark.parametrize("typed", TYPED)
def test_public_functions_have_type_hints(typed):
    names = [name for name in modules() if room(name) == typed or name.startswith(f"keras_reid.{typed}.")]
    lacking = [
        f"{name}: {function_name}"
        for name in names
        for function_name, function in public_functions(modules()[name])
        if lacks_hints(function)
    ]
    assert len(names) > 1
    assert not lacking
