"""A head computes in its own type, at least float32, whatever the type of its inputs."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_reid import heads
from tests.component_inputs import component_inputs
from tests.harness import dtypes, randomize
from tests.test_components import ARGUMENTS

INPUTS = ("float16", "float32", "float64")


def made(name, dtype):
    arguments = {**ARGUMENTS[name], "classifier": None, "metric_feature": "before"}
    if name == "MultiGranularityHeads":
        arguments["pooling"] = None
    if name == "ReductionHead":
        arguments["dropout"] = 0.0
    return getattr(heads, name)(**arguments, dtype=dtype)


def cast(inputs, dtype):
    return keras.tree.map_structure(lambda x: x.astype("float16").astype(dtype), inputs)


@pytest.mark.parametrize("dtype", ["float64", "float32", "mixed_float16"])
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.medium] if name == "MultiGranularityHeads" else [])
        for name in heads.__all__
    ],
)
def test_outputs_have_its_type_and_the_values_of_double_precision(name, dtype):
    exact, head = made(name, "float64"), made(name, dtype)
    inputs, call_kwargs = component_inputs(exact)
    call_kwargs["training"] = True
    before = exact(cast(inputs, "float64"), **call_kwargs)
    head(cast(inputs, "float64"), **call_kwargs)
    randomize(exact)
    head.set_weights(exact.get_weights())
    expected = exact(cast(inputs, "float64"), **call_kwargs)
    assert any(
        np.any(np.asarray(a) != b) for a, b in zip(*map(keras.tree.flatten, (before, expected)), strict=True)
    )
    compiled = tf.function(lambda x: head(x, **call_kwargs))
    for kind in INPUTS:
        for call in (lambda x: head(x, **call_kwargs), compiled):
            outputs = call(keras.tree.map_structure(tf.constant, cast(inputs, kind)))
            assert dtypes(outputs) == {"float64" if dtype == "float64" else "float32"}, kind
            # Under mixed precision the poolings in front of a head round to half precision.
            tolerance = {"float64": 1e-12, "float32": 2e-4, "mixed_float16": 1e-2}[dtype]
            for found, right in zip(*map(keras.tree.flatten, (outputs, expected)), strict=True):
                np.testing.assert_allclose(found, right, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", heads.__all__)
def test_trains_in_double_precision(name):
    head = made(name, "float64")
    inputs, call_kwargs = component_inputs(head)
    with tf.GradientTape() as tape:
        outputs = head(cast(inputs, "float32"), **call_kwargs, training=True)
        loss = sum(tf.reduce_sum(x**2) for x in keras.tree.flatten(outputs))
    gradients = tape.gradient(loss, head.trainable_variables)
    assert {gradient.dtype.name for gradient in gradients} == {"float64"}
    assert all(np.isfinite(gradient).all() for gradient in gradients)
