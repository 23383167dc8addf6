"""Folders that appear completely or not at all."""

import contextlib
import errno
import os
import pathlib
import stat
from collections.abc import Iterator

from keras_reid.utils.errors import UserError
from keras_reid.utils.files import folder_beside

OCCUPIED = {errno.ENOTEMPTY, errno.EEXIST}  # errors of `rename` if the target is a folder with content


@contextlib.contextmanager
def put_in_place(target: str | os.PathLike[str], marker: str) -> Iterator[pathlib.Path]:
    """Yields the path of a new folder, which becomes `target` if the block succeeds; otherwise nothing is left.

    The block must create the folder. The earlier content of `target` stays until the block succeeds. If it fails,
    parent folders that were created on the way are removed again. If several processes do this at the same time, the
    last one's complete folder remains.

    Args:
        target: path of the final folder.
        marker: name of a file that every such folder holds; an existing folder without it is not replaced, unless it
            is empty.

    Raises:
        UserError: `target` exists and is something else, or its parent folder cannot be written to.

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
def made_aside(target: pathlib.Path) -> Iterator[pathlib.Path]:
    """`folder_beside`, but with a one-line error if the parent folder cannot be written to."""
    with contextlib.ExitStack() as stack:
        try:
            aside = stack.enter_context(folder_beside(target))
        except OSError as error:
            raise UserError(f"{target.parent}: cannot be written to: {error.strerror}.") from None
        yield aside


def check_target(target: str | os.PathLike[str], marker: str) -> None:
    """Raises the error that `put_in_place` would raise for this target, before the long work starts."""
    while not _is_replaceable(target, marker):
        pass


def _is_replaceable(target, marker):
    """Returns True or raises an error; returns False if another process replaced the target meanwhile."""
    try:
        number = os.open(target, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return True
    except NotADirectoryError:  # a parent is a file: the error comes when the folder is made
        return True
    try:
        facts = os.fstat(number)
        if stat.S_ISDIR(facts.st_mode):
            content = os.listdir(number)
            if marker in content or not content:
                return True
    finally:
        os.close(number)
    try:
        if not os.path.samestat(facts, os.stat(target)):
            return False
    except FileNotFoundError:
        return True
    raise UserError(
        f"{target} exists and is not an earlier export (it contains no {marker}). "
        "Remove it or choose another output."
    )


def _replace(new, target, aside, marker):
    """Renames a folder to `target`, after moving an existing target into `aside`."""
    os.stat(new)  # fail before moving the old folder if the new one does not exist
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
                ):  # otherwise another process was faster, and its folder moves aside too
                    raise
    except BaseException:
        if old is not None and not target.exists():
            os.rename(old, target)
        raise
