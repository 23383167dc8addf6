"""Gradients of the layers, to their input and their weights, against finite differences, in float64."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_reid import layers
from tests.component_inputs import component_inputs
from tests.finite_differences import check_gradients
from tests.harness import randomize
from tests.test_components import ARGUMENTS

VARIANTS = {
    "AttentionPooling2D": [{}, {"channel_wise": True}],
    "GeMPooling2D": [{"p": 2.5}],
}
# Checked with the statistics of the batch, too.
NORMALISING = ("IBN", "NeckNormalization", "NonLocal2D")


def cases():
    for name in layers.__all__:
        for arguments in VARIANTS.get(name, [ARGUMENTS.get(name, {})]):
            label = f"{name} {arguments}" if name in VARIANTS else name
            yield pytest.param(name, arguments, {}, id=label)
            if name in NORMALISING:
                yield pytest.param(name, arguments, {"training": True}, id=f"{label} training")


def with_inputs(name, arguments):
    """A built layer, an input, and the keyword arguments of a call."""
    layer = getattr(layers, name)(**arguments, dtype="float64")
    x, call_kwargs = component_inputs(layer)
    layer.build(x.shape)
    randomize(layer)
    return layer, x, call_kwargs


def as_function(layer, call_kwargs):
    """`layer` as a function of its input and of its trainable weights: the sum of all outputs, each times a factor.

    The factors differ, for the plain sum of a normalised output is constant.
    """
    others = [np.asarray(v) for v in layer.non_trainable_variables]

    def function(x, *weights):
        y, _ = layer.stateless_call(list(weights), others, x, **call_kwargs)
        factors = np.random.default_rng(1)
        return sum(
            tf.reduce_sum(part * factors.uniform(0.5, 2, part.shape)) for part in keras.tree.flatten(y)
        )

    return function


@pytest.mark.parametrize(("name", "arguments", "training"), list(cases()))
def test_gradient(name, arguments, training):
    layer, x, call_kwargs = with_inputs(name, arguments)
    if name == "CircleSoftmax":  # with labels below
        call_kwargs = {}
    weights = [np.asarray(v) for v in layer.trainable_variables]
    check_gradients(as_function(layer, {**call_kwargs, **training}), x, *weights)


def test_gradient_of_circle_softmax_with_constant_weights():
    """`scale · α_p (z − (1 − m))` at the label and `scale · α_n (z − m)` elsewhere: the step moves z, not α."""
    scale, margin = 8.0, 0.35
    layer, x, call_kwargs = with_inputs("CircleSoftmax", {"num_classes": 5, "scale": scale, "margin": margin})
    weights = np.asarray(layer.kernel)

    def cosines(x, weights):
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
        return x @ (weights / np.linalg.norm(weights, axis=0))

    at_point = cosines(x, weights)
    alpha_p, alpha_n = np.maximum(1 + margin - at_point, 0), np.maximum(at_point + margin, 0)
    is_target = call_kwargs["labels"][:, None] == np.arange(5)
    factors = np.random.default_rng(1).uniform(0.5, 2, (4, 5))

    def held(x, weights):
        z = cosines(x, weights)
        logits = scale * np.where(is_target, alpha_p * (z - (1 - margin)), alpha_n * (z - margin))
        return np.sum(factors * logits)

    check_gradients(as_function(layer, call_kwargs), x, weights, held=held)
