"""SGD with weight decay as L2 in the gradient."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_reid.training.optimizers import kernels
from keras_reid.training.optimizers.parameter_rule import ParameterRule
from keras_reid.training.optimizers.ruled_optimizer import LearningRate, RuledOptimizer
from keras_reid.utils.hints import Tensor


@keras.saving.register_keras_serializable(package="keras_reid")
class SGD(RuledOptimizer, keras.optimizers.SGD):
    """Keras' SGD, with the differences below.

    With g the gradient plus l2·w and μ the momentum, `b ← μb + g`, `w ← w − rate · b`; with Nesterov's momentum
    `w ← w − rate · (g + μb)`.

    - `l2` adds l2·w to the gradient, so that the momentum sees it. Keras' own `weight_decay` is decoupled.
    - `rules` give learning rate and decay of some variables apart.
    - The learning rate stands outside the momentum, as in PyTorch, whose recipes these are. Keras' form,
      `b ← μb − rate · g`, is the same while the rate is constant. Where a schedule lowers it tenfold, Keras goes on for
      some ten steps at the old pace.

    Args:
        learning_rate: a number or a schedule. Defaults to 0.01.
        l2: L2 coefficient, 0 or more. Defaults to 0.
        rules: `ParameterRule`s.
        **kwargs: as `keras.optimizers.SGD`: `momentum`, `nesterov`, `weight_decay`, `clipnorm`, `global_clipnorm`,
            `clipvalue`, `gradient_accumulation_steps`, `use_ema` and so on. Clipping comes before L2, as in PyTorch.

    Raises:
        ValueError: if `l2` or a decay is negative, or a rule matches no variable (when it is built).

    Example:
        >>> model.compile(SGD(0.01, momentum=0.9, l2=5e-4), losses=[...])

    Source: Sutskever et al., On the importance of initialization and momentum in deep learning, 2013.
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.01,
        l2: float = 0.0,
        rules: Sequence[ParameterRule] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, l2, rules, **kwargs)

    def move(
        self,
        gradients: Sequence[Tensor],
        variables: Sequence[keras.Variable],
        rates: Tensor,
        indices: Sequence[int],
    ) -> None:
        dtype = keras.backend.standardize_dtype(variables[0].dtype)
        if self.momentum and kernels.one_operation(dtype):
            buffers = [self.momentums[index] for index in indices]
            kernels.momentum(variables, buffers, rates, self.momentum, gradients, self.nesterov)
            return
        rates = ops.unstack(ops.cast(rates, dtype))
        for gradient, variable, rate, index in zip(gradients, variables, rates, indices, strict=True):
            if self.momentum:
                buffer = self.momentums[index]
                self.assign(buffer, self.momentum * buffer + gradient)
                gradient = gradient + self.momentum * buffer if self.nesterov else buffer
            self.assign_sub(variable, rate * gradient)
