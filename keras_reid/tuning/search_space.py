"""What a sweep searches: keys of an experiment and their values, as `KEY=VALUES` says."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from keras_reid.experiment.loading import override
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.experiment.schema import Experiment

FORMS = "KEY=A,B,C, KEY=uniform(LOW,HIGH), KEY=log(LOW,HIGH) or KEY=integer(LOW,HIGH)"
_RANGES = ("uniform", "log", "integer")


@dataclasses.dataclass(frozen=True)
class Dimension:
    """A key and the values it may have.

    Args:
        key: name of a field as on the command line of `fit`, without the dashes.
        kind: "choice", or how a range is drawn from: "uniform", "log" (uniform in the logarithm), "integer".
        values: the choices as they were written, or the two ends of the range, both included.

    Example:
        >>> Dimension.parse("optimizer.learning_rate=log(1e-4,1e-2)")
        Dimension(key='optimizer.learning_rate', kind='log', values=(0.0001, 0.01))
    """

    key: str
    kind: str
    values: tuple

    @classmethod
    def parse(cls, text: str) -> Dimension:
        """From `KEY=VALUES`.

        Raises:
            UserError: if it has another form, or a range is empty or not of numbers.
        """
        key, equals, values = text.partition("=")
        key = key.strip().lstrip("-")
        if not (equals and key and values.strip()):
            raise UserError(f"--search must be {FORMS}. Received: {text!r}")
        function = re.fullmatch(r"(\w+)\((.*)\)", values.strip())
        if function:
            return cls(key, *_range(text, *function.groups()))
        choices = tuple(choice.strip() for choice in values.split(","))
        if not all(choices) or len(set(choices)) < len(choices):
            raise UserError(f"the values of --search must be there and different. Received: {text!r}")
        return cls(key, "choice", choices)

    def arguments(self, value: Any) -> list[str]:
        """`--KEY VALUE` for `fit`; a value of several words, such as an image size, is several arguments."""
        return [f"--{self.key}", *str(value).split()]


def parse_space(texts: Sequence[str]) -> list[Dimension]:
    """The dimensions that `--search` names.

    Raises:
        UserError: if there are none, a form is wrong, or a key is named twice.
    """
    dimensions = [Dimension.parse(text) for text in texts]
    keys = [dimension.key for dimension in dimensions]
    if not keys:
        raise UserError(f"--search says what to search: {FORMS}, and at least one of them")
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise UserError(f"--search must name a key once. Received twice: {', '.join(twice)}")
    return dimensions


def check_space(experiment: Experiment, dimensions: Sequence[Dimension]) -> None:
    """Tries every choice and both ends of every range on an experiment, one at a time.

    Raises:
        UserError: for an unknown key (with the nearest right names) or a value that its field refuses.
    """
    for dimension in dimensions:
        for value in dimension.values:
            override(experiment, dimension.arguments(value))


def grid_size(dimensions: Sequence[Dimension]) -> int | None:
    """Number of combinations, or None where a dimension is a range."""
    if any(dimension.kind != "choice" for dimension in dimensions):
        return None
    return math.prod(len(dimension.values) for dimension in dimensions)


def _range(text, kind, ends):
    if kind not in _RANGES:
        raise UserError(f"--search knows the ranges {', '.join(_RANGES)}. Received: {text!r}")
    try:
        low, high = (int(end) if kind == "integer" else float(end) for end in ends.split(","))
    except ValueError:
        numbers = "whole numbers" if kind == "integer" else "numbers"
        raise UserError(f"{kind}(LOW,HIGH) takes two {numbers}. Received: {text!r}") from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high) or (kind == "log" and low <= 0):
        above = ", LOW above 0" if kind == "log" else ""
        raise UserError(f"{kind}(LOW,HIGH) needs LOW < HIGH{above}. Received: {text!r}")
    return kind, (low, high)
