"""Folders that are put in place whole, or not at all."""

import contextlib
import os
import pathlib
import shutil
import tempfile

from keras_reid.errors import UserError


@contextlib.contextmanager
def put_in_place(target, marker):
    """Yields the path of a new folder; when the block ends well it becomes `target`, else nothing is left.

    The block makes the folder. What stood at `target` before stays until it ends, also when it fails.
    Folders made on the way to a target that was not reached are removed again.

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
    missing = [folder for folder in target.parents if not folder.exists()]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = pathlib.Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise UserError(f"{target.parent}: cannot be written to: {error.strerror}.") from None
    try:
        new = aside / "new"
        yield new
        if target.exists():
            os.rename(target, aside / "old")
        os.rename(new, target)
    except BaseException:
        if (aside / "old").exists():
            os.rename(aside / "old", target)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        for folder in missing:  # the innermost first; one that holds something now stays
            with contextlib.suppress(OSError):
                folder.rmdir()


def check_target(target, marker):
    """Refuses a folder that `put_in_place` would not replace, before the long work starts."""
    if target.exists() and not (target / marker).is_file():
        raise UserError(
            f"{target} exists and is no earlier export (it holds no {marker}). "
            "Remove it or choose another output."
        )
