"""Opens regular files only: never through a link, and never a pipe or a device."""

from __future__ import annotations

import os
import stat
from typing import IO, Any

from keras_reid.utils.errors import UserError


def open_plain(path: str | os.PathLike[str], mode: str = "rb") -> IO[Any]:
    """Does `open(path, mode)` safely for a file in a folder that others may write to.

    A link there would redirect our writing to a file of its creator's choice, and a named pipe would wait forever.

    Args:
        path: the file; "w" and "a" create it.
        mode: as for `open`. "w" empties the file only after checking that it is a regular file.

    Raises:
        UserError: the file is a symbolic link, a hard link (for writing), or not a regular file.
        OSError: as `open`.
    """
    writes = any(letter in mode for letter in "wa+")

    def opener(path, flags):
        emptied = flags & os.O_TRUNC
        try:
            number = os.open(path, flags & ~os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
        except OSError:
            if os.path.islink(path):
                raise UserError(f"{path} is a link, which is not followed here: remove it") from None
            raise
        try:
            facts = os.fstat(number)
            if not stat.S_ISREG(facts.st_mode):
                raise UserError(f"{path} must be a regular file: remove it")
            if writes and facts.st_nlink > 1:
                raise UserError(
                    f"{path} is a hard link to another file, which must not be overwritten: remove it"
                )
            if emptied:
                os.ftruncate(number, 0)
        except BaseException:
            os.close(number)
            raise
        return number

    return open(path, mode, opener=opener)
