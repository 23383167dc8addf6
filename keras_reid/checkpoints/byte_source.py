"""Reading a file that may claim to be longer than it is."""

from __future__ import annotations

import io
import struct
from typing import IO, cast

from keras_reid.checkpoints.problems import DamagedFile

_LONGEST_NAME = 1000


class ByteSource:
    """A binary file that never reads beyond its end.

    Args:
        file: The open file, or the bytes themselves.
        size: Bytes in the file from where it stands; not needed for bytes.
    """

    def __init__(self, file: IO[bytes] | bytes, size: int = 0) -> None:
        if isinstance(file, bytes):
            self._file, self.left = cast(IO[bytes], io.BytesIO(file)), len(file)
        else:
            self._file, self.left = file, size

    def read(self, count: int) -> bytes:
        """The next `count` bytes."""
        self._spend(count)
        data = self._file.read(count)
        if len(data) != count:
            raise DamagedFile("it ends too early")
        return data

    def skip(self, count: int) -> int:
        """Steps over `count` bytes; returns where they begin in the file."""
        self._spend(count)
        start = self._file.tell()
        self._file.seek(count, io.SEEK_CUR)
        return start

    def number(self, layout: str) -> int:
        """The next number, in `struct`'s format."""
        return struct.unpack(layout, self.read(struct.calcsize(layout)))[0]

    def readline(self) -> bytes:
        """The next line, with its end."""
        line = self._file.readline(min(self.left, _LONGEST_NAME))
        self.left -= len(line)
        if not line.endswith(b"\n"):
            raise DamagedFile("a name does not end")
        return line

    def _spend(self, count):
        # Checked before reading, because Python reserves the memory for as much as is asked for.
        if not 0 <= count <= self.left:
            raise DamagedFile("it ends too early")
        self.left -= count
