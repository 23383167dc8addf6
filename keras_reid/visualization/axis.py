"""An axis of a chart."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

_STEPS = (1, 2, 2.5, 5, 10)
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclasses.dataclass(frozen=True)
class Axis:
    """Values from `low` to `high` along one side of a chart.

    Args:
        label: what the values are, with their unit.
        low, high: the ends; positive on a logarithmic axis.
        logarithmic: whether equal steps are equal factors.
        percent: whether fractions are written as percent.
        whole: whether only whole numbers are marked.

    Example:
        >>> axis = Axis("epoch", 0, 10)
        >>> axis.place(5.0), axis.ticks(), axis.text(2.5)
        (0.5, [0.0, 2.0, 4.0, 6.0, 8.0, 10.0], '2.5')
    """

    label: str
    low: float
    high: float
    logarithmic: bool = False
    percent: bool = False
    whole: bool = False

    @classmethod
    def around(
        cls,
        label: str,
        values: Sequence[float],
        from_zero: bool = False,
        linear: bool = False,
        **options: bool,
    ) -> Axis:
        """An axis that holds all values and ends at marks; logarithmic where they span more than a factor of 30.

        Args:
            label: as above.
            values: numbers, at least one.
            from_zero: whether a linear axis begins at zero.
            linear: whether it is linear whatever they span.
            options: as above.
        """
        low, high = min(values), max(values)
        if not linear and low > 0 and high / low > 30:
            return cls(label, 10 ** math.floor(math.log10(low)), high * 1.1, logarithmic=True, **options)
        low = min(low, 0.0) if from_zero else low
        if low == high:
            low, high = low - abs(low) / 2 - 1e-9, high + abs(high) / 2 + 1e-9
        step = _nice((high - low) / 5)
        return cls(
            label, math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, **options
        )

    def place(self, value: float) -> float:
        """0 at the low end, 1 at the high end; values outside are moved to the nearer end."""
        low, high = self.low, self.high
        if self.logarithmic:
            low, high, value = math.log10(low), math.log10(high), math.log10(max(value, low))
        return min(max((value - low) / (high - low), 0.0), 1.0)

    def ticks(self, most: int = 5) -> list[float]:
        """The values that are marked: `most` steps on a linear axis, or fewer."""
        if self.logarithmic:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            digits = (1, 2, 5) if len(powers) < 4 else (1,)
            ticks = [digit * 10.0**power for power in powers for digit in digits]
        else:
            step = _nice((self.high - self.low) / most)
            step = max(step, 1) if self.whole else step
            first = math.ceil(self.low / step - 1e-9)
            last = math.floor(self.high / step + 1e-9)
            # Rounded, for 3 · 0.1 is not 0.3.
            ticks = [float(f"{number * step:.12g}") for number in range(first, last + 1)]
            if self.whole and ticks[0] - self.low >= step / 2:
                ticks.insert(0, self.low)
        return [tick for tick in ticks if self.low * (1 - 1e-9) - 1e-12 <= tick <= self.high * (1 + 1e-9)]

    def text(self, value: float) -> str:
        """A value as it is written at its mark."""
        if self.logarithmic and value < 0.01 and math.log10(value) == round(math.log10(value)):
            return "10" + str(round(math.log10(value))).translate(_RAISED)
        if self.percent:
            return f"{100 * value:.5g}"
        if 1e4 <= abs(value) < 1e7 and value == round(value):
            return f"{value:_.0f}".replace("_", " ")
        if value and (abs(value) < 1e-3 or abs(value) >= 1e5):
            return f"{value:.1e}".replace(".0e", "e").replace("e-0", "e-").replace("e+0", "e")
        return f"{value:.5g}"


def _nice(value):
    """The next of 1, 2, 2.5, 5, 10, 20, … (or of 0.1, 0.2, …) from `value` on."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in _STEPS if step * power >= value * (1 - 1e-9))
