"""Checks that the augmentations share."""


def check_probability(probability):
    """Raises ValueError unless the probability is a number from 0 to 1."""
    if (
        isinstance(probability, bool)
        or not isinstance(probability, (int, float))
        or not 0 <= probability <= 1
    ):
        raise ValueError(f"`probability` must be a number from 0 to 1. Received: probability={probability!r}")


def check_range(name, value, lowest=0.0, highest=float("inf")):
    """Raises ValueError unless the value is a pair (low, high) above `lowest` and up to `highest`."""
    if len(value) != 2 or not lowest < value[0] <= value[1] <= highest:
        raise ValueError(
            f"`{name}` must be (low, high) with {lowest} < low ≤ high ≤ {highest}. Received: {name}={value!r}"
        )
