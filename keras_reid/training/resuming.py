"""Keras' `fit` from any step on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import keras

from keras_reid.training.callbacks.averaged import inner_optimizer

if TYPE_CHECKING:
    from keras_reid.training.callbacks.checkpoints import Position


def fit_from(
    model: keras.Model,
    batches_from: Callable[[int, int], Any],
    position: Position | tuple[int, int],
    epochs: int,
    steps_per_epoch: int,
    callbacks: Iterable[keras.callbacks.Callback] = (),
    renewed: bool = False,
) -> bool:
    """`model.fit` that begins in the middle of an epoch, where `Checkpoints.restore` says.

    Keras' `fit` begins with an epoch. So the rest of a begun epoch is a separate `fit` with the same callbacks. It
    leaves out what Keras does at the end of a training: replacing the weights by their moving average.

    Args:
        model: compiled.
        batches_from: `batches_from(epoch, step)` → the `tf.data.Dataset` of batches from that step of that epoch on.
        position: `(epochs, steps)` that are done.
        epochs: the epoch to stop before.
        steps_per_epoch: of a whole epoch.
        callbacks: of Keras.
        renewed: whether `batches_from` is called at the beginning of every epoch, when the one before is done, because
            its batches depend on what was learnt; each epoch is then a `fit`, and it gives the batches of that epoch.

    Returns:
        Whether anything was left to do.

    Example:
        >>> position = checkpoints.restore(model)
        >>> fit_from(model, batches_from, position, epochs=60, steps_per_epoch=258, callbacks=[checkpoints])
    """
    epoch, step = position
    options = {"epochs": epochs, "verbose": 0, "shuffle": False}  # the batches come in their order
    if epoch >= epochs:
        return False
    while step or (renewed and epoch + 1 < epochs):
        rest = _RestOfEpoch()
        left = {"initial_epoch": epoch, "steps_per_epoch": steps_per_epoch - step}
        model.fit(batches_from(epoch, step), callbacks=[*callbacks, rest], **left, **options)
        if rest.was_last:
            return True
        epoch, step = epoch + 1, 0
    left = {"initial_epoch": epoch, "steps_per_epoch": steps_per_epoch}
    model.fit(batches_from(epoch, 0), callbacks=list(callbacks), **left, **options)
    return True


class _RestOfEpoch(keras.callbacks.Callback):
    """Ends a `fit` after its first epoch, if the training goes on."""

    def on_epoch_end(self, epoch, logs=None):
        self.was_last = self.model.stop_training or epoch + 1 == self.params["epochs"]
        if not self.was_last:
            self.model.stop_training = True
            optimizer = inner_optimizer(self.model)
            # Keras asks for this attribute before it replaces the weights; the step, compiled already, does not.
            self._use_ema, optimizer.use_ema = getattr(optimizer, "use_ema", False), False

    def on_train_end(self, logs=None):
        if not self.was_last:
            inner_optimizer(self.model).use_ema = self._use_ema
