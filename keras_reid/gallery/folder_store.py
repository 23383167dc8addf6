"""The core of a store on the index of a folder of images, which `keras-reid search` keeps."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from keras_reid.embedding.named_images import ImageFile
from keras_reid.embedding.store import EmbeddingStore
from keras_reid.embedding.store_files import Damaged, read_description
from keras_reid.embedding.vectors import l2_normalize
from keras_reid.gallery.index import FOLDER, index_folder
from keras_reid.gallery.model_identity import PREPROCESSING, ModelIdentity
from keras_reid.gallery.protocol import Counts, Filters, Found, Identity, NewSighting, Sighting
from keras_reid.utils.errors import UserError

_ROWS = 65_536  # compared with the queries at a time


class FolderStore:
    """A folder of images and its index, with the methods of `Store`.

    Each image file is an identity of its own, named by its path in the folder. Cameras, times, names, notes, filters,
    erasure with a receipt, expiry and a switch of models need a store in PostgreSQL. One process at a time has it open.

    Args:
        folder: of images, or of an index.
        model: whose embeddings it holds; None only looks.

    Raises:
        UserError: the index is of another model, or damaged.
    """

    def __init__(self, folder: str | os.PathLike[str], model: ModelIdentity | None = None) -> None:
        given = Path(folder)
        index = given if (given / "store.json").is_file() else index_folder(given)
        self.name, self.folder = os.fspath(folder), given
        self._store: Any = None
        known = _known(index)
        if known is None and model is None:
            raise UserError(f"{folder}: there is no index. `keras-reid search` makes one.")
        if model is not None and known is not None:
            model.check_same(known, self.name)
        self._model = model or known
        assert self._model is not None
        flip = self._model.preprocessing.endswith("flip")
        kind = {"model": self._model.fingerprint, "flip": flip}
        self._store = EmbeddingStore(index, kind, {"model": self._model.name}).__enter__()

    @staticmethod
    def is_index(folder: Path) -> bool:
        """Whether a folder is an index, or has one."""
        return (folder / "store.json").is_file() or (folder / FOLDER / "store.json").is_file()

    def model(self) -> ModelIdentity | None:
        """The model whose embeddings the index holds."""
        return self._model

    def add(self, sightings: Sequence[NewSighting]) -> list[int | None]:
        """Adds image files of the folder; `source` is the path in it.

        Returns:
            the row of each, from 1; None for a file that is in the index.

        Raises:
            UserError: see `Store.add`; or a sighting has what an index does not keep.
        """
        embeddings = self._checked([one.embedding for one in sightings])
        for one in sightings:
            kept = ("identity", "camera", "time", "quality", "note", "image")
            if extra := [name for name in kept if getattr(one, name) is not None]:
                raise self._lacks(f"keeps no {extra[0]}")
            if not (self.folder / one.source).is_file():
                raise UserError(f"{self.name}: an index holds files of its folder. Received: {one.source!r}.")
        rows = {image.path: row for row, image in enumerate(self._store.images, 1)}
        new: dict[str, int] = {}
        ids: list[int | None] = []
        for place, one in enumerate(sightings):
            taken = one.source in rows or one.source in new
            ids.append(None if taken else len(rows) + len(new) + 1)
            if not taken:
                new[one.source] = place
        images = [ImageFile.of(path, os.stat(self.folder / path)) for path in new]
        if images:
            self._store.append(images, embeddings[list(new.values())])
            self._store.flush()
        return ids

    def search(self, queries: ArrayLike, filters: Filters | None = None, top: int = 10) -> list[list[Found]]:
        """The nearest images of each query, exactly; equal ones in the order of the index.

        Raises:
            UserError: see `Store.search`; or there are filters.
        """
        if filters:
            raise self._lacks("keeps no cameras and times to filter by")
        if top < 1:
            raise UserError(f"`top` must be at least 1. Received: {top}.")
        rows = self._checked(queries)
        embeddings, images = self._store.embeddings(), self._store.images
        best = np.zeros((len(rows), 0))
        places = np.zeros((len(rows), 0), int)
        for start in range(0, len(images), _ROWS):
            some = l2_normalize(np.asarray(embeddings[start : start + _ROWS]))
            best = np.concatenate([best, 1 - rows @ some.T], axis=1)
            found = np.broadcast_to(np.arange(start, start + len(some)), (len(rows), len(some)))
            places = np.concatenate([places, found], axis=1)
            order = np.argsort(best, axis=1, kind="stable")[:, :top]
            best, places = np.take_along_axis(best, order, 1), np.take_along_axis(places, order, 1)
        return [
            [
                Found(int(place) + 1, path, None, None, None, path, max(0.0, float(distance)))
                for place, distance in zip(some, distances, strict=True)
                for path in [images[place].path]
            ]
            for some, distances in zip(places, best, strict=True)
        ]

    def get(self, identity: int | str) -> Identity:
        """An image by its path in the folder.

        Raises:
            UserError: it is not in the index.
        """
        row = self._row(identity)
        path = self._store.images[row].path
        return Identity(path, "", None, (Sighting(row + 1, None, None, path, None, None, None),))

    def remove(self, identities: Sequence[int | str]) -> int:
        """Drops images from the index; the files stay, and the next `keras-reid search` takes them up again.

        Raises:
            UserError: one is not in the index; then none is dropped.
        """
        going = {self._row(identity) for identity in identities}
        if going:
            self._store.keep(np.array([row not in going for row in range(len(self._store.images))], bool))
        return len(going)

    def known(self, digests: Collection[bytes]) -> set[bytes]:
        """None: the index knows a file by its path, size and time."""
        return set()

    def count(self) -> Counts:
        """How many images the index holds, each an identity."""
        return Counts(len(self._store.images), len(self._store.images))

    def close(self) -> None:
        """Lets go of the index."""
        if self._store is not None:
            store, self._store = self._store, None
            store.__exit__(None, None, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _row(self, identity):
        for row, image in enumerate(self._store.images):
            if image.path == identity:
                return row
        raise UserError(f"{self.name}: there is no image {identity!r} in the index.")

    def _checked(self, embeddings):
        if not len(embeddings):
            return np.zeros((0, self._model.dimension), np.float32)
        return self._model.checked(embeddings)

    def _lacks(self, what):
        return UserError(
            f"{self.name}: a folder index {what}. Use a store in PostgreSQL: `keras-reid gallery --store FOLDER`."
        )


def _known(index):
    """The model of an index; None if there is no index yet."""
    try:
        about = read_description(index / "store.json")
        kind, name = about["kind"], str(about["about"].get("model", index))
        with EmbeddingStore(index, kind, about["about"]) as store:
            shape = store.embeddings().shape
    except FileNotFoundError:
        return None
    except Damaged as error:
        raise UserError(
            f"{index}: the index {error}. Remove the folder; `keras-reid search` makes it anew."
        ) from None
    flip = ", flip" if kind.get("flip") else ""
    # An index that was emptied does not say how long embeddings are.
    return (
        ModelIdentity(name, str(kind.get("model")), max(1, shape[1]), PREPROCESSING + flip)
        if shape[1]
        else None
    )
