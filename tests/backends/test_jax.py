"""Every public layer, head, loss and backbone gives the same numbers under Keras' JAX backend.

Skipped where JAX is not installed: `pip install -e ".[jax]"`, then `pytest -m medium tests/backends`.
"""

import importlib.util
import inspect
import os
import pathlib
import pickle
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_reid.layers import NonLocal2D
from tests.backends.calculation import calculate
from tests.component_inputs import component_inputs
from tests.harness import randomize
from tests.losses import FEATURES, LABELS
from tests.test_components import ARGUMENTS, PACKAGES, public_classes

pytestmark = [
    pytest.mark.medium,
    pytest.mark.skipif(
        importlib.util.find_spec("jax") is None, reason='JAX is not installed: pip install -e ".[jax]"'
    ),
]

ROOT = pathlib.Path(__file__).parents[2]
TOLERANCE = 1e-4
JAX = {
    **os.environ,
    "KERAS_BACKEND": "jax",
    "JAX_PLATFORMS": "cpu",
    "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",  # compiles much faster
}


@pytest.fixture(scope="module")
def calculate_with_jax(tmp_path_factory):
    """`calculate` in a process where Keras runs on JAX."""
    path = tmp_path_factory.mktemp("jax") / "case.pickle"
    with subprocess.Popen(
        [sys.executable, "-m", "tests.backends.other_process"],
        cwd=ROOT,
        env=JAX,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:

        def ask(case):
            path.write_bytes(pickle.dumps(case))
            process.stdin.write(f"{path}\n")
            process.stdin.flush()
            assert process.stdout.readline() == "done\n", "the process with JAX has died"
            results = pickle.loads(path.with_name("case.pickle.results").read_bytes())
            assert not isinstance(results, str), f"under JAX:\n{results}"
            return results

        yield ask
        process.stdin.close()


def instance(cls):
    arguments = {key: value for key, value in ARGUMENTS.get(cls.__name__, {}).items() if key != "dtype"}
    if isinstance(arguments.get("depth"), int):  # the shallowest: both backends take long over a deep graph
        arguments["depth"] = cls.depths[0]
    return cls(**arguments)


def make_case(component):
    """What `calculate` takes.

    All components in inference; layers and heads in training too, where nothing is drawn at random, with gradients:
    whole networks take minutes to compile.
    """
    case = {"config": keras.saving.serialize_keras_object(component), "trainable": [], "others": []}
    if isinstance(component, keras.losses.Loss):
        teacher = getattr(component, "target", None) == "teacher"
        inputs = [FEATURES[::-1].copy() if teacher else LABELS, FEATURES]
        return {**case, "inputs": inputs, "calls": [{}], "gradients": True}
    inputs, call_kwargs = component_inputs(component)
    inputs = keras.tree.map_structure(lambda x: x.astype("float32") if x.dtype == "float64" else x, inputs)
    component(inputs, **call_kwargs)
    randomize(component)
    whole_network = isinstance(component, keras.Model)
    for layer in component.layers if whole_network else ():
        if isinstance(
            layer, NonLocal2D
        ):  # it cubes what it gets, and with random weights a few in a row overflow
            layer.norm.gamma.assign(0.01 * layer.norm.gamma)
    random = any("seed" in variable.path for variable in component.variables)
    calls = [call_kwargs]
    if "training" in inspect.signature(component.call).parameters and not (random or whole_network):
        calls.append({**call_kwargs, "training": True})
    return {
        **case,
        "inputs": inputs,
        "calls": calls,
        "trainable": [np.asarray(v) for v in component.trainable_variables],
        "others": [np.asarray(v) for v in component.non_trainable_variables],
        "gradients": not whole_network,
    }


@pytest.mark.parametrize("cls", public_classes())
def test_same_numbers(cls, calculate_with_jax):
    case = make_case(instance(cls))
    expected, found = calculate(case), calculate_with_jax(case)
    assert expected.keys() == found.keys()
    sizes = {name: np.linalg.norm(value.astype("float64")) for name, value in expected.items()}
    steepest = max((size for name, size in sizes.items() if name.startswith("gradient")), default=0)
    for name, value in expected.items():
        assert np.isfinite(value).all(), name
        assert (found[name].shape, found[name].dtype) == (value.shape, value.dtype), name
        # The gradient of a bias before a normalisation is what remains when large terms cancel.
        size = max(sizes[name], 0.01 * steepest) if name.startswith("gradient") else sizes[name]
        assert np.linalg.norm(found[name].astype("float64") - value) <= TOLERANCE * size, name


def test_modelling_code_needs_no_tensorflow():
    modules = ", ".join(f"keras_reid.{package}" for package in PACKAGES)
    code = f"import sys, keras, {modules}; assert 'tensorflow' not in sys.modules"
    process = subprocess.run([sys.executable, "-c", code], env=JAX, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
