"""One JSON line an epoch."""

import json
import os
import time
from pathlib import Path
from typing import Any

import keras

from keras_reid.utils.files import written_aside


class MetricsLog(keras.callbacks.Callback):
    """Appends a line of JSON to a file after each epoch: epoch (1-based), step, seconds, and every logged number.

    A resumed run first removes the lines of epochs that it repeats.

    Args:
        file: path, usually `metrics.jsonl`.
    """

    def __init__(self, file: str | os.PathLike[str]) -> None:
        super().__init__()
        self.file = Path(file)

    def keep(self, epochs_done: int) -> None:
        """Removes the lines after the given epoch, and a last line that was cut off."""
        if not self.file.is_file():
            return
        kept = []
        for line in self.file.read_text(encoding="utf-8").splitlines():
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                break
            if record["epoch"] <= epochs_done:
                kept.append(line)
        with written_aside(self.file) as aside:
            aside.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._start = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        record = {
            "epoch": epoch + 1,
            "step": int(self.model.optimizer.iterations.numpy()),
            "seconds": round(time.monotonic() - self._start, 3),
            **{name: float(value) for name, value in (logs or {}).items()},
        }
        with open(self.file, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(record) + "\n")
