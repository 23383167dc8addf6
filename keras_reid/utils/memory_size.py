"""An amount of memory, as users write it."""

from __future__ import annotations

import re

from keras_reid.utils.errors import UserError

_UNITS = {"": 1, "B": 1}
for _power, _letter in enumerate("KMGT", 1):
    _UNITS |= {_letter: 1024**_power, f"{_letter}B": 1000**_power, f"{_letter}IB": 1024**_power}


def parse_memory(text: str) -> int:
    """Bytes: `"1GB"` is 10⁹, `"1GiB"` and `"1G"` are 2³⁰; a plain number is bytes.

    Raises:
        UserError: it is not a positive number with such a unit.

    Example:
        >>> parse_memory("1.5GB"), parse_memory("512MiB")
        (1500000000, 536870912)
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", str(text))
    unit = _UNITS.get(found[2].upper()) if found else None
    if found is None or unit is None or float(found[1]) <= 0:
        raise UserError(
            f"an amount of memory must be a number with a unit, such as 1GB or 512MiB. Received: {text!r}"
        )
    return int(float(found[1]) * unit)
