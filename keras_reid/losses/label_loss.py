"""What the losses share."""

from collections.abc import Callable

import keras
from keras import ops

from keras_reid.utils.hints import Tensor

# Stands for −∞ where a pair does not count: finite, so that no product or difference with it becomes NaN.
NEVER = -1e9


def check_rank(loss: keras.losses.Loss, y_pred: Tensor) -> None:
    """Raises ValueError unless `y_pred` is a matrix with one row a sample."""
    if len(y_pred.shape) != 2:
        raise ValueError(
            f"{type(loss).__name__} needs `y_pred` of shape (batch, dimensions). "
            f"Received: shape {tuple(y_pred.shape)}"
        )


def check_one_a_row(loss: keras.losses.Loss, y_true: Tensor, y_pred: Tensor) -> None:
    """Raises ValueError where a teacher's rows are not the student's: one row would be compared with all."""
    expected, received = y_pred.shape[0], y_true.shape[0]
    if None not in (expected, received) and expected != received:
        raise ValueError(
            f"{type(loss).__name__} compares the same images. Received: {received} rows of the teacher, {expected} of "
            "the student"
        )


def check_whole(loss: keras.losses.Loss, **arguments: float) -> None:
    """Raises ValueError unless each argument is a positive whole number."""
    for name, value in arguments.items():
        if not value > 0 or int(value) != value:
            raise ValueError(
                f"`{name}` of {type(loss).__name__} must be a positive whole number. Received: {name}={value!r}"
            )


def kept_variable(
    loss: keras.losses.Loss,
    name: str,
    shape: tuple[int, ...],
    dtype: str = "float32",
    initializer: str | Callable[..., Tensor] = "zeros",
) -> keras.Variable:
    """What a loss keeps from one step to the next."""
    # Of several devices each has the same memory; that of the first one's batch, unless the batch is gathered.
    return keras.Variable(
        initializer,
        shape=shape,
        dtype=dtype,
        trainable=False,
        aggregation="only_first_replica",
        name=f"{loss.name}_{name}",
    )


class LabelLoss(keras.losses.Loss):
    """A loss whose `y_true` are labels, one a sample, of any integer type.

    They reach `call` as they are. Keras would turn them into floats of the loss' type first, and float32 does not tell
    identities above 2²⁴ apart, float16 those above 2¹¹.

    A label that is none raises a ValueError where it is known; in a compiled step, where nothing can, the loss of its
    sample is NaN, and the gradients of the others are what they would be.
    """

    def labels_below(self, classes: int | None) -> int | None:
        """Labels are from 0 up to, not including, this number; None for any whole numbers.

        Args:
            classes: of the head, or None.
        """
        return None

    def __call__(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        if sample_weight is not None:
            _check_weights(self, sample_weight, y_pred)
        return _WithLabels(self, y_true)(y_pred, y_pred, sample_weight)


class _WithLabels(keras.losses.Loss):
    """What Keras does around a loss, with labels that it does not touch."""

    def __init__(self, loss, labels):
        super().__init__(name=loss.name, reduction=loss.reduction, dtype=loss.dtype)
        self.loss, self.labels = loss, labels

    def call(self, y_true, y_pred):
        return self.loss.call(self.labels, y_pred)


def _check_weights(loss, sample_weight, y_pred):
    shape = tuple(ops.convert_to_tensor(sample_weight).shape)
    rows = ops.convert_to_tensor(y_pred).shape[0]
    one_each = not shape or rows is None or shape[0] in (rows, 1, None)
    if not one_each or len(shape) > 2 or (len(shape) == 2 and shape[1] not in (1, None)):
        raise ValueError(
            f"`sample_weight` of {type(loss).__name__} must be one number a sample, of shape (batch,), or one for all. "
            f"Received: shape {shape} for {rows} samples"
        )


def same_and_other(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Masks `(batch, batch)` of the pairs of one identity, a sample with itself included, and of two."""
    same = ops.expand_dims(labels, 1) == ops.expand_dims(labels, 0)
    return same, ops.logical_not(same)
