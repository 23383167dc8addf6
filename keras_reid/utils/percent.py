"""A probability as people read it."""


def percent(probability: float) -> str:
    """A probability in percent. A rounded 100 % would be more than a calibration can know.

    Example:
        >>> percent(0.973), percent(0.9996)
        ('97 %', '> 99 %')
    """
    if probability > 0.99:
        return "> 99 %"
    return "< 1 %" if probability < 0.01 else f"{100 * probability:.0f} %"
