"""Embedded crops on disk until a file of tracks is complete: a kill loses little, and memory stays small."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from keras_reid.utils.errors import UserError
from keras_reid.utils.files import read_json, write_json, written_aside
from keras_reid.utils.locks import Held, Lock

_ABOUT, _LOCK = "about.json", "lock"
_OWN = re.compile(r"about\.json|lock|\d{6}\.npz|\.(about|\d{6})\.part\w+\.(json|npz)")  # the last of a kill


@dataclasses.dataclass(frozen=True, eq=False)
class Chunk:
    """Consecutive boxes of a sample, embedded.

    Args:
        count: boxes that were looked at.
        place: int64 `(k,)`: places in the sample of those that could be read; k is at most `count`.
        sharpness: float32 `(k,)`.
        embedding: float32 `(k, dim)`.
        picture_ends: int64 `(k,)`: ends of the JPEGs in
        pictures: uint8.
    """

    count: int
    place: NDArray[np.int64]
    sharpness: NDArray[np.float32]
    embedding: NDArray[np.float32]
    picture_ends: NDArray[np.int64]
    pictures: NDArray[np.uint8]


class Partial:
    """A private folder of chunks, each a file that is there whole or not at all.

    One process at a time uses it. What was made of other input is removed on entering, and `discarded` says so. When
    an error comes before the first chunk, the folder goes.

    Args:
        folder: the folder; made on entering, if it is not there.
        kind: JSON-able values that the chunks depend on.

    Raises:
        UserError: (on entering) another process uses it, it holds other files, or it is a link, or somebody else's.

    Example:
        >>> with Partial(".hall.part", {"model": "3f2a"}) as partial:  # doctest: +SKIP
        ...     partial.done
        0
    """

    def __init__(self, folder: str | os.PathLike[str], kind: dict[str, Any]) -> None:
        self.folder, self._kind = Path(folder), kind
        self.done, self.discarded, self._files = 0, False, 0

    def __enter__(self) -> Self:
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.folder.mkdir(0o700)
        except FileExistsError:
            status = os.lstat(self.folder)
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
                raise UserError(f"{self.folder}: must be a folder of yours: remove it") from None
        if not all(_OWN.fullmatch(file.name) for file in self.folder.iterdir()):
            raise UserError(
                f"{self.folder}: holds files other than crops: remove it, or write to another folder"
            )
        try:
            self._lock = Lock(self.folder / _LOCK)
        except Held as held:
            raise UserError(
                f"{self.folder}: {held.holder} is writing there. Wait for it, or stop it"
            ) from None
        try:
            self._look()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and not self.done:
            self.remove()
        self._lock.release()

    def append(self, chunk: Chunk) -> None:
        """Writes a chunk."""
        with written_aside(self._file(self._files)) as aside, open(aside, "wb") as file:
            np.savez(file, **{**vars(chunk), "count": np.array(chunk.count)})
        self._files += 1
        self.done += chunk.count

    def chunks(self) -> Iterator[Chunk]:
        """All chunks, in their order, one at a time."""
        for number in range(self._files):
            yield self._read(number)

    def remove(self) -> None:
        """Removes the folder with all that is in it."""
        shutil.rmtree(self.folder)

    def _look(self) -> None:
        try:
            known = read_json(self.folder / _ABOUT) == self._kind
        except (FileNotFoundError, UserError):
            known = False
        if known:
            try:
                while self._file(self._files).exists():
                    self.done += self._read(self._files).count
                    self._files += 1
            except (zipfile.BadZipFile, ValueError, KeyError, OSError, EOFError):
                pass  # a damaged disk: what follows is made again
            return
        old = [file for file in self.folder.iterdir() if file.name != _LOCK]
        self.discarded = bool(old)
        for file in old:
            file.unlink()
        write_json(self.folder / _ABOUT, self._kind)

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:06d}.npz"

    def _read(self, number: int) -> Chunk:
        with open(self._file(number), "rb") as file, np.load(file, allow_pickle=False) as archive:
            fields = {field.name: archive[field.name] for field in dataclasses.fields(Chunk)}
        return Chunk(**{**fields, "count": int(fields["count"])})
