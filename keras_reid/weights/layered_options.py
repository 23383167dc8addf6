"""Options that several sources give, and where each value comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


class LayeredOptions(Mapping):
    """Options by name, layer on layer: a layer counts before those below it, and its source is remembered.

    Example:
        >>> options = LayeredOptions()
        >>> options.add("FastReID's defaults", {"MODEL.HEADS.SCALE": 1, "MODEL.HEADS.MARGIN": 0.0})
        >>> options.add("sbs.yml", {"MODEL.HEADS.SCALE": 64})
        >>> options["MODEL.HEADS.SCALE"], options.source("MODEL.HEADS.SCALE")
        (64, 'sbs.yml')
        >>> options.source("MODEL.HEADS.MARGIN")
        "FastReID's defaults"
    """

    def __init__(self) -> None:
        self._values, self._sources = {}, {}

    def add(self, source: str, values: Mapping[str, Any]) -> None:
        """Puts a layer on top.

        Args:
            source: in words that can stand after "from".
            values: by the names of the options.
        """
        self._values.update(values)
        self._sources.update(dict.fromkeys(values, source))

    def source(self, option: str) -> str:
        """Where the value of an option comes from, in words that can stand after "from"."""
        return self._sources[option]

    def __getitem__(self, option: str) -> Any:
        return self._values[option]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)
