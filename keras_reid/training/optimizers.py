"""Adam and SGD with weight decay as L2 in the gradient, and a bias correction that is right after freezing."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_reid")
class Adam(keras.optimizers.Adam):
    """Keras' Adam with two differences.

    - `l2` adds l2·w to the gradient, which the moments then see, as the recipes of re-identification mean their "weight
      decay" (PyTorch's Adam). Keras' own `weight_decay` is decoupled from the moments and stays available.
    - The bias correction 1 − βᵗ counts a variable's own updates t. With the optimizer's global counter, the first
      update of a backbone that was frozen for 2000 steps would be about three times too large.

    Args:
        learning_rate: a number or a schedule. Defaults to 1e-3.
        l2: L2 coefficient, 0 or more. Defaults to 0.
        **kwargs: as `keras.optimizers.Adam`, without `amsgrad`.

    Example:
        >>> model.compile(Adam(3.5e-4, l2=5e-4), losses=[...], freeze_backbone_steps=1000)

    Source: Kingma and Ba, Adam: a method for stochastic optimization, 2015.
    """

    def __init__(self, learning_rate=1e-3, l2=0.0, **kwargs):
        if kwargs.pop("amsgrad", False):
            raise ValueError("amsgrad is not supported by this Adam; use keras.optimizers.Adam.")
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.l2 = _check_l2(l2)

    def build(self, var_list):
        if self.built:
            return
        super().build(var_list)
        self._updates = [
            self.add_variable(shape=(), initializer="zeros", dtype="float32", name="updates")
            for _ in var_list
        ]

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        mean, square, updates = self._momentums[index], self._velocities[index], self._updates[index]
        gradient = ops.cast(gradient, variable.dtype) + self.l2 * variable
        self.assign_add(updates, 1.0)
        self.assign_add(mean, (gradient - mean) * (1.0 - self.beta_1))
        self.assign_add(square, (ops.square(gradient) - square) * (1.0 - self.beta_2))
        correction = ops.sqrt(1.0 - ops.power(self.beta_2, updates)) / (1.0 - ops.power(self.beta_1, updates))
        step_size = ops.cast(ops.cast(learning_rate, "float32") * correction, variable.dtype)
        self.assign_sub(variable, mean * step_size / (ops.sqrt(square) + self.epsilon))

    def get_config(self):
        return {**super().get_config(), "l2": self.l2}


@keras.saving.register_keras_serializable(package="keras_reid")
class SGD(keras.optimizers.SGD):
    """Keras' SGD with `l2`, which adds l2·w to the gradient, so that the momentum sees it.

    Args:
        learning_rate: a number or a schedule. Defaults to 0.01.
        l2: L2 coefficient, 0 or more. Defaults to 0.
        **kwargs: as `keras.optimizers.SGD`: `momentum`, `nesterov` and so on.

    Example:
        >>> model.compile(SGD(0.01, momentum=0.9, l2=5e-4), losses=[...])
    """

    def __init__(self, learning_rate=0.01, l2=0.0, **kwargs):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.l2 = _check_l2(l2)

    def update_step(self, gradient, variable, learning_rate):
        super().update_step(ops.cast(gradient, variable.dtype) + self.l2 * variable, variable, learning_rate)

    def get_config(self):
        return {**super().get_config(), "l2": self.l2}


def _check_l2(l2):
    if l2 < 0:
        raise ValueError(f"l2 must be 0 or more. Received: {l2!r}")
    return float(l2)
