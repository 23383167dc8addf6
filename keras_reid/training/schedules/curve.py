"""The learning rate of an optimizer over its steps."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.optimizers.schedules import LearningRateSchedule
from numpy.typing import NDArray

from keras_reid.training.schedules.warm_up import SettableRate
from keras_reid.utils.keras_internals import learning_rate_source


def learning_rates(optimizer: keras.Optimizer, steps: Sequence[int] | NDArray[Any]) -> NDArray[np.float32]:
    """The learning rates with which a compiled optimizer makes its updates.

    Args:
        optimizer: a Keras optimizer, best that of a compiled model, which has its warm-up.
        steps: ints `(n,)`, 0-based updates.

    Returns:
        float32 `(n,)`.

    Example:
        >>> learning_rates(model.optimizer, [0, 1000, 2000])  # doctest: +SKIP
        array([3.5e-05, 1.925e-04, 3.5e-04], dtype=float32)
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)  # of a LossScaleOptimizer
    rate = learning_rate_source(inner)
    if isinstance(rate, SettableRate):
        rate = rate.schedule
    if not isinstance(rate, LearningRateSchedule):
        return np.full(len(steps), float(optimizer.learning_rate), "float32")
    # Keras hands a schedule the number of the batch, and updates with the last one that it accumulates.
    batches = inner.gradient_accumulation_steps or 1
    steps = (np.asarray(steps, "int64") + 1) * batches - 1
    # One by one, as in training: a schedule of the user's own need not take an array.
    one = {"fn": lambda step: tf.cast(rate(step), tf.float32), "fn_output_signature": tf.float32}
    return tf.function(lambda: tf.map_fn(elems=steps, **one))().numpy()
