"""The update of a variable as one operation, where the backend has one: TensorFlow's own kernels.

Adam written in `keras.ops` takes some 40 operations a variable. ResNet-50 has 161 variables, and the number of nodes
decides how long the graph of a training step takes to build and to optimise.
"""

from collections.abc import Sequence

import keras
import numpy as np

from keras_reid.utils.hints import Tensor


def one_operation(dtype: str) -> bool:
    """Whether variables can be updated by the kernels here: on TensorFlow, in a dtype that holds β₂ = 0.999."""
    return keras.backend.backend() == "tensorflow" and dtype in ("float32", "float64")


def as_the_kernel_has_it(beta: float, dtype: str) -> float:
    """β rounded to `dtype`, which is what the kernel subtracts from 1: the bias correction has to use the same."""
    return float(np.dtype(dtype).type(beta))


def adam(
    variables: Sequence[keras.Variable],
    means: Sequence[keras.Variable],
    squares: Sequence[keras.Variable],
    rates: Tensor,
    beta_1: float,
    beta_2: float,
    epsilons: Tensor,
    gradients: Sequence[Tensor],
) -> None:
    """`m ← β₁m + (1 − β₁)g`, `v ← β₂v + (1 − β₂)g²`, `w ← w − rate · m/(√v + ε)`.

    The kernel corrects the bias itself, by β₁ᵗ and β₂ᵗ. They are 0 here, since its 1 − β₂ᵗ would lose half the digits
    of the first updates: the correction belongs into `rates` and `epsilons`.

    Args:
        variables: of each w, all of one dtype; so are `means` (m) and `squares` (v).
        rates, epsilons: `(n,)`.
        beta_1, beta_2: floats.
        gradients: of each g, tensors of that dtype.
    """
    import tensorflow as tf

    dtype = variables[0].dtype
    zero, beta_1, beta_2 = (tf.constant(value, dtype) for value in (0.0, beta_1, beta_2))
    rates, epsilons = (tf.unstack(tf.cast(values, dtype)) for values in (rates, epsilons))
    for variable, mean, square, rate, epsilon, gradient in zip(
        variables, means, squares, rates, epsilons, gradients, strict=True
    ):
        tf.raw_ops.ResourceApplyAdam(
            var=_handle(variable),
            m=_handle(mean),
            v=_handle(square),
            beta1_power=zero,
            beta2_power=zero,
            lr=rate,
            beta1=beta_1,
            beta2=beta_2,
            epsilon=epsilon,
            grad=tf.convert_to_tensor(gradient),
            use_locking=True,
        )


def momentum(
    variables: Sequence[keras.Variable],
    buffers: Sequence[keras.Variable],
    rates: Tensor,
    momentum: float,
    gradients: Sequence[Tensor],
    nesterov: bool,
) -> None:
    """`b ← μb + g`, `w ← w − rate · b`; with Nesterov's momentum `w ← w − rate · (g + μb)`.

    Args:
        variables: of each w, all of one dtype; so are `buffers` (b).
        rates: `(n,)`.
        momentum: μ, a float.
        gradients: of each g, tensors of that dtype.
        nesterov: bool.
    """
    import tensorflow as tf

    dtype = variables[0].dtype
    momentum, rates = tf.constant(momentum, dtype), tf.unstack(tf.cast(rates, dtype))
    for variable, buffer, rate, gradient in zip(variables, buffers, rates, gradients, strict=True):
        tf.raw_ops.ResourceApplyMomentum(
            var=_handle(variable),
            accum=_handle(buffer),
            lr=rate,
            grad=tf.convert_to_tensor(gradient),
            momentum=momentum,
            use_nesterov=nesterov,
            use_locking=True,
        )


def _handle(variable):
    """TensorFlow's resource of a variable; in the update of a distribution strategy, the one of that device."""
    return (variable.value if isinstance(variable, keras.Variable) else variable).handle
