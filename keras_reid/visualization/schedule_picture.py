"""The learning rate over a training, as a picture."""

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from keras_reid.utils.files import save_picture

_SIZE = (1100, 480)
_LEFT, _RIGHT, _TOP, _BOTTOM = 92, 28, 92, 56
_PAPER, _INK, _FAINT, _GRID, _CURVE = "#ffffff", "#1f2328", "#57606a", "#e3e7eb", "#0969da"
_MARKS = "#bc4c00"
# Rates further apart than this are read from a logarithmic axis; further than the second one is as good as zero.
_LOGARITHMIC = (20, 1e6)


def draw_schedule(steps, rates, path, steps_per_epoch, marks=(), title="learning rate"):
    """Draws a learning rate over the steps of a training, with its epochs below.

    The rate's axis is logarithmic where the largest rate is over 20 times the smallest, and none is zero.

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
    steps, rates = np.asarray(steps, float), np.asarray(rates, float)
    end = max(steps[-1] + 1, steps_per_epoch)
    place, levels = _axis(rates)
    right, bottom = _SIZE[0] - _RIGHT, _SIZE[1] - _BOTTOM

    def x(step):
        return _LEFT + step / end * (right - _LEFT)

    def y(rate):
        return bottom - place(rate) * (bottom - _TOP)

    paper = Image.new("RGB", _SIZE, _PAPER)
    draw = ImageDraw.Draw(paper)
    small, bold = ImageFont.load_default(12), ImageFont.load_default(15)
    draw.text((_LEFT, 12), title, _INK, bold)
    for level in levels:
        draw.line([(_LEFT, y(level)), (right, y(level))], _GRID)
        draw.text((_LEFT - 8, y(level)), f"{level:.3g}", _FAINT, small, "rm")
    epochs = end / steps_per_epoch
    for epoch in np.arange(0, epochs + 1e-6, _nice(epochs / 12, whole=True)):
        at = x(epoch * steps_per_epoch)
        draw.line([(at, bottom), (at, bottom + 5)], _FAINT)
        draw.text((at, bottom + 8), f"{epoch:.0f}", _FAINT, small, "ma")
    draw.line([(_LEFT, bottom), (right, bottom)], _FAINT)
    axis = f"epoch ({steps_per_epoch:g} steps each)"
    draw.text(((_LEFT + right) / 2, bottom + 28), axis, _FAINT, small, "ma")
    _draw_marks(draw, [(x(step), text) for step, text in sorted(marks)], bottom, right, small)
    # A change from one step to the next is upright.
    draw.line([(x(step), y(rate)) for step, rate in zip(steps, rates, strict=True)], _CURVE, 2)
    save_picture(paper, path)


def _draw_marks(draw, marks, bottom, right, font):
    """Upright dashed lines, their texts in rows above so that none covers another."""
    ends = []
    for at, text in marks:
        width = draw.textlength(text, font)
        left = min(at + 4, right - width)
        row = next((row for row, end in enumerate(ends) if left > end + 8), len(ends))
        ends[row : row + 1] = [left + width]
        top = 36 + 15 * min(row, 2)
        draw.text((left, top), text, _MARKS, font)
        for dash in np.arange(top, bottom, 7):
            draw.line([(at, dash), (at, min(dash + 3, bottom))], _MARKS)


def _axis(rates):
    """A function from a rate to its place, 0 to 1, and the rates of the grid."""
    low, high = rates.min(), rates.max()
    if low > 0 and _LOGARITHMIC[0] < high / low < _LOGARITHMIC[1]:
        bottom, top = math.log10(low / 1.2), math.log10(high * 1.2)
        every = range(math.floor(bottom), math.ceil(top) + 1)
        levels = [digit * 10.0**power for power in every for digit in (1, 2, 5)]
        levels = [level for level in levels if bottom <= math.log10(level) <= top]
        return lambda rate: (math.log10(rate) - bottom) / (top - bottom), levels
    top = high * 1.08 or 1.0
    step = _nice(top / 6)
    return lambda rate: rate / top, list(np.arange(0, top, step))


def _nice(value, whole=False):
    """The next of 1, 2, 5, 10, 20, … (or of 0.1, 0.2, 0.5, …) from `value` on."""
    power = 10.0 ** math.floor(math.log10(value))
    nice = next(digit * power for digit in (1, 2, 5, 10) if digit * power >= value * (1 - 1e-9))
    return max(nice, 1.0) if whole else nice
