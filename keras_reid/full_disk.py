"""A full disk, said in words."""

import errno
import shutil
from pathlib import Path

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def is_full(error):
    """Whether an exception says that nothing more can be written: no space, or a quota or limit reached."""
    # TensorFlow has its own exceptions, without a number.
    return getattr(error, "errno", None) in _FULL or "No space left on device" in str(error)


def free_bytes(folder):
    """Bytes free on the disk of a folder, which need not exist yet."""
    folder = Path(folder).absolute()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def megabytes(count):
    """`25_300_000` → `"25.3 MB"`."""
    return f"{count / 1e6:,.1f} MB"
