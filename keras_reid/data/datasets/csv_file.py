"""The user's own images in a table."""

import csv
import dataclasses
import os
from pathlib import Path

from keras_reid.data.dataset import ReIDDataset
from keras_reid.data.datasets.layout import name_after
from keras_reid.data.sample import Sample
from keras_reid.data.split import split_dataset
from keras_reid.utils.errors import UserError

_PARTS = ("train", "query", "gallery")


@dataclasses.dataclass(frozen=True)
class CSV:
    """Images listed in a CSV file: columns `path`, `identity`, and optionally `camera` and `subset`.

    Paths are relative to the CSV file's folder, or absolute. `subset` is `train`, `query` or `gallery`;
    without that column test identities are drawn with `seed` and split as `keras_reid.data.split` describes.
    An empty `camera` is an unknown one. Other columns are ignored. UTF-8, commas, a header line.

    Args:
        file: CSV file below the root; the root may also be the CSV file itself.
        test_identities: share (0.0 … 1.0) or number of identities to hold out, where there is no column
            `subset`.
        seed: seed of that draw, a non-negative integer.
        protocol: `"cross_camera"`, `"all"`, `"leave_one_out"`, or None for cross-camera where the test images allow
            it.
        name: of the data set, for tables and files; empty: the file's name, or, if that is `train`, its folder's.

    Example:
        >>> # path,identity,camera
        >>> # images/1.jpg,anna,door
        >>> dataset = CSV("cats.csv").read("datasets")
    """

    file: str = "dataset.csv"
    test_identities: int | float = 0.5  # in this order for the command line: "50" is a number
    seed: int = 0
    protocol: str | None = None
    name: str = ""

    def read(self, root):
        """Reads the CSV file below `root`; a `UserError` names the line and the column of a mistake."""
        file = Path(root) if os.path.isfile(root) else Path(root) / self.file
        if not file.is_file():
            raise UserError(
                f"{file} does not exist; a CSV file with the columns path and identity is expected there"
            )
        name = self.name or name_after(file)
        samples, subsets = _read(file)
        if subsets is None:
            return split_dataset(name, samples, self.test_identities, self.seed, self.protocol)
        parts = {
            part: [sample for sample, subset in zip(samples, subsets, strict=True) if subset == part]
            for part in _PARTS
        }
        return ReIDDataset(name, **parts, protocol=self.protocol, split="as given by the column subset")


def _read(file):
    """The samples, and their subsets or None if there is no such column."""
    samples, subsets = [], []
    try:
        with open(file, encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream)
            columns = rows.fieldnames or []
            if missing := [column for column in ("path", "identity") if column not in columns]:
                found = ", ".join(columns) or "nothing"
                raise UserError(f"{file}, line 1: column {missing[0]!r} is missing; the header has {found}")
            for row in rows:
                place = f"{file}, line {rows.line_num}"
                samples.append(_sample(file.parent, row, place))
                subsets.append(_subset(row, place) if "subset" in columns else None)
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{file} is not a CSV file in UTF-8: {error}") from None
    if not samples:
        raise UserError(f"{file} has no rows below its header")
    return samples, subsets if "subset" in columns else None


def _sample(folder, row, place):
    for column in ("path", "identity"):
        if not (row[column] or "").strip():
            raise UserError(f"{place}: column {column!r} is empty")
    path = folder / row["path"].strip()
    if not path.is_file():
        raise UserError(f"{place}: column 'path': there is no file {path}")
    return Sample(path, row["identity"].strip(), (row.get("camera") or "").strip() or None)


def _subset(row, place):
    subset = (row["subset"] or "").strip()
    if subset not in _PARTS:
        raise UserError(f"{place}: column 'subset' must be train, query or gallery. Received: {subset!r}")
    return subset
