"""How a data set is laid out on disk: its folder and lists, with errors that say what is missing."""

import re
from pathlib import Path

from keras_reid.utils.errors import UserError


def existing_folder(folder, purpose):
    """The folder as a `Path`; a `UserError` that says what it is for if there is no such folder."""
    folder = Path(folder)
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise UserError(f"{folder} {what}; {purpose}")
    return folder


def find_folder(root, title, directories, marker, layout):
    """The folder of a data set.

    Args:
        root: folder that holds one of `directories`, or that is itself the data set.
        title: what the set is called, for errors.
        directories: names of the folder as it is distributed; the first that exists is taken.
        marker: what a root that is itself the data set holds.
        layout: how the set is laid out, for errors; see `laid_out`.

    Raises:
        UserError: if there is no root, or no data set in it.
    """
    root = existing_folder(root, layout)
    for directory in directories:
        if (root / directory).is_dir():
            return root / directory
    if (root / marker).exists():
        return root
    looked_for = ", ".join(str(root / name) for name in (*directories, marker))
    raise UserError(f"{title} is not in {root}: none of {looked_for} exists; {layout}")


def laid_out(title, layout):
    """The half sentence that ends the errors of `find_folder` and its like."""
    return f"{title} is laid out as {layout} (it has to be put there, nothing is downloaded)"


def match_names(pattern, names):
    """Matches of a pattern with the beginnings of file names, None where a name does not fit.

    A beginning ends before a "_" or ".", so that no number is cut short: `c1` does not fit `c12_…`.
    """
    pattern = re.compile(rf"(?:{pattern})[_.][^/]*")
    return [pattern.fullmatch(name) for name in names]


def read_list(file, pattern, form, layout):
    """Matches of a pattern with the lines of a text file; empty lines are passed over.

    Args:
        file: text file of the data set.
        pattern: regular expression for a whole line without the blanks around it.
        form: how a line looks, for errors.
        layout: how the set is laid out, for errors.

    Raises:
        UserError: if the file is missing or empty, or a line does not fit: how many, and the first.
    """
    file, pattern = Path(file), re.compile(pattern)
    if not file.is_file():
        raise UserError(f"{file} does not exist; {layout}")
    lines = file.read_text(encoding="utf-8-sig", errors="replace").split("\n")
    lines = [(number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip()]
    if not lines:
        raise UserError(f"{file} has no lines; each must read {form}")
    matches = [pattern.fullmatch(line) for _, line in lines]
    misfits = [line for line, match in zip(lines, matches, strict=True) if match is None]
    if misfits:
        number, line = misfits[0]
        raise UserError(
            f"{len(misfits)} of {len(lines)} lines of {file} do not fit, the first is line {number}, {line!r}; "
            f"each must read {form}"
        )
    return matches


def name_after(path):
    """The name of a data set, after the folder or file that holds it.

    Where that is called `train`, it is the folder around it: the data set also has a test part.

    Example:
        >>> name_after("pictures/vehicles/train"), name_after("pictures/vehicles/labels.csv")
        ('vehicles', 'labels')
    """
    path = Path(path).resolve()
    name = path.name if path.is_dir() else path.stem
    return path.parent.name or name if name.lower() == "train" else name
