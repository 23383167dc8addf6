"""Checkpoints that are whole or not there."""

import hashlib
import json
from pathlib import Path

import keras
import numpy as np

from keras_reid.errors import UserError
from keras_reid.files import write_json, written_aside

KEPT = 2


class Checkpoints(keras.callbacks.Callback):
    """Saves the whole state of a training run every few epochs, so that it continues to the bit.

    The state is every variable of the model (weights, moving statistics, random states) and of the optimizer (step
    counter, moments). A checkpoint is written aside and renamed; `manifest.json` names the newest two with their
    SHA-256, so that a damaged newest one is passed over.

    Args:
        directory: where; created if need be.
        every: epochs between checkpoints. The last epoch is always saved.
        fingerprint: a string that says what is trained on; a checkpoint with another one is refused.

    Example:
        >>> checkpoints = Checkpoints("runs/mine/checkpoints")
        >>> first_epoch = checkpoints.restore(model)
        >>> model.fit(batches, initial_epoch=first_epoch, callbacks=[checkpoints])
    """

    def __init__(self, directory, every=1, fingerprint=""):
        super().__init__()
        self.directory = Path(directory)
        self.every = every
        self.fingerprint = fingerprint

    def on_epoch_end(self, epoch, logs=None):
        done = epoch + 1
        if done % self.every == 0 or done == self.params["epochs"]:
            self.save(self.model, done)

    def save(self, model, epochs_done):
        """Saves the state of a model after that many epochs."""
        file = self.directory / f"epoch_{epochs_done:04d}.npz"
        with written_aside(file) as aside:
            np.savez(aside, **{name: np.asarray(variable) for name, variable in _state(model)})
            digest = _digest(aside)
        entry = {
            "file": file.name,
            "epochs_done": epochs_done,
            "sha256": digest,
            "fingerprint": self.fingerprint,
        }
        others = [other for other in self._entries() if other["file"] != file.name]
        write_json(self.directory / "manifest.json", {"checkpoints": [entry, *others[: KEPT - 1]]})
        for other in others[KEPT - 1 :]:
            (self.directory / other["file"]).unlink(missing_ok=True)

    def restore(self, model):
        """Puts the newest whole checkpoint into a compiled model.

        Returns:
            How many epochs were done: 0 if there is no checkpoint yet.

        Raises:
            UserError: if there are checkpoints and none of them is whole, or one is of another model.
        """
        for leftover in self.directory.glob(".*.part*"):
            leftover.unlink()  # of a process that was killed while it wrote
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        entries = self._entries()
        for entry in entries:
            if entry["fingerprint"] != self.fingerprint:
                raise UserError(
                    f"the training images or their labels changed since the checkpoints in {self.directory} were "
                    "written; start a new run without --resume"
                )
            file = self.directory / entry["file"]
            if not file.is_file() or _digest(file) != entry["sha256"]:
                print(f"checkpoint {file} is missing or damaged: trying the one before")
                continue
            with np.load(file) as arrays:
                state = list(_state(model))
                shapes = {name: tuple(variable.shape) for name, variable in state}
                if {name: arrays[name].shape for name in arrays.files} != shapes:
                    raise UserError(
                        f"checkpoint {file} is of another model or optimizer than the experiment describes now; "
                        "start a new run without --resume"
                    )
                for name, variable in state:
                    variable.assign(arrays[name])
            return entry["epochs_done"]
        if entries:
            raise UserError(f"no checkpoint in {self.directory} is whole; start a new run without --resume")
        return 0

    def _entries(self):
        manifest = self.directory / "manifest.json"
        if not manifest.is_file():
            return []
        return json.loads(manifest.read_text(encoding="utf-8"))["checkpoints"]


def _state(model):
    """Names and variables; the position makes names distinct, as Keras' paths need not be."""
    for kind, variables in (("model", model.variables), ("optimizer", model.optimizer.variables)):
        for index, variable in enumerate(variables):
            yield f"{kind}/{index:04d}", variable


def _digest(file):
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
