"""One line an epoch: where the training is, how it does, when it ends."""

import sys
import time

import keras

from keras_reid.progress import clock


class ProgressLine(keras.callbacks.Callback):
    """Shows epoch, loss terms, accuracy, learning rate, images a second and the time left.

    On a terminal the line is redrawn while the epoch runs; in a log file there is one line an epoch.

    Args:
        batch_size: images in a batch, for the speed.
    """

    def __init__(self, batch_size):
        super().__init__()
        self.batch_size = batch_size
        self.live = sys.stdout.isatty()

    def on_train_begin(self, logs=None):
        self._start, self._steps = time.monotonic(), 0
        self._drawn = 0.0

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch, self._epoch_start, self._epoch_steps = epoch, time.monotonic(), 0

    def on_train_batch_end(self, batch, logs=None):
        self._steps += 1
        self._epoch_steps += 1
        now = time.monotonic()
        if self.live and now - self._drawn > 0.5:
            self._drawn = now
            print(f"\r{self._line(logs, now)}\033[K", end="", flush=True)

    def on_epoch_end(self, epoch, logs=None):
        start, end = ("\r", "\033[K\n") if self.live else ("", "\n")
        print(f"{start}{self._line(logs, time.monotonic())}", end=end, flush=True)

    def _line(self, logs, now):
        # Evaluation's numbers, which have a slash, are printed as a table of their own.
        numbers = {name: float(value) for name, value in (logs or {}).items() if "/" not in name}
        rate = numbers.pop("learning_rate", None)
        parts = [f"epoch {self._epoch + 1}/{self.params['epochs']}"]
        parts += [f"{name} {value:.3f}" for name, value in numbers.items()]
        parts += [f"lr {rate:.2e}"] if rate is not None else []
        parts.append(
            f"{self._epoch_steps * self.batch_size / max(now - self._epoch_start, 1e-9):.0f} images/s"
        )
        parts.append(f"{self._left(now)} left")
        return "  ".join(parts)

    def _left(self, now):
        per_epoch = self.params.get("steps")
        if not per_epoch or not self._steps:
            return "?"
        remaining = (self.params["epochs"] - self._epoch) * per_epoch - self._epoch_steps
        return clock(max(remaining, 0) * (now - self._start) / self._steps)
