"""Checkpoints, which are either complete or absent."""

import json
import os
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_reid.training.callbacks.state import RATE, divergence, training_variables, wrong_label
from keras_reid.training.callbacks.termination import Terminated
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import read_json, sha256_of, write_json, written_aside
from keras_reid.utils.full_disk import free_bytes, is_full, megabytes

KEPT = 2
ADVICE = (
    "--resume would meet the same batch again: start again with a lower learning rate, a longer warm-up, clipped "
    "gradients, or float32"
)
_ABOUT = "about"


class Position(NamedTuple):
    """How far a training is: whole epochs, and steps of the epoch after them."""

    epochs: int = 0
    steps: int = 0

    def __str__(self) -> str:
        """`"epoch 3"`, or `"epoch 3 and 12 steps"`."""
        return f"epoch {self.epochs}" + (f" and {self.steps} steps" if self.steps else "")


class Checkpoints(keras.callbacks.Callback):
    """Saves the whole state of a training run now and then, so that it continues to the bit.

    The state is every variable of the model (weights, moving statistics, random states) and of the optimizer (step
    counter, moments), those of `model.training_state` where a model has it, the running means of an epoch in its
    middle, and what `also` hold. Your own layer or loss must draw from its own
    `keras.random.SeedGenerator`: the random state of the process is not saved.

    A checkpoint is written aside and renamed; then `manifest.json` names the newest two with their SHA-256, and older
    ones go. A damaged newest one is passed over, and a damaged manifest too (the files carry what it says). One with
    NaN or infinity is never written. A full disk stops the training with the former checkpoints intact. While one is
    written there are three: each as large as the weights, and the moments twice that with Adam.

    Args:
        directory: where; created if need be.
        every: epochs between checkpoints. The last epoch is always saved.
        minutes: after so many minutes without a checkpoint, one is saved in the middle of an epoch; 0 for never.
        fingerprint: a string that says what is trained on; a checkpoint with another one is refused.
        also: objects by name, with `state()` → JSON-able and `restore(state)`, that are saved and restored too.
        stop: a callable; when it returns true after a step, a checkpoint is saved and `Terminated` raised.

    Example:
        >>> checkpoints = Checkpoints("runs/mine/checkpoints")
        >>> position = checkpoints.restore(model)
        >>> model.fit(batches, initial_epoch=position.epochs, callbacks=[checkpoints])
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        every: int = 1,
        minutes: float = 0,
        fingerprint: str = "",
        also: Mapping[str, Any] | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__()
        self.directory = Path(directory)
        self.every = every
        self.minutes = minutes
        self.fingerprint = fingerprint
        self.also = also or {}
        self.stop = stop
        self._resumed = Position()
        self._means: list[np.ndarray] | None = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._saved_at = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch, self._offset = epoch, 0
        if epoch == self._resumed.epochs:
            self._offset = self._resumed.steps
            # A Keras model without running means before its first batch goes on with those of the rest.
            if self._means and len(self._means) == len(self.model.metrics_variables):
                for variable, value in zip(self.model.metrics_variables, self._means, strict=True):
                    variable.assign(value)
            self._means = None

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if batch + 1 >= (self.params["steps"] or 0):
            return  # the epoch's end comes next
        stop = self.stop()
        if stop or (self.minutes and time.monotonic() - self._saved_at >= 60 * self.minutes):
            self.save(self.model, Position(self._epoch, self._offset + batch + 1))
            if stop:
                raise Terminated(Position(self._epoch, self._offset + batch + 1))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        done, stop = epoch + 1, self.stop()
        last = done == self.params["epochs"] or self.model.stop_training
        late = self.minutes and time.monotonic() - self._saved_at >= 60 * self.minutes
        if done % self.every == 0 or last or late or stop:
            self.save(self.model, Position(done))
        if stop:
            raise Terminated(Position(done))

    def save(self, model: keras.Model, position: Position | tuple[int, int]) -> None:
        """Saves the state of a model at a `Position`.

        Raises:
            UserError: if the training has diverged, or the disk is full. The former checkpoints stay.
        """
        position = Position(*position)
        state = dict(training_variables(model))
        if position.steps:
            state |= {f"means/{k:04d}": variable for k, variable in enumerate(model.metrics_variables)}
        wrong = divergence(model)
        if wrong:
            if label := wrong_label(model):
                raise UserError(f"{label} {self.kept()}")
            raise UserError(f"the training diverged: {wrong}. {self.kept()} {ADVICE}")
        about = {
            "epochs_done": position.epochs,
            "steps_done": position.steps,
            "fingerprint": self.fingerprint,
            "also": {name: part.state() for name, part in self.also.items()},
        }
        step = f"_step_{position.steps:07d}" if position.steps else ""
        file = self.directory / f"epoch_{position.epochs:04d}{step}.npz"
        arrays = {name: np.asarray(variable) for name, variable in state.items()}
        arrays[_ABOUT] = np.frombuffer(json.dumps(about).encode(), np.uint8)
        entry = {"file": file.name, "epochs_done": position.epochs, "steps_done": position.steps}
        try:
            with written_aside(file) as aside:
                np.savez(aside, **arrays)  # type: ignore[arg-type]
                entry["sha256"] = sha256_of(aside)
            others = [other for other in self._entries() or () if other["file"] != file.name]
            entries = [entry, *others[: KEPT - 1]]
            write_json(self.directory / "manifest.json", {"checkpoints": entries})
        except OSError as error:
            if file.name not in [entry["file"] for entry in self._entries() or ()]:
                file.unlink(missing_ok=True)  # takes room, and is not listed
            if not is_full(error):
                raise
            raise UserError(self._full(sum(array.nbytes for array in arrays.values()))) from error
        for other in self.directory.glob("*.npz"):
            if other.name not in [entry["file"] for entry in entries]:
                other.unlink(missing_ok=True)
        self._saved_at = time.monotonic()

    def check_room(self, model: keras.Model) -> None:
        """Refuses to begin where not even one checkpoint of a model finds room.

        Raises:
            UserError: saying how many bytes are missing.
        """
        needed = sum(np.asarray(variable).nbytes for _, variable in training_variables(model))
        if free_bytes(self.directory) < needed:
            raise UserError(self._full(needed))

    def restore(self, model: keras.Model) -> Position:
        """Puts the newest whole checkpoint into a compiled model.

        Returns:
            The `Position` it was saved at: (0, 0) if there is no checkpoint yet.

        Raises:
            UserError: if there are checkpoints and none of them is whole, or one is of another model or other data.
        """
        for leftover in self.directory.glob(".*.part*"):
            leftover.unlink()  # of a process that was killed while it wrote
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        candidates = self._candidates()
        for file, digest in candidates:
            arrays = _read(file, digest)
            if arrays is None:
                print(f"checkpoint {file} is missing or damaged: trying the one before")
                continue
            about = json.loads(arrays.pop(_ABOUT).tobytes())
            if about["fingerprint"] != self.fingerprint:
                raise UserError(
                    f"the training images or their labels changed since the checkpoints in {self.directory} were "
                    "written; start a new run without --resume"
                )
            means = [arrays.pop(name) for name in sorted(arrays) if name.startswith("means/")]
            state = dict(training_variables(model))
            if not any(name.startswith(RATE) for name in arrays):
                # Of a version whose warm-up had no rate that can be set: it is what the optimizer has.
                state = {name: variable for name, variable in state.items() if not name.startswith(RATE)}
            shapes = {name: tuple(variable.shape) for name, variable in state.items()}
            if {name: array.shape for name, array in arrays.items()} != shapes:
                raise UserError(
                    f"checkpoint {file} is of another model or optimizer than the experiment describes now; "
                    "start a new run without --resume"
                )
            for name, variable in state.items():
                variable.assign(arrays[name])
            for name, part in self.also.items():
                part.restore(about["also"][name])
            self._means, self._resumed = means, Position(about["epochs_done"], about["steps_done"])
            return self._resumed
        if candidates:
            raise UserError(f"no checkpoint in {self.directory} is whole; start a new run without --resume")
        return Position()

    def kept(self) -> str:
        """A sentence that names the newest checkpoint, for the error that stops a training."""
        candidates = self._candidates()
        if not candidates:
            return "There is no checkpoint yet."
        return f"The last good checkpoint is kept: {candidates[0][0]}."

    def _full(self, needed):
        return (
            f"no room for a checkpoint in {self.directory}: it takes {megabytes(needed)}, and "
            f"{megabytes(free_bytes(self.directory))} are free or allowed. {self.kept()} "
            "Make room, and repeat the command with --resume"
        )

    def _candidates(self):
        """Files and digests, the newest first; without digests if the manifest is damaged."""
        entries = self._entries()
        if entries is None:
            files = sorted(self.directory.glob("*.npz"), reverse=True)
            if files:
                print(
                    f"{self.directory / 'manifest.json'} is missing or damaged: looking at the files themselves"
                )
            return [(file, None) for file in files]
        return [(self.directory / entry["file"], entry["sha256"]) for entry in entries]

    def _entries(self):
        """What the manifest lists, or None if it cannot be read."""
        try:
            manifest = read_json(self.directory / "manifest.json")
            return [dict(entry) for entry in manifest["checkpoints"] if entry["file"] and entry["sha256"]]
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _read(file, digest):
    """The arrays of a checkpoint, or None if it is not whole; without a digest its own checksums decide."""
    try:
        if digest is not None and sha256_of(file) != digest:
            return None
        with np.load(file) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
