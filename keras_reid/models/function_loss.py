"""A user's function as a loss."""

from collections.abc import Callable
from typing import Any, Self

import keras

from keras_reid.utils.hints import Tensor


@keras.saving.register_keras_serializable(package="keras_reid")
class FunctionLoss(keras.Loss):
    """A user's function `(y_true, y_pred)` → `(batch,)` as a loss, under the function's name.

    It reads the logits, or what an attribute `reads` of the function names; with an attribute `target` of "teacher"
    `y_true` is the same output of a teacher. To be saved with a compiled model, the function must be registered with
    Keras.
    """

    def __init__(
        self, function: Callable[[Tensor, Tensor], Tensor], name: str | None = None, **kwargs: Any
    ) -> None:
        if not callable(function):
            raise ValueError(
                f"a loss must be a keras.Loss or a function of y_true and y_pred. Received: {function!r}"
            )
        super().__init__(name=name or getattr(function, "__name__", "loss"), **kwargs)
        self.function = function
        for attribute in ("reads", "target"):
            if hasattr(function, attribute):
                setattr(self, attribute, getattr(function, attribute))

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return self.function(y_true, y_pred)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "function": keras.saving.serialize_keras_object(self.function)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**{**config, "function": keras.saving.deserialize_keras_object(config["function"])})
