"""A user's function as a loss."""

import keras


@keras.saving.register_keras_serializable(package="keras_reid")
class FunctionLoss(keras.Loss):
    """A user's function `(y_true, y_pred)` → `(batch,)` as a loss, under the function's name.

    It reads the logits, or what an attribute `reads` of the function names; with an attribute `target` of "teacher"
    `y_true` is the same output of a teacher. To be saved with a compiled model, the function must be registered with
    Keras.
    """

    def __init__(self, function, name=None, **kwargs):
        if not callable(function):
            raise ValueError(
                f"a loss must be a keras.Loss or a function of y_true and y_pred. Received: {function!r}"
            )
        super().__init__(name=name or getattr(function, "__name__", "loss"), **kwargs)
        self.function = function
        for attribute in ("reads", "target"):
            if hasattr(function, attribute):
                setattr(self, attribute, getattr(function, attribute))

    def call(self, y_true, y_pred):
        return self.function(y_true, y_pred)

    def get_config(self):
        return {**super().get_config(), "function": keras.saving.serialize_keras_object(self.function)}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "function": keras.saving.deserialize_keras_object(config["function"])})
