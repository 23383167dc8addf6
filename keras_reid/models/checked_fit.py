"""`fit` that checks labels and callbacks before the first step."""

from typing import Any

import keras

from keras_reid.training.schedules import beside_warm_up
from keras_reid.utils.errors import UserError


class CheckedFit(keras.Model):
    """What `TrainingModel` checks: labels, and callbacks that set the learning rate."""

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """As `keras.Model.fit`.

        Labels in arrays are checked before the first step. In a data set, a batch with a label that is not a class
        changes nothing, and ends the training after the first step or at the end of the epoch. A loss that reads no
        class scores, such as `TripletLoss`, takes any whole numbers.

        `ReduceLROnPlateau` and `LearningRateScheduler` read and set the rate that a warm-up rises to.

        Raises:
            ValueError: if a label in an array is not a class; or if one of these callbacks is given and the
                learning rate is a schedule.
            UserError: if a label in a data set is not a class, with the label, its row and the step.
        """
        self.check_compiled()
        self._check_labels(y)
        if isinstance(validation_data, (tuple, list)) and len(validation_data) > 1:
            self._check_labels(validation_data[1])
        if not isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks = [callbacks] if callable(getattr(callbacks, "set_model", None)) else callbacks or []
            callbacks = [*beside_warm_up(self.optimizer, callbacks), _LabelLook()]
        return super().fit(
            x,
            y,
            batch_size,
            epochs,
            verbose,
            callbacks,
            validation_split,
            validation_data,
            **kwargs,
        )

    def evaluate(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """As `keras.Model.evaluate`. Labels in arrays are checked first, as by `fit`."""
        self._check_labels(y)
        return super().evaluate(x, y, *args, **kwargs)

    def _check_labels(self, labels):
        if self._terms is not None:
            self._terms.check_labels(labels, self.classes)


class _LabelLook(keras.callbacks.Callback):
    """Ends a training in which a batch had a label that is not a class: after the first step, or after an epoch.

    Such a step changes nothing, because its loss is NaN. The check waits for the running step to end.

    Raises:
        UserError: from `fit`, with the label, its row and the step.
    """

    def on_train_begin(self, logs=None):
        self._looked = False

    def on_train_batch_end(self, batch, logs=None):
        if not self._looked:
            self._look()
        self._looked = True

    def on_epoch_end(self, epoch, logs=None):
        self._look()

    def _look(self):
        found = self.model.nonfinite
        if found is not None and found.wrong_label:
            raise UserError(found.wrong_label)
