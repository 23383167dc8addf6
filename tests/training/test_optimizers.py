import keras
import numpy as np
import pytest

from keras_reid.training import SGD, Adam


def _variable(value=(1.0, -2.0)):
    return keras.Variable(np.array(value, "float32"))


def _torch_adam(value, gradients, rate, l2, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
    """Adam with L2 in the gradient, written out."""
    mean = square = np.zeros_like(value)
    for t, gradient in enumerate(gradients, 1):
        gradient = gradient + l2 * value
        mean = beta_1 * mean + (1 - beta_1) * gradient
        square = beta_2 * square + (1 - beta_2) * gradient**2
        value = value - rate * (mean / (1 - beta_1**t)) / (np.sqrt(square / (1 - beta_2**t)) + epsilon)
    return value


def test_adam_adds_l2_to_the_gradient():
    gradients = np.random.default_rng(0).normal(size=(5, 2))
    variable = _variable()
    optimizer = Adam(0.01, l2=0.1, epsilon=1e-8)
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient, "float32")], [variable])
    expected = _torch_adam(np.array([1.0, -2.0]), gradients, 0.01, 0.1)
    np.testing.assert_allclose(np.asarray(variable), expected, rtol=1e-5)


def test_adam_without_l2_equals_keras():
    variables = _variable(), _variable()
    optimizers = Adam(0.01), keras.optimizers.Adam(0.01)
    for step in range(4):
        for variable, optimizer in zip(variables, optimizers, strict=True):
            optimizer.apply([keras.ops.array([0.1 * step, -1.0])], [variable])
    np.testing.assert_allclose(np.asarray(variables[0]), np.asarray(variables[1]), rtol=1e-6)


def test_adam_corrects_the_bias_by_a_variables_own_updates():
    early, late = _variable([0.0]), _variable([0.0])
    optimizer = Adam(0.01)
    optimizer.build([early, late])
    gradient = keras.ops.array([1.0])
    for _ in range(200):
        optimizer.apply([gradient], [early])
    optimizer.apply([gradient, gradient], [early, late])
    # The first update of Adam is the learning rate times the sign of the gradient.
    np.testing.assert_allclose(np.asarray(late), [-0.01], rtol=1e-4)


def test_sgd_adds_l2_before_the_momentum():
    variable, velocity, value = _variable([1.0]), 0.0, 1.0
    optimizer = SGD(0.1, momentum=0.9, l2=0.5)
    for _ in range(3):
        optimizer.apply([keras.ops.array([0.2])], [variable])
        velocity = 0.9 * velocity - 0.1 * (0.2 + 0.5 * value)
        value += velocity
    np.testing.assert_allclose(np.asarray(variable), [value], rtol=1e-6)


@pytest.mark.parametrize("optimizer", [Adam(0.02, l2=0.1), SGD(0.02, momentum=0.5, nesterov=True, l2=0.1)])
def test_round_trip(optimizer):
    copy = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert copy.get_config() == optimizer.get_config()
    assert copy.l2 == pytest.approx(0.1)


def test_bad_arguments():
    with pytest.raises(ValueError, match="l2 must be 0 or more"):
        Adam(l2=-1)
    with pytest.raises(ValueError, match="amsgrad"):
        Adam(amsgrad=True)
