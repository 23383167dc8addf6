"""Paths in what is shared: a stranger learns the names of files, not where on which machine they lie."""

from __future__ import annotations

import re
from typing import Any

_ABSOLUTE = re.compile(r"(?:/|~|[A-Za-z]:[\\/]).*[\\/](?=[^\\/]+[\\/]?$)")


def without_folders(value: Any) -> Any:
    """JSON-able values with every absolute path shortened to its last part.

    Args:
        value: nested dicts and lists.

    Example:
        >>> without_folders({"root": "/home/me/datasets", "file": "runs/a", "sizes": [1, 2]})
        {'root': '…/datasets', 'file': 'runs/a', 'sizes': [1, 2]}
    """
    if isinstance(value, dict):
        return {key: without_folders(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_folders(item) for item in value]
    return _ABSOLUTE.sub("…/", value) if isinstance(value, str) and _ABSOLUTE.match(value) else value
