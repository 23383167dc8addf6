"""How many pixels are decoded at once."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class PixelRoom:
    """Room for the pixels of images that are being decoded; who finds none waits.

    Args:
        most: pixels.

    Example:
        >>> room = PixelRoom(25_000_000)
        >>> with room.taken(12_000_000):
        ...     room.left
        13000000
    """

    def __init__(self, most: float) -> None:
        self.most = self.left = most
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def taken(self, pixels: int) -> Iterator[None]:
        """Takes room for the block. An image that is larger than all of it waits until it is the only one."""
        wanted = min(pixels, self.most)
        with self._changed:
            self._changed.wait_for(lambda: self.left >= wanted)
            self.left -= wanted
        try:
            yield
        finally:
            with self._changed:
                self.left += wanted
                self._changed.notify_all()
