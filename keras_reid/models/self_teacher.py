"""A teacher that is the moving average of its student."""

import keras
from keras import ops

from keras_reid.utils.hints import Tensor


class SelfTeacher:
    """A copy of a student whose weights and moving statistics follow the student's: their exponential moving average.

    `θ_teacher ← m · θ_teacher + (1 − m) · θ_student` after every step t, with m = min(momentum, (1 + t) / (10 + t)), so
    that the random weights it began with are soon forgotten.

    A plain class on purpose, so that Keras does not take the copy for a part of the model.

    Args:
        student: a `ReIDModel`, which can be made again from its config.
        momentum: in [0, 1).
    """

    def __init__(self, student: keras.Model, momentum: float) -> None:
        self.momentum = momentum
        self.model = type(student).from_config(student.get_config())
        self.model.set_weights(student.get_weights())
        self._pairs = [
            (mine, students)
            for mine, students in zip(self.model.variables, student.variables, strict=True)
            if "float" in mine.dtype
        ]

    @property
    def state_variables(self) -> list[keras.Variable]:
        """What a checkpoint needs."""
        return [mine for mine, _ in self._pairs]

    def follow(self, step: Tensor) -> None:
        """Moves it towards the student.

        Args:
            step: updates that the student has had, a scalar tensor, 1 or more.
        """
        step = ops.cast(step, "float32")
        rest = 1.0 - ops.minimum(self.momentum, (1.0 + step) / (10.0 + step))
        for mine, students in self._pairs:
            old = ops.convert_to_tensor(mine)
            difference = ops.convert_to_tensor(students) - old
            mine.assign(old + ops.cast(rest, old.dtype) * difference)
