"""Training that has diverged is stopped, and says where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras

from keras_reid.training.callbacks.checkpoints import ADVICE
from keras_reid.training.callbacks.state import divergence, wrong_label
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.training.callbacks.checkpoints import Checkpoints


class NaNGuard(keras.callbacks.Callback):
    """Stops the training when a loss, a weight or a moving statistic is NaN or infinite.

    The message names the loss term, the step, the learning rate and the identities of the batch, where the model keeps
    them (`ReIDModel.nonfinite`); or the label that is not a class, with its row, if that is the reason. A check
    waits for the running step to end, so it is done every ten steps, and at the end of an epoch, when all variables are
    checked too. Nothing is lost by those steps: `Checkpoints` checks for itself and never saves a diverged training.

    Args:
        checkpoints: a `Checkpoints`, to say which one is left.
        names: of the classes, by their numbers.
        every: steps between checks.

    Raises:
        UserError: from `fit`.

    Example:
        >>> model.fit(batches, callbacks=[NaNGuard(), Checkpoints("checkpoints")])
    """

    def __init__(
        self, checkpoints: Checkpoints | None = None, names: Sequence[str] | None = None, every: int = 10
    ) -> None:
        super().__init__()
        self.checkpoints, self.names, self.every = checkpoints, names, every

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if (batch + 1) % self.every == 0:
            self._check(logs, variables=False)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._check(logs, variables=True)

    def _check(self, logs, variables):
        wrong = divergence(self.model, logs, variables, self.names)
        if wrong:
            kept = f" {self.checkpoints.kept()}" if self.checkpoints else ""
            if label := wrong_label(self.model):
                raise UserError(label + kept)
            raise UserError(f"the training diverged: {wrong}.{kept} {ADVICE}")
