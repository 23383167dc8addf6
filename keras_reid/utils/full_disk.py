"""Recognises a full disk, and reports it clearly."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keras_reid.utils.errors import UserError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# TensorFlow, HDF5 and NumPy raise only a message, without a number; the last one is from NumPy's `tofile`.
_WORDS = re.compile(
    "No space left on device|Disk quota exceeded|File too large|^[0-9]+ requested and [0-9]+ written$"
)


def is_full(error: BaseException | None) -> bool:
    """Whether an exception or one of its causes says that the disk, a quota or a size limit is full."""
    while error is not None:
        if getattr(error, "errno", None) in _FULL or says_full(str(error)):
            return True
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return False


def says_full(text: str) -> bool:
    """Whether a message, such as the last line of another process, says that the disk is full."""
    return _WORDS.search(text) is not None


@contextlib.contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Inside the block, a full disk in any library becomes an `OSError` that names `path`."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if not is_full(error):
            raise
        number = getattr(error, "errno", None)
        number = number if number in _FULL else errno.ENOSPC
        raise OSError(number, os.strerror(number), os.fspath(path)) from error


def reserve(file: Any, size: int) -> None:
    """Reserves disk space for an open file before it is mapped into memory.

    Writing to a mapped file on a full disk kills the process without a message (SIGBUS). File systems that can reserve
    space (ext4, xfs, btrfs, tmpfs, NFS 4.2) do not have to write anything; others write zeros.

    Raises:
        OSError: there is not enough space.
    """
    os.posix_fallocate(file.fileno(), 0, max(1, size))


def free_bytes(folder: str | os.PathLike[str]) -> int:
    """Free bytes on the disk of a folder, which need not exist yet."""
    folder = Path(folder).absolute()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def megabytes(count: float) -> str:
    """Formats a number of bytes: `25_300_000` → `"25.3 MB"`."""
    return f"{count / 1e6:,.1f} MB"
