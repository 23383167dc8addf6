"""The loss terms of a compiled model: who reads what, how they add up, and what is logged."""

import keras
from keras import ops


class LossTerms:
    """Several losses over the outputs of one head. Where it gives a list of outputs, of branches, a loss is the mean.

    A plain class on purpose: Keras saves what it can reach from a model's attributes, and running means of a training
    run are no part of a model.

    Args:
        losses: Keras losses, or functions `(y_true, y_pred)` → `(batch,)`; each has a name, under which it is
            logged, and may have `reads`.
        weights: a number for each; 1 each if `None`.
    """

    def __init__(self, losses, weights=None):
        losses = [losses] if callable(losses) else losses
        self.losses = [loss if isinstance(loss, keras.Loss) else FunctionLoss(loss) for loss in losses]
        if not self.losses:
            raise ValueError(
                "losses must hold at least one loss, for example [keras_reid.losses.CrossEntropy()]."
            )
        self.weights = [1.0] * len(self.losses) if weights is None else [float(weight) for weight in weights]
        if len(self.weights) != len(self.losses):
            raise ValueError(
                f"loss_weights must have one number a loss. Received: {len(self.weights)} for {len(self.losses)}"
            )
        names = _distinct([loss.name for loss in self.losses])
        self._means = [keras.metrics.Mean(name=name) for name in names]
        self._accuracy = keras.metrics.Mean(name="accuracy")
        self._values = []

    @property
    def trackers(self):
        """The metrics: a running mean for each weighted term, and the accuracy of the scores (without margin)."""
        return [*self._means, self._accuracy]

    def total(self, identities, outputs, sample_weight=None):
        """The weighted sum of the terms, float32 ()."""
        self._values = []
        for loss, weight in zip(self.losses, self.weights, strict=True):
            predictions = outputs[getattr(loss, "reads", "logits")]
            if not isinstance(predictions, (list, tuple)):
                predictions = [predictions]
            values = [
                ops.cast(loss(identities, ops.cast(x, "float32"), sample_weight=sample_weight), "float32")
                for x in predictions
            ]
            self._values.append(sum(values[1:], values[0]) * (weight / len(values)))
        return sum(self._values[1:], self._values[0])

    def update(self, identities, outputs, count, replicas=1):
        """Adds the terms of the last `total` and the accuracy of a batch of `count` images to the running means.

        Keras divides a loss by the number of replicas, whose gradients it sums; what is logged is the undivided value.
        """
        for mean, value in zip(self._means, self._values, strict=True):
            mean.update_state(value * replicas, sample_weight=count)
        correct = ops.equal(ops.argmax(outputs["scores"], axis=-1), ops.cast(identities, "int32"))
        self._accuracy.update_state(ops.cast(correct, "float32"))


@keras.saving.register_keras_serializable(package="keras_reid")
class FunctionLoss(keras.Loss):
    """A user's function `(y_true, y_pred)` → `(batch,)` as a loss, under the function's name.

    It reads the logits, or what an attribute `reads` of the function names. To be saved with a compiled model, the
    function must be registered with Keras.
    """

    def __init__(self, function, name=None, **kwargs):
        if not callable(function):
            raise ValueError(
                f"a loss must be a keras.Loss or a function of y_true and y_pred. Received: {function!r}"
            )
        super().__init__(name=name or getattr(function, "__name__", "loss"), **kwargs)
        self.function = function
        self.reads = getattr(function, "reads", "logits")

    def call(self, y_true, y_pred):
        return self.function(y_true, y_pred)

    def get_config(self):
        return {**super().get_config(), "function": keras.saving.serialize_keras_object(self.function)}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "function": keras.saving.deserialize_keras_object(config["function"])})


def _distinct(names):
    """`["triplet", "triplet"]` → `["triplet", "triplet_2"]`."""
    seen = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return result
