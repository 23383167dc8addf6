import io
import re
import sys

import keras
import numpy as np

from keras_reid.training.callbacks import ProgressLine
from keras_reid.training.callbacks import progress_line as module


class Terminal(io.StringIO):
    def isatty(self):
        return True


def fit(callback, epochs=2, initial_epoch=0, steps=4):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", loss="mse")
    seen = []
    after = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(dict(logs)))
    x = np.ones((steps, 2))
    options = {"batch_size": 1, "epochs": epochs, "initial_epoch": initial_epoch, "verbose": 0}
    model.fit(x, x[:, :1], callbacks=[callback, after], **options)
    return seen


def test_a_line_an_epoch_where_nobody_watches(capsys):
    logs = fit(ProgressLine(batch_size=1))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    for number, line in enumerate(lines, 1):
        assert re.fullmatch(
            rf"epoch {number}/2  loss \d+\.\d{{3}}  \d+ images/s  \d+\.\d GB  \d+:\d\d left", line
        ), line
    assert all(log["images_per_second"] > 0 for log in logs)
    assert all(1e-3 < log["peak_memory_gb"] < 1e3 for log in logs)


def test_on_a_terminal_the_line_is_redrawn_and_cut_to_its_width(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "20")
    times = iter(range(10_000))
    monkeypatch.setattr(module.time, "monotonic", lambda: next(times))
    fit(ProgressLine(batch_size=1), epochs=1)
    drawn = terminal.getvalue().split("\r")[1:]
    assert len(drawn) > 2
    assert all(len(line.removesuffix("\033[K")) <= 19 for line in drawn[:-1])
    assert drawn[-1].endswith("left\033[K\n")


def test_the_time_left_counts_whole_epochs_after_a_begun_one(monkeypatch):
    callback = ProgressLine(batch_size=1, steps_per_epoch=10)
    callback.set_params({"epochs": 3, "steps": 4})
    now = iter([0.0, 100.0, 102.0, 104.0])  # the first step compiles
    monkeypatch.setattr(module.time, "monotonic", lambda: next(now))
    callback.on_epoch_begin(0)
    for batch in range(3):
        callback.on_train_batch_end(batch, {"loss": 1.0})
    # One step of this epoch and 2 × 10 more, two seconds each.
    assert callback._line({}, 104.0).endswith("0:42 left")
    assert "  0 images/s" in callback._line({}, 104.0)  # half an image a second
