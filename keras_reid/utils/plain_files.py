"""Files that are opened as themselves: never through a link, and never a pipe or a device."""

import os
import stat

from keras_reid.utils.errors import UserError


def open_plain(path, mode="rb"):
    """`open(path, mode)` of a file in a folder that others may write to.

    A link there would lead our writing to a file of its maker's choice, and a named pipe would wait for ever.

    Args:
        path: the file; "w" and "a" make it.
        mode: as of `open`. "w" empties the file only when it is known to be a plain one.

    Raises:
        UserError: it is a link, symbolic or (for writing) hard, or no plain file.
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
                raise UserError(f"{path} must be a plain file: remove it")
            if writes and facts.st_nlink > 1:
                raise UserError(f"{path} is a hard link to another file, which is not written to: remove it")
            if emptied:
                os.ftruncate(number, 0)
        except BaseException:
            os.close(number)
            raise
        return number

    return open(path, mode, opener=opener)
