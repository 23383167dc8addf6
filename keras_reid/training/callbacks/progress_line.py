"""One line an epoch: where the training is, how it does, when it ends."""

import resource
import shutil
import sys
import time
from typing import Any

import keras
import tensorflow as tf

from keras_reid.utils.progress import clock


class ProgressLine(keras.callbacks.Callback):
    """Shows epoch, loss terms, accuracy, learning rate, images a second, peak memory and the time left.

    On a terminal the line is redrawn while the epoch runs, and cut to its width; in a log file there is one line an
    epoch. The speed leaves out the first step of the process, in which TensorFlow compiles it; the time left includes
    what evaluations and checkpoints took so far. Adds `images_per_second` and `peak_memory_gb` (10⁹ bytes; of the GPU
    with the most, or of the process where there is no GPU) to the logs of the epoch, for the callbacks after it.

    Args:
        batch_size: images in a batch, for the speed.
        steps_per_epoch: of a whole epoch, where a resumed run begins in the middle of one.
    """

    def __init__(self, batch_size: int, steps_per_epoch: int | None = None) -> None:
        super().__init__()
        self.batch_size, self.steps_per_epoch = batch_size, steps_per_epoch
        self.live = sys.stdout.isatty()
        self._start: float | None = None
        self._steps, self._drawn = 0, 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch, self._epoch_start, self._epoch_steps, self._batch = epoch, time.monotonic(), 0, -1

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        now = time.monotonic()
        steps, self._batch = batch - self._batch, batch
        if self._start is None:
            self._start = self._epoch_start = now
            return
        self._steps += steps
        self._epoch_steps += steps
        if self.live and now - self._drawn > 0.5:
            self._drawn = now
            width = shutil.get_terminal_size().columns - 1
            print(f"\r{self._line(logs, now)[:width]}\033[K", end="", flush=True)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        now = time.monotonic()
        start, end = ("\r", "\033[K\n") if self.live else ("", "\n")
        print(f"{start}{self._line(logs, now)}", end=end, flush=True)
        if logs is not None:
            logs |= {"images_per_second": self._speed(now), "peak_memory_gb": _peak_memory() / 1e9}

    def _line(self, logs, now):
        # Evaluation's numbers, which have a slash, are printed as a separate table.
        numbers = {name: float(value) for name, value in (logs or {}).items() if "/" not in name}
        rate = numbers.pop("learning_rate", None)
        parts = [f"epoch {self._epoch + 1}/{self.params['epochs']}"]
        parts += [f"{name} {value:.3f}" for name, value in numbers.items()]
        parts += [f"lr {rate:.2e}"] if rate is not None else []
        parts += [
            f"{self._speed(now):.0f} images/s",
            f"{_peak_memory() / 1e9:.1f} GB",
            f"{self._left(now)} left",
        ]
        return "  ".join(parts)

    def _speed(self, now):
        return self._epoch_steps * self.batch_size / max(now - self._epoch_start, 1e-9)

    def _left(self, now):
        of_this = self.params.get("steps")
        if not of_this or not self._steps:
            return "?"
        epochs = self.params["epochs"] - self._epoch - 1
        remaining = epochs * (self.steps_per_epoch or of_this) + of_this - 1 - self._batch
        return clock(max(remaining, 0) * (now - self._start) / self._steps)


def _peak_memory():
    """Bytes at the peak so far: of the GPU with the most, or of the process where there is no GPU."""
    gpus = tf.config.list_logical_devices("GPU")
    if gpus:
        return max(tf.config.experimental.get_memory_info(gpu.name)["peak"] for gpu in gpus)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
