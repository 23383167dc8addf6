"""The learning rate over a training, as a picture."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

import numpy as np

from keras_reid.visualization.axis import Axis
from keras_reid.visualization.chart import Chart, Line
from keras_reid.visualization.chart_picture import draw_chart

_AS_GOOD_AS_ZERO = 1e-6  # of the largest rate


def draw_schedule(
    steps: Sequence[int] | np.ndarray,
    rates: Sequence[float] | np.ndarray,
    path: str | os.PathLike[str],
    steps_per_epoch: float,
    marks: Iterable[tuple[int, str]] = (),
    title: str = "learning rate",
) -> None:
    """Draws a learning rate over the steps of a training, with its epochs below.

    Args:
        steps: `(n,)` numbers of steps, rising.
        rates: `(n,)` learning rates.
        path: the picture to write; its ending (.png, .jpg, …) is its format.
        steps_per_epoch: steps.
        marks: `(step, text)` pairs: upright lines with what happens there.
        title: the line above.

    Example:
        >>> draw_schedule([0, 100, 200], [0.1, 1.0, 1.0], "schedule.png", steps_per_epoch=100)  # doctest: +SKIP
    """
    draw_chart(schedule_chart(steps, rates, steps_per_epoch, marks, title), path, subtitle="")


def schedule_chart(
    steps: Sequence[int] | np.ndarray,
    rates: Sequence[float] | np.ndarray,
    steps_per_epoch: float,
    marks: Iterable[tuple[int, str]] = (),
    title: str = "learning rate",
) -> Chart:
    """The same as a `Chart`.

    Its vertical axis is logarithmic if the largest rate is over 30 times the smallest, unless some are
    practically zero.

    Example:
        >>> chart = schedule_chart([0, 100, 200], [0.1, 1.0, 1.0], steps_per_epoch=100)
        >>> chart.lines[0].points
        ((0.0, 0.1), (1.0, 1.0), (2.0, 1.0))
    """
    epochs = np.asarray(steps, float) / steps_per_epoch
    rates = np.asarray(rates, float)
    line = Line("learning rate", tuple(zip(epochs.tolist(), rates.tolist(), strict=True)))
    end = max((steps[-1] + 1) / steps_per_epoch, 1.0)
    x = Axis(f"epoch ({steps_per_epoch:g} steps each)", 0.0, float(end), whole=True)
    linear = rates.min() <= rates.max() * _AS_GOOD_AS_ZERO
    y = Axis.around("learning rate", rates.tolist(), from_zero=True, linear=bool(linear))
    return Chart(title, (line,), x, y, tuple((step / steps_per_epoch, text) for step, text in marks))
