"""Folders that are put in place whole, or not at all."""

import contextlib
import errno
import os
import pathlib
import stat

from keras_reid.utils.errors import UserError
from keras_reid.utils.files import folder_beside

OCCUPIED = {errno.ENOTEMPTY, errno.EEXIST}  # what `rename` says where a folder stands that holds something


@contextlib.contextmanager
def put_in_place(target, marker):
    """Yields the path of a new folder; when the block ends well it becomes `target`, else nothing is left.

    The block makes the folder. What stood at `target` before stays until it ends, also when it fails.
    Folders made on the way to a target that was not reached are removed again. Of several processes that do this at the
    same time the last one's folder stands, whole.

    Args:
        target: the folder to be.
        marker: name of a file that every such folder holds; an existing folder without it is not replaced.

    Raises:
        UserError: `target` exists and is something else, or its place cannot be written to.

    Example:
        >>> with put_in_place("exports/float32", marker="saved_model.pb") as folder:  # doctest: +SKIP
        ...     export_savedmodel(model, folder)
    """
    target = pathlib.Path(target)
    check_target(target, marker)
    with made_aside(target) as aside:
        yield aside / "new"
        _replace(aside / "new", target, aside, marker)


@contextlib.contextmanager
def made_aside(target):
    """`folder_beside`, with one line where its place cannot be written to."""
    with contextlib.ExitStack() as stack:
        try:
            aside = stack.enter_context(folder_beside(target))
        except OSError as error:
            raise UserError(f"{target.parent}: cannot be written to: {error.strerror}.") from None
        yield aside


def check_target(target, marker):
    """Refuses a folder that `put_in_place` would not replace, before the long work starts."""
    while not _is_replaceable(target, marker):
        pass


def _is_replaceable(target, marker):
    """True, or an error; False where another process has replaced what stands there while it was looked at."""
    try:
        number = os.open(target, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return True
    except NotADirectoryError:  # a file on the way: said where the folder is to be made
        return True
    try:
        facts = os.fstat(number)
        if stat.S_ISDIR(facts.st_mode) and marker in os.listdir(number):
            return True
    finally:
        os.close(number)
    try:
        if not os.path.samestat(facts, os.stat(target)):
            return False
    except FileNotFoundError:
        return True
    raise UserError(
        f"{target} exists and is no earlier export (it holds no {marker}). "
        "Remove it or choose another output."
    )


def _replace(new, target, aside, marker):
    """Renames a folder to `target`, and what stands there into `aside`."""
    os.stat(new)  # what is not there must not move what is
    old, count = None, 0
    try:
        while True:
            check_target(target, marker)
            with contextlib.suppress(FileNotFoundError):
                os.rename(target, aside / f"old{count}")
                old, count = aside / f"old{count}", count + 1
            try:
                os.rename(new, target)
                return
            except OSError as error:
                if (
                    error.errno not in OCCUPIED
                ):  # else another process was faster, and its folder goes aside, too
                    raise
    except BaseException:
        if old is not None and not target.exists():
            os.rename(old, target)
        raise
