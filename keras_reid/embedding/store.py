"""Embeddings of image files on disk, which survive a kill at any moment."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_reid.embedding.store_files import VERSION, Damaged, read_description, read_form, read_images
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import write_json
from keras_reid.utils.full_disk import is_full
from keras_reid.utils.locks import Lock
from keras_reid.utils.plain_files import open_plain

if TYPE_CHECKING:
    from keras_reid.embedding.named_images import ImageFile

_DATA = re.compile(r"embeddings-\d+\.npy|images-\d+\.jsonl")
_LEFT_OVER = re.compile(r"\.store\.part\w+\.json")  # of a kill
_OWN = re.compile(rf"lock|store\.json|{_LEFT_OVER.pattern}|{_DATA.pattern}")
_SECONDS = 1.0  # after which what is new is written
_ROWS = 4096  # copied at a time


class EmbeddingStore:
    """A folder of embeddings of image files. Rows are appended, and what was written stays, whatever happens.

    `store.json` says what the embeddings are of; it is always replaced as a whole. `embeddings-N.npy` holds them,
    float32 `(rows, dim)`; any program can map it into memory. `images-N.jsonl` has a line for each row: path, size,
    time. A line is written once its row is on disk. So after a kill every row that has a line is right, and whatever
    follows is cut off.

    The store never writes through a link and never overwrites files that are not a store's. Entering it reads all of it
    once (see `read_form`). Damaged content is deleted, and `discarded` says what it was.

    One process at a time uses a store; another one waits. New rows (4·dim bytes each) are written every second. The
    store keeps those and the list of the images, about 0.3 kB each, in memory.

    Args:
        folder: the store's folder. It is created on entering, if it is not there.
        kind: dict of JSON-able values that the embeddings depend on, such as the model's fingerprint. Embeddings of
            another kind are deleted, and `discarded` says why.
        about: dict of JSON-able values for a reader of store.json.
        private: whether the folder must belong to this user and be closed to writing by others. For a folder with a
            name that can be guessed, at a place where somebody else might have created it.

    `images` lists the `ImageFile` of each row on disk; `flush` writes those that wait.

    Example:
        >>> with EmbeddingStore("folder", {"model": "3f2a"}) as store:  # doctest: +SKIP
        ...     store.append([ImageFile.of("a.jpg")], np.ones((1, 8), np.float32))
        ...     store.embeddings().shape
        (1, 8)
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        kind: Mapping[str, Any],
        about: Mapping[str, Any] | None = None,
        private: bool = False,
    ) -> None:
        self.private = private
        self.folder, self.kind, self.about = Path(folder), dict(kind), dict(about or {})
        self.images, self.discarded = [], None
        self._generation = 0
        self._dim: Any = None
        self._waiting, self._written = [], time.monotonic()

    def __enter__(self) -> Self:
        self._lock: Any = None
        while self._lock is None:
            made = self._make_folder()
            names = {file.name for file in self.folder.iterdir()}
            if "store.json" not in names and not all(map(_OWN.fullmatch, names)):
                raise self._foreign()
            self._new_lock = "lock" not in names
            try:
                self._lock = Lock(self.folder / "lock", self._say_waiting)
            except FileNotFoundError:  # its former owner removed it in the meantime
                continue
        try:
            self._read()
        except BaseException:
            if made:
                self.remove()
            self._lock.release(remove=self._new_lock)
            raise
        return self

    def _make_folder(self):
        """Creates the folder, or checks the one that is there. Returns whether it was created."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.folder.mkdir(0o700 if self.private else 0o777)
            return True
        except FileExistsError:
            status = os.lstat(self.folder)
        if stat.S_ISLNK(status.st_mode):
            raise UserError(
                f"{self.folder} is a link, which is not followed here: remove it, or name the folder that it leads to"
            )
        if not stat.S_ISDIR(status.st_mode):
            raise UserError(f"{self.folder} must be a folder: remove the file, or name another")
        if self.private and (status.st_uid != os.geteuid() or status.st_mode & stat.S_IWOTH):
            raise UserError(
                f"{self.folder} belongs to another user or is writable by everyone, so its content cannot be trusted: "
                "remove it, or write to another folder"
            )
        return False

    def _foreign(self):
        return UserError(f"{self.folder}: holds files other than embeddings. Name a new or an empty folder.")

    def _say_waiting(self, holder):
        print(f"{self.folder}: waiting for {holder}, which is writing to it", file=sys.stderr)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self.flush()
            if kind is not None and issubclass(kind, KeyboardInterrupt) and self.images:
                print(
                    f"{self.folder}: {len(self.images)} embeddings are kept; the same command continues from there",
                    file=sys.stderr,
                )
        finally:
            self._lock.release()

    def embeddings(self) -> NDArray[np.float32]:
        """`(rows, dim)` float32, memory-mapped; row i is that of `images[i]`. Later changes do not affect it."""
        self.flush()
        if not self.images:
            return np.zeros((0, self._dim or 0), np.float32)
        shape = (len(self.images), self._dim)
        with open_plain(self._rows_file) as file:
            return np.memmap(file, "<f4", "r", offset=self._rows_start, shape=shape)

    def append(self, images: Iterable[ImageFile], rows: ArrayLike) -> None:
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

    def flush(self) -> None:
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
                f"{self.folder}: the disk is full. {len(self.images)} embeddings are kept. Make room and repeat the "
                "command: it continues from there."
            ) from None

    def keep(self, mask: ArrayLike) -> None:
        """Drops rows. The file is rewritten in blocks: time and disk space of a copy.

        Args:
            mask: `(rows,)` bool: True for a row that stays.
        """
        old, images = self.embeddings(), self.images
        self._begin(self._generation + 1)
        places = np.flatnonzero(mask)
        try:
            for start in range(0, len(places), _ROWS):
                some = places[start : start + _ROWS]
                self._write([images[place] for place in some], old[some])
            self._describe()
        except OSError:  # the disk is full: the old files stay valid
            self._begin(self._generation)
            raise

    def remove(self) -> None:
        """Removes the folder with everything in it."""
        self._waiting = []
        # Renamed first: a process that comes meanwhile creates a new folder.
        going = self.folder.with_name(f"{self.folder.name}.{secrets.token_hex(8)}")
        os.rename(self.folder, going)
        shutil.rmtree(going)

    @property
    def _rows_file(self):
        return self.folder / f"embeddings-{self._generation}.npy"

    @property
    def _lines_file(self):
        return self.folder / f"images-{self._generation}.jsonl"

    def _read(self):
        try:
            stored = read_description(self.folder / "store.json")
            self._generation = stored["generation"]
            if stored["kind"] == self.kind:
                self._read_rows()
                if stored["about"] != self.about or "version" not in stored:
                    self._describe()
                return
            self.discarded = "was made with another model or another setting"
        except FileNotFoundError:
            pass
        except Damaged as damage:
            # Ours only if every file looks like a store's: a lone store.json may be anybody's.
            names = {file.name for file in self.folder.iterdir()} - {"lock"}
            if not all(map(_OWN.fullmatch, names)) or (self._new_lock and names == {"store.json"}):
                raise self._foreign() from None
            self.discarded = str(damage)
        self.images = []
        self._begin(self._generation + 1)
        self._describe()

    def _read_rows(self):
        with contextlib.suppress(FileNotFoundError):
            self.images, self._lines_end = read_images(self._lines_file)
        if not self.images:
            self._begin(self._generation)
            return
        self._dim, self._rows_start = read_form(self._rows_file, len(self.images))

    def _begin(self, generation):
        """Starts empty, with new files."""
        self._generation, self.images, self._dim = generation, [], None
        self._lines_end = 0
        self._rows_file.unlink(missing_ok=True)
        self._lines_file.unlink(missing_ok=True)

    def _describe(self):
        """Makes the files of this generation the valid ones."""
        content = {"version": VERSION, "generation": self._generation, "kind": self.kind, "about": self.about}
        write_json(self.folder / "store.json", content)
        for file in self.folder.iterdir():
            old = _DATA.fullmatch(file.name) and file not in (self._rows_file, self._lines_file)
            if old or _LEFT_OVER.fullmatch(file.name):
                file.unlink()

    def _write(self, images, rows):
        """Writes rows first, then their lines: a line means that its row is on disk."""
        if self._dim is None:
            self._dim = rows.shape[1]
            with open_plain(self._rows_file, "wb") as file:
                self._write_header(file, 0)
                self._rows_start = file.tell()
        with open_plain(self._rows_file, "r+b") as file:
            file.seek(self._rows_start + 4 * self._dim * len(self.images))
            file.write(np.ascontiguousarray(rows, "<f4").data)
            file.truncate()  # rows without a line, left by a kill
            file.seek(0)
            self._write_header(file, len(self.images) + len(rows))
            _to_disk(file)
        lines = "".join(json.dumps(image) + "\n" for image in images).encode()
        with open_plain(self._lines_file, "r+b" if self._lines_end else "wb") as file:
            file.seek(self._lines_end)
            file.write(lines)
            file.truncate()
            _to_disk(file)
        self._lines_end += len(lines)
        self.images.extend(images)

    def _write_header(self, file, count):
        # NumPy leaves room for the number of rows to grow.
        header = {"descr": "<f4", "fortran_order": False, "shape": (count, self._dim)}
        np.lib.format.write_array_header_1_0(file, header)


def _to_disk(file):
    file.flush()
    os.fsync(file.fileno())
