"""Embeddings of image files on the disk, row after row, which survive a kill."""

import fcntl
import json
import os
import re
import shutil
import sys
import time
from pathlib import Path

import numpy as np

from keras_reid.errors import UserError
from keras_reid.evaluation.image_files import ImageFile
from keras_reid.files import write_json
from keras_reid.full_disk import is_full

_DATA = re.compile(r"embeddings-\d+\.npy|images-\d+\.jsonl")
_OWN = re.compile(rf"lock|\.store\.part\d+\.json|{_DATA.pattern}")
_SECONDS = 1.0  # after which what is new is written
_ROWS = 4096  # copied at a time


class EmbeddingStore:
    """A folder of embeddings of image files, to which rows are appended; what was written stays, whatever happens.

    `store.json` says what the embeddings are of and is replaced whole. `embeddings-N.npy` holds them, float32 `(rows,
    dim)`; any program can map it into memory. `images-N.jsonl` has a line for each row: path, size, time. A line is
    written when its row is on the disk, so after a kill at any moment every row that has a line is right, and all that
    comes after is cut off.

    One process at a time has a store; another waits. Each second the rows that are new are written (4·dim bytes each);
    they, and the list of the images, about 0.3 kB each, are what it keeps in memory.

    Args:
        folder: where it is, or shall be. It is made when it is entered.
        kind: dict of JSON-able values, what the embeddings depend on, such as the model's fingerprint. What was stored
            of another kind is thrown away, and `discarded` says why.
        about: dict of JSON-able values that is kept along, for a reader of store.json.

    `images` lists the `ImageFile` of each row that is written; `flush` writes those that wait.

    Example:
        >>> with EmbeddingStore("folder", {"model": "3f2a"}) as store:  # doctest: +SKIP
        ...     store.append([ImageFile.of("a.jpg")], np.ones((1, 8), np.float32))
        ...     store.embeddings().shape
        (1, 8)
    """

    def __init__(self, folder, kind, about=None):
        self.folder, self.kind, self.about = Path(folder), dict(kind), dict(about or {})
        self.images, self.discarded = [], None
        self._generation, self._dim = 0, None
        self._waiting, self._written = [], time.monotonic()

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        names = {file.name for file in self.folder.iterdir()}
        if "store.json" not in names and not all(map(_OWN.fullmatch, names)):
            raise UserError(
                f"{self.folder}: holds other files than embeddings. Name a new or an empty folder."
            )
        self._lock = open(self.folder / "lock", "w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{self.folder}: waiting for another process that writes into it", file=sys.stderr)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            self._read()
        except BaseException:
            self._lock.close()
            raise
        return self

    def __exit__(self, kind, *_):
        try:
            self.flush()
            if kind is KeyboardInterrupt and self.images:
                print(
                    f"{self.folder}: {len(self.images)} embeddings are kept, the same command goes on from there",
                    file=sys.stderr,
                )
        finally:
            self._lock.close()

    def embeddings(self):
        """`(rows, dim)` float32, memory-mapped; row i is of `images[i]`. It stays as it is when the store changes."""
        self.flush()
        if not self.images:
            return np.zeros((0, self._dim or 0), np.float32)
        shape = (len(self.images), self._dim)
        return np.memmap(self._rows_file, "<f4", "r", offset=self._rows_start, shape=shape)

    def append(self, images, rows):
        """Adds rows.

        Args:
            images: `ImageFile`s.
            rows: `(n, dim)` float32, one for each of them.

        Raises:
            UserError: the disk is full.
        """
        self._waiting.append((list(images), np.ascontiguousarray(rows, "<f4")))
        if time.monotonic() - self._written >= _SECONDS:
            self.flush()

    def flush(self):
        """Writes what was appended."""
        self._written = time.monotonic()
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        images = [image for some, _ in waiting for image in some]
        rows = np.concatenate([rows for _, rows in waiting])
        try:
            self._write(images, rows)
        except OSError as error:
            if not is_full(error):
                raise
            raise UserError(
                f"{self.folder}: the disk is full. {len(self.images)} embeddings are kept; make room and repeat the "
                "command, which goes on from there."
            ) from None

    def keep(self, mask):
        """Drops rows. The file is written anew, in blocks: time and disk space of a copy.

        Args:
            mask: `(rows,)` bool, whether each stays.
        """
        old, images = self.embeddings(), self.images
        self._begin(self._generation + 1)
        places = np.flatnonzero(mask)
        for start in range(0, len(places), _ROWS):
            some = places[start : start + _ROWS]
            self._write([images[place] for place in some], old[some])
        self._describe()

    def remove(self):
        """Removes the folder with all that is in it."""
        self._waiting = []
        shutil.rmtree(self.folder)

    @property
    def _rows_file(self):
        return self.folder / f"embeddings-{self._generation}.npy"

    @property
    def _lines_file(self):
        return self.folder / f"images-{self._generation}.jsonl"

    def _read(self):
        try:
            stored = json.loads((self.folder / "store.json").read_text(encoding="utf-8"))
            self._generation = int(stored["generation"])
            if stored["kind"] == self.kind:
                self._read_rows()
                if stored["about"] != self.about:
                    self._describe()
                return
            self.discarded = "was made with another model or another setting"
        except FileNotFoundError:
            pass
        except (ValueError, KeyError, TypeError):
            self.discarded = "is damaged"
        self._begin(self._generation + 1)
        self._describe()

    def _read_rows(self):
        if not self._lines_file.exists():
            self._begin(self._generation)
            return
        whole, _, _ = self._lines_file.read_bytes().rpartition(b"\n")
        self.images = [ImageFile(*json.loads(line)) for line in whole.splitlines()]
        self._lines_end = len(whole) + 1 if whole else 0
        if not self.images:
            self._begin(self._generation)
            return
        with open(self._rows_file, "rb") as file:
            np.lib.format.read_magic(file)
            shape, _, _ = np.lib.format.read_array_header_1_0(file)
            self._dim, self._rows_start = shape[1], file.tell()
        if self._rows_file.stat().st_size < self._rows_start + 4 * self._dim * len(self.images):
            raise ValueError("fewer rows than lines")

    def _begin(self, generation):
        """Empty, in new files."""
        self._generation, self.images, self._dim = generation, [], None
        self._lines_end = 0
        self._rows_file.unlink(missing_ok=True)
        self._lines_file.unlink(missing_ok=True)

    def _describe(self):
        """Makes the files of this generation those that count."""
        content = {"generation": self._generation, "kind": self.kind, "about": self.about}
        write_json(self.folder / "store.json", content)
        for file in self.folder.iterdir():
            if _DATA.fullmatch(file.name) and file not in (self._rows_file, self._lines_file):
                file.unlink()

    def _write(self, images, rows):
        """Rows first, then their lines: a line stands for a row that is on the disk."""
        if self._dim is None:
            self._dim = rows.shape[1]
            with open(self._rows_file, "wb") as file:
                self._write_header(file, 0)
                self._rows_start = file.tell()
        with open(self._rows_file, "r+b") as file:
            file.seek(self._rows_start + 4 * self._dim * len(self.images))
            file.write(np.ascontiguousarray(rows, "<f4").data)
            file.truncate()  # rows without a line, of before a kill
            file.seek(0)
            self._write_header(file, len(self.images) + len(rows))
            _to_disk(file)
        lines = "".join(json.dumps(image) + "\n" for image in images).encode()
        with open(self._lines_file, "r+b" if self._lines_end else "wb") as file:
            file.seek(self._lines_end)
            file.write(lines)
            file.truncate()
            _to_disk(file)
        self._lines_end += len(lines)
        self.images.extend(images)

    def _write_header(self, file, count):
        # numpy leaves room for the number of rows to grow.
        header = {"descr": "<f4", "fortran_order": False, "shape": (count, self._dim)}
        np.lib.format.write_array_header_1_0(file, header)


def _to_disk(file):
    file.flush()
    os.fsync(file.fileno())
