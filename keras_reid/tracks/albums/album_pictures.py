"""The pictures of a folder, each file once, with their embeddings."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from keras_reid.embedding.named_images import displayed
from keras_reid.utils.counted import counted
from keras_reid.utils.errors import UserError
from keras_reid.utils.progress import progress

if TYPE_CHECKING:
    from keras_reid.embedding import Embedder


@dataclasses.dataclass(frozen=True, eq=False)
class AlbumPictures:
    """What a folder holds.

    Args:
        paths: the p files that can be read.
        item: `(p,)` int64: copies of one file are one item.
        digests: `(n,)` SHA-256 of each item's file.
        embeddings: `(n, dim)` float32 of unit length.
        unreadable: path → why it cannot be read.
    """

    paths: tuple[str, ...]
    item: NDArray[np.int64]
    digests: tuple[bytes, ...]
    embeddings: NDArray[np.float32]
    unreadable: dict[str, str]


def embedded_pictures(
    paths: Sequence[str],
    embedder: Embedder,
    known: Mapping[bytes, NDArray[np.float32]] | None = None,
    batch_size: int = 64,
) -> AlbumPictures:
    """Embeds image files, with progress. Files that cannot be read are left out and named.

    Memory: the files of a batch, and the embeddings.

    Args:
        paths: image files.
        embedder: of the model.
        known: SHA-256 of a file → its embedding, of those that need not be embedded again.
        batch_size: images in a batch.

    Returns:
        `AlbumPictures`.

    Raises:
        UserError: no file can be read; an embedding is not finite.

    Example:
        >>> embedded_pictures(["a.jpg", "b.jpg"], embedder).embeddings.shape  # doctest: +SKIP
        (2, 512)
    """
    known = known or {}
    readable, items = [], []
    of_digest: dict[bytes, int] = {}
    rows: list[NDArray[np.float32]] = []
    unreadable: dict[str, str] = {}
    with progress("embedding", total=len(paths)) as advance:
        for start in range(0, len(paths), batch_size):
            some = _contents(paths[start : start + batch_size], unreadable)
            new = {digest: (path, content) for path, content, digest in some if digest not in of_digest}
            left = {digest: one for digest, one in new.items() if digest not in known}
            found = {digest: known[digest] for digest in new if digest in known}
            found |= _embeddings(left, embedder, unreadable)
            for digest, row in found.items():
                of_digest[digest] = len(rows)
                rows.append(row)
            for path, _, digest in some:
                if digest in of_digest:
                    readable.append(path)
                    items.append(of_digest[digest])
                elif displayed(path) not in unreadable:  # a copy of a file that cannot be read
                    unreadable[displayed(path)] = "is the same as a file that cannot be read"
            advance(len(paths[start : start + batch_size]))
    if not readable:
        lines = [f"{path}: {reason}" for path, reason in unreadable.items()]
        raise UserError(f"none of {counted(len(paths), 'image')} can be read: {'; '.join(lines[:5])}")
    return AlbumPictures(
        tuple(readable), np.array(items, np.int64), tuple(of_digest), np.stack(rows), unreadable
    )


def _contents(paths, unreadable):
    """`(path, contents, digest)` of each file that can be opened."""
    found = []
    for path in paths:
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            unreadable[displayed(path)] = (error.strerror or str(error)).lower()
            continue
        found.append((path, content, hashlib.sha256(content).digest()))
    return found


def _embeddings(left, embedder, unreadable):
    """Digest → embedding, of the files that can be decoded."""
    if not left:
        return {}
    try:
        return dict(zip(left, embedder([content for _, content in left.values()]), strict=True))
    except UserError:
        from keras_reid.data.unreadable import unreadable_images

        reasons = unreadable_images([path for path, _ in left.values()])
        if not reasons:
            raise
    digests = list(left)
    for place, why in reasons.items():
        unreadable[displayed(left[digests[place]][0])] = why
    return _embeddings(
        {digest: left[digest] for place, digest in enumerate(digests) if place not in reasons},
        embedder,
        unreadable,
    )
