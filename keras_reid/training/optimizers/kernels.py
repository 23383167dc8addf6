"""The update of a variable as one operation, where the backend has one: TensorFlow's own kernels.

Adam written in `keras.ops` takes some 40 operations a variable. ResNet-50 has 161 variables, and the number of nodes
decides how long the graph of a training step takes to build and to optimise.
"""

import keras
import numpy as np


def one_operation(variable):
    """Whether a variable can be updated by the kernels here: on TensorFlow, in a dtype that holds β₂ = 0.999."""
    dtype = keras.backend.standardize_dtype(variable.dtype)
    return keras.backend.backend() == "tensorflow" and dtype in ("float32", "float64")


def as_the_kernel_has_it(beta, dtype):
    """β rounded to `dtype`, which is what the kernel subtracts from 1: the bias correction has to use the same."""
    return float(np.dtype(dtype).type(beta))


def adam(variable, mean, square, rate, beta_1, beta_2, epsilon, gradient):
    """`m ← β₁m + (1 − β₁)g`, `v ← β₂v + (1 − β₂)g²`, `w ← w − rate · m/(√v + ε)`.

    The kernel corrects the bias itself, by β₁ᵗ and β₂ᵗ. They are 0 here, since its 1 − β₂ᵗ would lose half the digits
    of the first updates: the correction belongs into `rate` and `epsilon`.

    Args:
        variable: w, a variable; so are `mean` (m) and `square` (v).
        rate, epsilon: scalars.
        beta_1, beta_2: floats.
        gradient: g, a tensor.
    """
    import tensorflow as tf

    def scalar(value):
        return tf.cast(value, gradient.dtype)

    gradient = tf.convert_to_tensor(gradient)
    tf.raw_ops.ResourceApplyAdam(
        var=_handle(variable),
        m=_handle(mean),
        v=_handle(square),
        beta1_power=scalar(0.0),
        beta2_power=scalar(0.0),
        lr=scalar(rate),
        beta1=scalar(beta_1),
        beta2=scalar(beta_2),
        epsilon=scalar(epsilon),
        grad=gradient,
        use_locking=True,
    )


def momentum(variable, buffer, rate, momentum, gradient, nesterov):
    """`b ← μb + g`, `w ← w − rate · b`; with Nesterov's momentum `w ← w − rate · (g + μb)`.

    Args:
        variable: w, a variable; so is `buffer` (b).
        rate: scalar.
        momentum: μ, a float.
        gradient: g, a tensor.
        nesterov: bool.
    """
    import tensorflow as tf

    gradient = tf.convert_to_tensor(gradient)
    tf.raw_ops.ResourceApplyMomentum(
        var=_handle(variable),
        accum=_handle(buffer),
        lr=tf.cast(rate, gradient.dtype),
        grad=gradient,
        momentum=tf.cast(momentum, gradient.dtype),
        use_nesterov=nesterov,
        use_locking=True,
    )


def _handle(variable):
    """TensorFlow's resource of a variable; in the update of a distribution strategy, the one of that device."""
    return (variable.value if isinstance(variable, keras.Variable) else variable).handle
