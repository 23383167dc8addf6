"""Curves of a training, from the log of its epochs."""

import json

from keras_reid.visualization.axis import Axis
from keras_reid.visualization.chart import Chart, Line
from keras_reid.visualization.page import percent

_OTHER = {
    "epoch",
    "step",
    "seconds",
    "accuracy",
    "learning_rate",
    "loss",
    "images_per_second",
    "peak_memory_gb",
}
_RETRIEVAL = {"mAP": "mAP", "rank1": "Rank-1"}


def read_log(file):
    """The epochs that a `metrics.jsonl` holds, as dicts; an empty list where the file is missing.

    Args:
        file: path. A last line that was cut off is left out.
    """
    records = []
    if file.is_file():
        for line in file.read_text(encoding="utf-8").splitlines():
            try:
                records.append(json.loads(line))
            except json.JSONDecodeError:
                break
    return records


def training_charts(log):
    """Loss and its terms, accuracy, learning rate, and retrieval over the epochs.

    Args:
        log: what `read_log` returns, not empty.

    Returns:
        list of `Chart`s.

    Example:
        >>> [chart.title for chart in training_charts([{"epoch": 1, "loss": 2.0, "accuracy": 0.1}])]
        ['Loss', 'Accuracy']
    """
    terms = [
        key
        for key in log[0]
        if key not in _OTHER and "/" not in key and isinstance(log[0][key], (int, float))
    ]
    losses = [Line(name, _points(log, name)) for name in ("loss", *terms)]
    sets = dict.fromkeys(key.rpartition("/")[0] for record in log for key in record if "/" in key)
    retrieval = [
        Line(f"{name} {title}", points, percent(points[-1][1]), dotted=True)
        for name in sets
        for key, title in _RETRIEVAL.items()
        if (points := _points(log, f"{name}/{key}"))
    ]
    accuracy, rate = _points(log, "accuracy"), _points(log, "learning_rate")
    charts = (
        _over_epochs("Loss" if len(losses) < 3 else "Loss and its terms", losses, "mean of the epoch", log),
        _over_epochs("Retrieval", retrieval, "of the test sets", log, fraction=True),
        _over_epochs(
            "Accuracy",
            [Line("accuracy", accuracy)],
            "training images classified correctly",
            log,
            fraction=True,
        ),
        _over_epochs(
            "Learning rate", [Line("learning rate", rate)], "at the end of the epoch", log, linear=True
        ),
    )
    return [chart for chart in charts if chart is not None]


def compare_training(logs):
    """Loss and retrieval of several runs over the epochs, in one chart each; a run has one colour in all of them.

    Args:
        logs: name of the run → what `read_log` returns.

    Returns:
        list of `Chart`s.
    """
    every = [record for log in logs.values() for record in log]
    if not every:
        return []
    charts = [
        _over_epochs(
            "Loss",
            [
                Line(name, _points(log, "loss"), number=number)
                for number, (name, log) in enumerate(logs.items())
            ],
            "mean of the epoch",
            every,
        )
    ]
    for key in dict.fromkeys(key for record in every for key in record if key.endswith("/mAP")):
        lines = [
            Line(name, _points(log, key), dotted=True, number=number)
            for number, (name, log) in enumerate(logs.items())
        ]
        charts.append(
            _over_epochs(f"mAP of {key.rpartition('/')[0]}", lines, "retrieval", every, fraction=True)
        )
    return [chart for chart in charts if chart is not None]


def _points(log, key):
    """`(epoch, value)` of the epochs that logged a finite number under this key."""
    values = ((record["epoch"], record.get(key)) for record in log)
    return tuple((epoch, value) for epoch, value in values if value is not None and abs(value) < float("inf"))


def _over_epochs(title, lines, label, log, fraction=False, linear=False):
    """A chart, or None where no line has a point."""
    lines = [line for line in lines if line.points]
    if not lines:
        return None
    epochs = [record["epoch"] for record in log]
    x = Axis("epoch", min(epochs), max(max(epochs), min(epochs) + 1), whole=True)
    if fraction:
        y = Axis(label, 0.0, 1.0, percent=True)
    else:
        y = Axis.around(
            label, [value for line in lines for _, value in line.points], from_zero=True, linear=linear
        )
    return Chart(title, lines, x, y)
