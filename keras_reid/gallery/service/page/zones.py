"""The time zone of the page."""

from __future__ import annotations

import zoneinfo

from keras_reid.utils.errors import UserError


def time_zone(name: str) -> zoneinfo.ZoneInfo:
    """The zone that `--zone` names.

    Raises:
        UserError: there is no such zone.

    Example:
        >>> time_zone("Europe/Berlin").key
        'Europe/Berlin'
    """
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise UserError(f"--zone must be a time zone such as Europe/Berlin. Received: {name!r}") from None
