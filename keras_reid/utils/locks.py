"""Locks between processes, released when the process that holds them ends."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import time
import warnings
from typing import Any

from keras_reid.utils.plain_files import open_plain

# Errors from file systems without locks.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF}
_POLL_SECONDS = 0.2


class Held(Exception):
    """Another process holds the lock.

    Args:
        holder: a description such as "process 1234".
    """

    def __init__(self, holder: str) -> None:
        super().__init__(f"held by {holder}")
        self.holder = holder


class Lock:
    """An advisory lock (`flock`) on a file, held from construction until `release` or the end of the process.

    The lock ends with its process, even after SIGKILL; the file may remain, but then means nothing. The file contains
    the process id and the machine of the holder.

    The lock works between machines if the file system supports it. NFS does (from Linux 2.6.12 on, unless mounted with
    `local_lock` or `nolock`), and so do CephFS, GPFS, and Lustre mounted with `flock`. On a file system without locks
    there is a warning and nothing is locked. A file system that locks only within each machine cannot be detected.

    Args:
        path: the file, which is created if its folder exists. Links are rejected.
        waiting: function that is called with the holder's description before waiting for it; None raises instead.

    Raises:
        Held: another process, or another `Lock` in this one, holds the lock, and `waiting` is None.
        UserError: the file is a link or not a regular file.
        FileNotFoundError: the folder does not exist.

    Example:
        >>> lock = Lock("runs/mine/lock")  # doctest: +SKIP
        >>> lock.release()  # doctest: +SKIP
    """

    def __init__(self, path: str | os.PathLike[str], waiting: Any = None) -> None:
        self.path, self._file = os.fspath(path), None
        while self._file is None:
            self._file = self._locked(waiting)

    def _locked(self, waiting):
        """The locked file; None if the holder removed it while we waited."""
        file = open_plain(self.path, "a+b")
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if waiting is None:
                    raise Held(_holder(file)) from None
                waiting(_holder(file))
                fcntl.flock(file, fcntl.LOCK_EX)
            if not _is_at(file, self.path):
                file.close()
                return None
            file.truncate(0)
            file.write(f"{os.getpid()} {socket.gethostname()}\n".encode())
            file.flush()
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                file.close()
                raise
            warnings.warn(
                f"{self.path}: this file system has no locks ({error.strerror}): make sure that no other process "
                "writes here at the same time",
                stacklevel=4,
            )
        except BaseException:
            file.close()
            raise
        return file

    def release(self, remove: bool = False) -> None:
        """Releases the lock.

        Args:
            remove: whether to remove the file as well.
        """
        if self._file is None:
            return
        if remove and _is_at(self._file, self.path):
            os.unlink(self.path)
        self._file.close()
        self._file = None

    def __del__(self):
        if getattr(self, "_file", None):
            self._file.close()


def wait_until_free(path: str | os.PathLike[str], seconds: float) -> None:
    """Waits until nobody holds the lock at `path`; does not take it.

    Raises:
        Held: somebody still holds it after `seconds`.
    """
    end = time.monotonic() + seconds
    while os.path.exists(path):
        try:
            Lock(path).release()
            return
        except Held:
            if time.monotonic() > end:
                raise
            time.sleep(_POLL_SECONDS)


def _is_at(file, path):
    """Whether an open file is still the one at the path."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.lstat(path))
    except FileNotFoundError:
        return False


def _holder(file):
    """Describes the holder of a lock, from the content of the file."""
    file.seek(0)
    process, _, host = file.read(300).decode("utf-8", "replace").strip().partition(" ")
    if not process.isdigit():
        return "another process"
    return f"process {process}" + ("" if host == socket.gethostname() else f" on {host}")
