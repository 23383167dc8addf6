import keras
import numpy as np
import pytest

from keras_reid.checkpoints import fill, model_targets, named
from keras_reid.utils.errors import UserError


def network():
    images = keras.Input((8, 4, 3))
    x = keras.layers.Conv2D(2, 1, use_bias=False, name="conv1")(images)
    return keras.Model(images, keras.layers.BatchNormalization(name="bn1")(x))


def state(**changes):
    found = {"conv1.weight": np.full((2, 3, 1, 1), 5.0)}
    found |= {f"bn1.{part}": np.full(2, 5.0) for part in ("weight", "bias", "running_mean", "running_var")}
    return found | {name.replace("__", "."): value for name, value in changes.items()}


def test_values_of_any_real_type():
    model = network()
    own = state(bn1__bias=np.array([1, 2], "int8"), bn1__weight=np.array([1, 2], "float16"))
    assert fill(model_targets(model), named(own), model.weights).complete
    np.testing.assert_array_equal(model.layers[-1].beta, [1, 2])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.array([1.0, np.nan]), "has values that are infinite or not a number"),
        (np.array([1.0, -np.inf]), "has values that are infinite or not a number"),
        (np.array([1.0, 1e300]), "has values that are infinite or not a number"),
        (np.array([1.0, 1j]), "must hold real numbers. Received: complex128"),
        (np.array(["a", "b"]), "must hold real numbers. Received: <U1"),
        (np.array([True, False]), "must hold real numbers. Received: bool"),
        (np.array([1.0, -1e-3]), "has negative values, and must be variances"),
    ],
)
def test_values_that_no_network_has(value, message):
    model = network()
    before = [np.array(variable) for variable in model.weights]
    with pytest.raises(UserError, match=rf"'bn1\.running_var' {message}"):
        fill(model_targets(model), named(state(bn1__running_var=value)), model.weights)
    for variable, old in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(variable, old)  # nothing half filled


def test_two_names_of_a_weight():
    both = {"conv1.weight": np.ones(3), "module.conv1.weight": np.zeros(3)}
    with pytest.raises(
        UserError, match=r"'conv1\.weight' and 'module\.conv1\.weight' are two names of the same"
    ):
        named(both)
    with pytest.raises(UserError, match="two names"):
        named({"a": np.ones(3), "b": np.ones(3)}, rename=lambda name: "same")
