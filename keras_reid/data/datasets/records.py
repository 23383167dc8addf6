"""A data set in few large files, for file systems that are slow with many small ones: writing and reading it."""

import csv
import dataclasses
import json
import os
from pathlib import Path

from keras_reid.data.dataset import ReIDDataset
from keras_reid.data.sample import Sample
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import folder_beside, read_json
from keras_reid.utils.progress import progress

_INDEX, _FACTS = "index.csv", "dataset.json"
_PARTS = ("train", "query", "gallery", "validation")
_COLUMNS = ("subset", "path", "identity", "camera", "name")


def write_records(dataset, folder, shard_bytes=256 * 10**6):
    """Writes a data set as TFRecord files, which the reader `Records` reads.

    A record is a `tf.train.Example` with one feature, `image`: the file's bytes as they are. `index.csv` says for
    each image of each subset the record, the identity, the camera and the name of the file it was;
    `dataset.json` holds the name, the protocol and the split. An image of several subsets is written once.

    Args:
        dataset: a `ReIDDataset`.
        folder: where to write; made, and there only when all is written.
        shard_bytes: size of a TFRecord file, about.

    Returns:
        The number of TFRecord files.

    Raises:
        UserError: if the folder exists, or an image file is not there.

    Example:
        >>> write_records(Market1501().read("datasets"), "datasets/market1501_records")
        1
    """
    folder = Path(folder)
    if folder.exists():
        raise UserError(f"{folder} exists already: remove it, or give another folder to write to")
    with folder_beside(folder) as aside:
        new = aside / "new"
        new.mkdir()
        places, shards = _write_images(dataset, new, shard_bytes)
        _write_index(dataset, new, places)
        os.rename(new, folder)
    return shards


@dataclasses.dataclass(frozen=True)
class Records:
    """A data set in TFRecord files, as `keras-reid pack` writes them.

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
        folder = next((place for place in (root / self.folder, root) if (place / _INDEX).is_file()), None)
        if folder is None:
            raise UserError(
                f"neither {root / self.folder} nor {root} has an {_INDEX}; "
                "keras-reid pack makes such a folder from a data set"
            )
        try:
            parts = _read_index(folder)
        except (csv.Error, UnicodeDecodeError) as error:
            raise UserError(f"{folder / _INDEX}: damaged: {error}; pack the data set again") from None
        try:
            facts = read_json(folder / _FACTS)
            known = {key: facts[key] for key in ("name", "protocol", "split", "junk")}
            known["read_as"] = facts.get("read_as", "")  # not in what older versions packed
        except (OSError, ValueError, KeyError):
            raise UserError(f"{folder / _FACTS} is missing or damaged; pack the data set again") from None
        return ReIDDataset(**known, **parts)


def _write_images(dataset, folder, shard_bytes):
    """Path of an image → `FILE#OFFSET` of its record; the number of files."""
    import tensorflow as tf

    paths = list(dict.fromkeys(sample.path for part in _PARTS for sample in getattr(dataset, part)))
    places, number, offset, writer = {}, 0, 0, None
    with progress("packing", total=len(paths)) as advance:
        for path in paths:
            if writer is None:
                shard, offset = f"images-{number:05d}.tfrecord", 0
                writer = tf.io.TFRecordWriter(str(folder / shard))
                number += 1
            record = _example(tf, _bytes_of(path))
            writer.write(record)
            places[path] = f"{shard}#{offset}"
            offset += len(record) + 16  # length (8 bytes) and two checksums (4 each)
            if offset >= shard_bytes:
                writer.close()
                writer = None
            advance()
    if writer is not None:
        writer.close()
    return places, number


def _example(tf, contents):
    image = tf.train.Feature(bytes_list=tf.train.BytesList(value=[contents]))
    return tf.train.Example(features=tf.train.Features(feature={"image": image})).SerializeToString()


def _bytes_of(path):
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path} is listed in the data set and does not exist") from None


def _write_index(dataset, folder, places):
    with open(folder / _INDEX, "w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(_COLUMNS)
        for part in _PARTS:
            for sample in getattr(dataset, part):
                camera = "" if sample.camera is None else sample.camera
                rows.writerow(
                    (part, places[sample.path], sample.identity, camera, os.path.basename(sample.path))
                )
    facts = {
        "name": dataset.name,
        "protocol": dataset.protocol,
        "split": dataset.split,
        "read_as": dataset.read_as,
        "junk": [str(identity) for identity in dataset.junk],
    }
    (folder / _FACTS).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def _read_index(folder):
    parts = {part: [] for part in _PARTS}
    file, files = folder / _INDEX, {}
    with open(file, encoding="utf-8", newline="") as stream:
        rows = csv.DictReader(stream)
        if tuple(rows.fieldnames or ()) != _COLUMNS:
            raise UserError(
                f"{file}, line 1: the columns must be {', '.join(_COLUMNS)}; pack the data set again"
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
