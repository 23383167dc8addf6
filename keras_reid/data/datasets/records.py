"""A data set that was packed into TFRecord files."""

import csv
import dataclasses
from pathlib import Path

from keras_reid.data.dataset import ReIDDataset
from keras_reid.data.records import COLUMNS, FACTS, INDEX, PARTS
from keras_reid.data.sample import Sample
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import read_json


@dataclasses.dataclass(frozen=True)
class Records:
    """A data set in TFRecord files, as `python -m keras_reid.pack` writes them.

    For file systems that are slow with many small files. Reading it opens two files, `index.csv` and `dataset.json`.
    Sampling by identity needs the images in any order; so on a slow file system cache them too
    (`data.cache`), which reads the large files once from start to end.

    Args:
        folder: the packed folder below the root; the root may also be the folder itself.

    Example:
        >>> dataset = Records("market1501_records").read("datasets")
    """

    folder: str = "records"

    def read(self, root):
        """Reads the index below `root`; a `UserError` names the file and line of a mistake."""
        root = Path(root)
        folder = next((place for place in (root / self.folder, root) if (place / INDEX).is_file()), None)
        if folder is None:
            raise UserError(
                f"neither {root / self.folder} nor {root} has an {INDEX}; "
                "python -m keras_reid.pack makes such a folder from a data set"
            )
        try:
            parts = _read_index(folder)
        except (csv.Error, UnicodeDecodeError) as error:
            raise UserError(f"{folder / INDEX}: damaged: {error}; pack the data set again") from None
        try:
            facts = read_json(folder / FACTS)
            known = {key: facts[key] for key in ("name", "protocol", "split", "junk")}
            known["read_as"] = facts.get("read_as", "")  # not in what older versions packed
        except (OSError, ValueError, KeyError):
            raise UserError(f"{folder / FACTS} is missing or damaged; pack the data set again") from None
        return ReIDDataset(**known, **parts)


def _read_index(folder):
    parts = {part: [] for part in PARTS}
    file, files = folder / INDEX, {}
    with open(file, encoding="utf-8", newline="") as stream:
        rows = csv.DictReader(stream)
        if tuple(rows.fieldnames or ()) != COLUMNS:
            raise UserError(
                f"{file}, line 1: the columns must be {', '.join(COLUMNS)}; pack the data set again"
            )
        for row in rows:
            shard, _, offset = (row["path"] or "").partition("#")
            if row["subset"] not in parts or not offset.isdigit() or not row["identity"]:
                raise UserError(f"{file}, line {rows.line_num}: damaged; pack the data set again")
            if shard not in files:
                files[shard] = (folder / shard).is_file()
                if not files[shard]:
                    raise UserError(f"{folder / shard} does not exist, and {file} needs it")
            camera = row["camera"] or None
            parts[row["subset"]].append(Sample(folder / row["path"], row["identity"], camera))
    return parts
