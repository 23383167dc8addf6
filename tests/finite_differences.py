"""Gradients against central differences, in float64."""

import numpy as np
import tensorflow as tf

from tests.harness import gradients

# The truncation error of a central difference is of the order step², its rounding error of 1e-16 / step: with
# this step both are near 1e-10 of the function's size.
STEP = 1e-5
TOLERANCE = 1e-7
# Elements of an array that are tried, at random places; all where it has no more.
MOST_ELEMENTS = 25


def central_differences(function, values, places):
    """Derivatives of the number `function(*values)` by `values[i]` at the indices `places[i]` of its raveled form."""
    found = []
    for value, indices in zip(values, places, strict=True):
        flat = value.reshape(-1)
        derivative = []
        for index in indices:
            center = flat[index]
            sides = []
            for flat[index] in (center - STEP, center + STEP):
                sides.append(float(function(*values)))
            flat[index] = center
            derivative.append((sides[1] - sides[0]) / (2 * STEP))
        found.append(np.array(derivative))
    return found


def check_gradients(function, *values, held=None):
    """Asserts that the gradients of the number `function(*values)` are its central differences.

    Args:
        function: From float64 tensors to a float64 number.
        *values: Arrays, away from the function's kinks.
        held: The function whose differences are taken, where they are not those of `function` itself: one
            that holds at their values what `function` declares constant to the gradient.
    """
    values = [np.array(value, "float64") for value in values]
    generator = np.random.default_rng(0)
    places = [generator.permutation(value.size)[:MOST_ELEMENTS] for value in values]
    found = gradients(function, *values)
    if held is None:
        held = tf.function(function)  # it is called twice for each element
    np.testing.assert_allclose(float(held(*values)), float(function(*values)), rtol=1e-9, atol=1e-9)
    expected = central_differences(held, values, places)
    size = max(np.abs(difference).max() for difference in expected)
    assert size > 1e-4, "nothing to compare: the function is constant"
    for gradient, difference, indices in zip(found, expected, places, strict=True):
        assert gradient.dtype == "float64"
        np.testing.assert_allclose(
            gradient.reshape(-1)[indices], difference, rtol=TOLERANCE, atol=TOLERANCE * size
        )
