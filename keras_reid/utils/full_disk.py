"""A full disk, said in words."""

import contextlib
import errno
import os
import re
import shutil
from pathlib import Path

from keras_reid.utils.errors import UserError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# TensorFlow, HDF5 and NumPy have the message alone, without a number; the last is what NumPy's `tofile` says.
_WORDS = re.compile(
    "No space left on device|Disk quota exceeded|File too large|^[0-9]+ requested and [0-9]+ written$"
)


def is_full(error):
    """Whether an exception, or one that it comes from, says that nothing more can be written: no space, or a quota or
    limit reached.
    """
    while error is not None:
        if getattr(error, "errno", None) in _FULL or says_full(str(error)):
            return True
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return False


def says_full(text):
    """Whether a message says so, such as the last line of another process."""
    return _WORDS.search(text) is not None


@contextlib.contextmanager
def writing(path):
    """Within it a full disk, by whatever library it is met, is an `OSError` that names what was to be written."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if not is_full(error):
            raise
        number = error.errno if getattr(error, "errno", None) in _FULL else errno.ENOSPC
        raise OSError(number, os.strerror(number), os.fspath(path)) from error


def reserve(file, size):
    """Takes the room of an open file before it is mapped into memory.

    Writing to a mapped file on a full disk kills the process, without a word (SIGBUS). It costs no writing on file
    systems that can reserve room (ext4, xfs, btrfs, tmpfs, NFS 4.2); others write zeros.

    Raises:
        OSError: there is no such room.
    """
    os.posix_fallocate(file.fileno(), 0, max(1, size))


def free_bytes(folder):
    """Bytes free on the disk of a folder, which need not exist yet."""
    folder = Path(folder).absolute()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def megabytes(count):
    """`25_300_000` → `"25.3 MB"`."""
    return f"{count / 1e6:,.1f} MB"
