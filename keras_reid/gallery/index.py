"""The index of a folder of images: their embeddings, kept from call to call."""

from __future__ import annotations

import dataclasses
import errno
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_reid.embedding.computing import embed_into
from keras_reid.embedding.named_images import displayed
from keras_reid.embedding.store import EmbeddingStore
from keras_reid.utils.counted import counted
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.gallery.scan import Scan

FOLDER = ".keras_reid_index"  # in the gallery


@dataclasses.dataclass(frozen=True)
class Gallery:
    """The images that are searched.

    Args:
        paths: image file of each row, as it can be opened.
        files: what identifies each file, from `Scan.files`.
        embeddings: `(n, dim)` float32, raw, memory-mapped.
    """

    paths: list
    files: list
    embeddings: np.ndarray


def index_folder(gallery: str | os.PathLike[str], index: str | os.PathLike[str] | None = None) -> Path:
    """The folder of a gallery's index: by default a hidden folder in the gallery."""
    return Path(index) if index else Path(gallery) / FOLDER


def update_index(
    scan: Scan,
    model: Any,
    run_or_model: str | os.PathLike[str],
    fingerprint: str,
    index: str | os.PathLike[str] | None = None,
    *,
    flip: bool = False,
    batch_size: int = 64,
    strict: bool = False,
) -> EmbeddingStore:
    """Brings the index of a folder up to date: embeds new and changed images, drops those that are gone.

    An image has changed if its size or time has. An index belongs to one model; another model embeds all images again.
    Work done before a kill is kept. Says on standard error what it does.

    Time: that of embedding the new images; if any is gone or has changed, also that of rewriting the index (4·dim bytes
    an image). Memory: about 1 kB an image for its path, and what embedding a batch takes.

    Args:
        scan: `Scan` of the gallery.
        model: a `ReIDModel`.
        run_or_model: the run directory or model file that it was loaded from; the index remembers it.
        fingerprint: fingerprint of the model file.
        index: folder of the index; None for a hidden one in the gallery.
        flip: average the embeddings of each image and its mirror image.
        batch_size: images in a batch.
        strict: refuse a gallery with an unreadable image before anything is embedded; otherwise such images are left
            out.

    Returns:
        A `Gallery`.

    Raises:
        UserError: no image can be read, or with `strict` one cannot; the index cannot be written.

    Example:
        >>> gallery = update_index(scan("album"), model, "runs/cats", fingerprint(file))  # doctest: +SKIP
        >>> gallery.embeddings.shape  # doctest: +SKIP
        (1200, 512)
    """
    folder = index_folder(scan.folder, index)
    kind = {"model": fingerprint, "flip": bool(flip)}
    try:
        with EmbeddingStore(folder, kind, {"model": str(Path(run_or_model).resolve())}) as store:
            return _update(store, scan, model, flip, batch_size, strict)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        raise UserError(
            f"{folder}: the index cannot be written: {(error.strerror or str(error)).lower()}. "
            "Name another folder with --index."
        ) from None


def _update(store, scan, model, flip, batch_size, strict):
    from keras_reid.data.unreadable import check_images, say_left_out

    now = {image.path: image for image in scan.images}
    stays = np.array([now.get(image.path) == image for image in store.images], bool)
    valid = {image.path for image, stay in zip(store.images, stays, strict=True) if stay}
    left = [image for image in scan.images if image.path not in valid]
    _say_state(store, valid, left, now)
    reasons = {displayed(scan.folder / path): reason for path, reason in scan.missing.items()}
    if strict:
        if reasons:
            raise UserError(f"images cannot be read: {'; '.join(map(': '.join, reasons.items()))}")
        check_images([scan.folder / image.path for image in left], remedy="repair or remove them")
    if not stays.all():
        store.keep(stays)
    for path, reason in embed_into(store, model, left, batch_size, flip, scan.folder).items():
        reasons[displayed(scan.folder / path)] = reason
    lines = [f"{path}: {reason}" for path, reason in reasons.items()]
    if not store.images:
        raise UserError(
            f"{scan.folder}: none of {counted(len(lines), 'image')} can be read: {'; '.join(lines[:5])}"
        )
    if lines:
        say_left_out(lines, len(scan.images) + len(scan.missing))
    return Gallery(
        paths=[str(scan.folder / image.path) for image in store.images],
        files=[scan.files[image.path] for image in store.images],
        embeddings=store.embeddings(),
    )


def _say_state(store, valid, left, now):
    known = {image.path for image in store.images}
    if store.discarded:
        state = f"it {store.discarded}; all images are embedded again"
    elif known:
        changed = len(known & now.keys()) - len(valid)
        state = f"{counted(len(valid), 'image')} known, {len(left) - changed} new, {changed} changed, "
        state += f"{len(known - now.keys())} gone"
    else:
        state = f"a new one, of {counted(len(left), 'image')}"
    print(f"index {store.folder}: {state}", file=sys.stderr)
