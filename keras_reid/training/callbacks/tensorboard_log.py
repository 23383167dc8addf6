"""TensorBoard."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from PIL import Image


class TensorBoardLog(keras.callbacks.Callback):
    """Writes for TensorBoard: losses, accuracy, learning rate, speed, evaluations, and images.

    Every few steps, over the optimizer's step: the logs of the step as `step/NAME` (with `ReIDModel` running means of
    the epoch) and `step/images_per_second`. Every epoch, over the number of epochs done: its logs as `epoch/NAME`, and
    those that have a slash in their names, such as `market1501/mAP`, as they are.

    Why not `keras.callbacks.TensorBoard`: it counts steps from 0 again in a resumed run, and knows nothing of images.
    A resumed run writes another events file into the same folder; the steps it repeats have the same values.

    Args:
        directory: where; created if need be.
        every: steps between two entries; 0 for epochs only.
        batch_size: images in a batch, for the speed.
    """

    def __init__(self, directory: str | os.PathLike[str], every: int = 50, batch_size: int = 1) -> None:
        super().__init__()
        self.directory, self.every, self.batch_size = directory, every, batch_size
        self._writer = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._step: int | None = None
        self._time: float | Any = None

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if not self.every or (batch + 1) % self.every:
            return
        step, now = int(self.model.optimizer.iterations.numpy()), time.monotonic()
        numbers = dict(logs or {})
        if self._step is not None and step > self._step:
            speed = (step - self._step) * self.batch_size / (now - self._time)
            numbers["images_per_second"] = speed
        self._step, self._time = step, now
        self._write({f"step/{name}": value for name, value in numbers.items()}, step)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._step = None  # what comes between epochs does not count for the speed
        self._write(
            {name if "/" in name else f"epoch/{name}": value for name, value in (logs or {}).items()},
            epoch + 1,
        )

    def image(self, name: str, picture: ArrayLike | Image.Image, step: int = 0) -> None:
        """Writes a picture, uint8 `(height, width, 3)` or a `PIL.Image`."""
        with self.writer.as_default():
            tf.summary.image(name, np.asarray(picture)[None], step=step)

    @property
    def writer(self) -> tf.summary.SummaryWriter:
        """The `tf.summary` writer, made when first needed."""
        if self._writer is None:
            self._writer = tf.summary.create_file_writer(str(self.directory))
        return self._writer

    def close(self) -> None:
        """Writes out what is buffered."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _write(self, numbers, step):
        with self.writer.as_default():
            for name, value in numbers.items():
                tf.summary.scalar(name, float(value), step=step)
        self.writer.flush()
