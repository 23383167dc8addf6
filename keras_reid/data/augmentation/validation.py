"""Checks of arguments, shared by the augmentations."""

from __future__ import annotations

from typing import Any


def check_probability(probability: float) -> None:
    """Raises ValueError unless the probability is a number from 0 to 1."""
    if (
        isinstance(probability, bool)
        or not isinstance(probability, (int, float))
        or not 0 <= probability <= 1
    ):
        raise ValueError(f"`probability` must be a number from 0 to 1. Received: probability={probability!r}")


def check_range(name: str, value: Any, lowest: float = 0.0, highest: float = float("inf")) -> None:
    """Raises ValueError unless the value is a pair (low, high) above `lowest` and up to `highest`."""
    if len(value) != 2 or not lowest < value[0] <= value[1] <= highest:
        raise ValueError(
            f"`{name}` must be (low, high) with {lowest} < low ≤ high ≤ {highest}. Received: {name}={value!r}"
        )


def check_number(name: str, value: Any, lowest: float, highest: float = float("inf")) -> None:
    """Raises ValueError unless the value is a number from `lowest` to `highest`."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not lowest <= value <= highest:
        raise ValueError(f"`{name}` must be a number from {lowest} to {highest}. Received: {name}={value!r}")


def check_integer(name: str, value: Any, lowest: int) -> None:
    """Raises ValueError unless the value is an integer of at least `lowest`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
        raise ValueError(f"`{name}` must be an integer of at least {lowest}. Received: {name}={value!r}")


def check_color(name: str, value: Any) -> None:
    """Raises ValueError unless the value is three numbers from 0 to 255."""
    if len(value) != 3 or not all(0 <= channel <= 255 for channel in value):
        raise ValueError(f"`{name}` must be three numbers from 0 to 255. Received: {name}={value!r}")
