"""Locks between processes, which die with the process that holds them."""

import errno
import fcntl
import os
import socket
import time
import warnings

from keras_reid.utils.plain_files import open_plain

# What a file system answers that has no locks.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF}
_POLL_SECONDS = 0.2


class Held(Exception):
    """Another process holds the lock.

    Args:
        holder: in words, such as "process 1234".
    """

    def __init__(self, holder):
        super().__init__(f"held by {holder}")
        self.holder = holder


class Lock:
    """An advisory lock (`flock`) on a file, held from when it is made until `release`, or the end of the process.

    However the process ends, by SIGKILL too, the lock goes with it; the file then stays, and says nothing. It holds
    the process id and the machine of whoever has the lock.

    Between machines it holds where the file system passes locks on: NFS does (from Linux 2.6.12 on, unless it is
    mounted with `local_lock` or `nolock`), and so do CephFS, GPFS, and Lustre mounted with `flock`. A file system
    without locks is said in a warning, and nothing is locked; one that keeps them to each machine cannot be told.

    Args:
        path: the file, which is made in a folder that exists. Links are refused.
        waiting: a function that is called with the holder in words before waiting for it; None refuses instead.

    Raises:
        Held: another process, or another `Lock` of this one, has it, and `waiting` is None.
        UserError: the file is a link or no plain file.
        FileNotFoundError: the folder does not exist.

    Example:
        >>> lock = Lock("runs/mine/lock")  # doctest: +SKIP
        >>> lock.release()  # doctest: +SKIP
    """

    def __init__(self, path, waiting=None):
        self.path, self._file = os.fspath(path), None
        while self._file is None:
            self._file = self._locked(waiting)

    def _locked(self, waiting):
        """The locked file; None if it was removed while we waited, as who holds it may do."""
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
                f"{self.path}: this file system has no locks ({error.strerror}): see to it that no other process "
                "writes here at the same time",
                stacklevel=4,
            )
        except BaseException:
            file.close()
            raise
        return file

    def release(self, remove=False):
        """Lets it go.

        Args:
            remove: whether to remove the file, too.
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


def wait_until_free(path, seconds):
    """Waits until nobody holds a lock, if there is one; afterwards whoever locks it first has it.

    Raises:
        Held: somebody still does after so many seconds.
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
    """Whether an open file is still what lies at a path."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.lstat(path))
    except FileNotFoundError:
        return False


def _holder(file):
    """Who has a lock, by what it wrote into the file."""
    file.seek(0)
    process, _, host = file.read(300).decode("utf-8", "replace").strip().partition(" ")
    if not process.isdigit():
        return "another process"
    return f"process {process}" + ("" if host == socket.gethostname() else f" on {host}")
