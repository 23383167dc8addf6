"""Adam with weight decay as L2 in the gradient, and a bias correction that is right after freezing."""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_reid.training.optimizers import kernels
from keras_reid.training.optimizers.parameter_rule import ParameterRule
from keras_reid.training.optimizers.ruled_optimizer import LearningRate, RuledOptimizer
from keras_reid.utils.hints import Tensor
from keras_reid.utils.keras_internals import adam_moments


@keras.saving.register_keras_serializable(package="keras_reid")
class Adam(RuledOptimizer, keras.optimizers.Adam):
    """Keras' Adam, with the differences below.

    With g the gradient plus l2·w, `m ← β₁m + (1 − β₁)g`, `v ← β₂v + (1 − β₂)g²`,
    `w ← w − rate · m/(1 − β₁ᵗ) / (√(v/(1 − β₂ᵗ)) + ε)`.

    - `l2` adds l2·w to the gradient, which the moments then see, as the recipes of re-identification mean their "weight
      decay" (PyTorch's Adam). Keras' own `weight_decay` is decoupled from the moments and stays available: with it and
      `l2=0` this is AdamW.
    - `rules` give learning rate and decay of some variables apart.
    - The bias correction counts a variable's own updates t. With the optimizer's global counter, the first update of a
      backbone that was frozen for 2000 steps would be about three times too large.
    - ε is added to the corrected root, as in the paper and in PyTorch.

    Args:
        learning_rate: a number or a schedule. Defaults to 1e-3.
        l2: L2 coefficient, 0 or more. Defaults to 0.
        rules: `ParameterRule`s.
        epsilon: ε. Defaults to 1e-8.
        **kwargs: as `keras.optimizers.Adam`, without `amsgrad`: `weight_decay`, `clipnorm`, `global_clipnorm`,
            `clipvalue`, `gradient_accumulation_steps`, `use_ema` and so on. Clipping comes before L2, as in PyTorch.

    Raises:
        ValueError: if `l2` or a decay is negative, or a rule matches no variable (when it is built).

    Memory: two numbers for each of the variables; one more each with accumulation and with the moving average.

    Example:
        >>> model.compile(Adam(3.5e-4, l2=5e-4), losses=[...], freeze_backbone_steps=1000)

    Source: Kingma and Ba, Adam: a method for stochastic optimization, 2015; Loshchilov and Hutter, Decoupled weight
    decay regularization, 2019.
    """

    def __init__(
        self,
        learning_rate: LearningRate = 1e-3,
        l2: float = 0.0,
        rules: Sequence[ParameterRule] = (),
        epsilon: float = 1e-8,
        **kwargs: Any,
    ) -> None:
        if kwargs.pop("amsgrad", False):
            raise ValueError("amsgrad is not supported by this Adam; use keras.optimizers.Adam.")
        super().__init__(learning_rate, l2, rules, epsilon=epsilon, **kwargs)

    def build(self, variables: Sequence[keras.Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        self._updates = [
            self.add_variable(shape=(), initializer="zeros", dtype="float32", name="updates")
            for _ in variables
        ]

    def move(
        self,
        gradients: Sequence[Tensor],
        variables: Sequence[keras.Variable],
        rates: Tensor,
        indices: Sequence[int],
    ) -> None:
        means, squares = zip(*(adam_moments(self, index) for index in indices), strict=True)
        updates = [self._updates[index] for index in indices]
        one = ops.convert_to_tensor(1.0, "float32")
        for count in updates:
            self.assign_add(count, one)
        counts = ops.stack([ops.cast(count, "float32") for count in updates])
        dtype = keras.backend.standardize_dtype(variables[0].dtype)
        if kernels.one_operation(dtype):
            beta_1, beta_2 = (
                kernels.as_the_kernel_has_it(beta, dtype) for beta in (self.beta_1, self.beta_2)
            )
            first, second = _correction(beta_1, counts), _correction(beta_2, counts)
            roots = ops.sqrt(second)
            # rate/first · m/(√v/root + ε) is rate/first · root · m/(√v + ε · root).
            kernels.adam(
                variables,
                means,
                squares,
                rates / first * roots,
                beta_1,
                beta_2,
                self.epsilon * roots,
                gradients,
            )
            return
        rates = ops.unstack(ops.cast(rates / _correction(self.beta_1, counts), dtype))
        roots = ops.unstack(ops.cast(ops.sqrt(_correction(self.beta_2, counts)), dtype))
        for gradient, variable, mean, square, rate, root in zip(
            gradients, variables, means, squares, rates, roots, strict=True
        ):
            self.assign_add(mean, (gradient - mean) * (1.0 - self.beta_1))
            self.assign_add(square, (ops.square(gradient) - square) * (1.0 - self.beta_2))
            self.assign_sub(variable, rate * mean / (ops.sqrt(square) / root + self.epsilon))


def _correction(beta, updates):
    """1 − βᵗ, without the cancellation that would cost half the digits of the first updates."""
    return -ops.expm1(updates * math.log(beta)) if beta else ops.ones_like(updates)
