"""Proof of a published model: the file's hash, its weights, and the embeddings of three shipped images."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.resources
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_reid.utils.errors import UserError
from keras_reid.zoo.registry import Row, find_row
from keras_reid.zoo.resolving import resolve, weights_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

IMAGES = ("person-1.png", "person-2.png", "vehicle-1.png")
# Largest difference of two embeddings of unit length: float32 on another machine, or in another framework.
TOLERANCE = 1e-4
_KEPT = 8  # numbers of each embedding that are compared; they depend on all weights


@dataclasses.dataclass(frozen=True)
class Verification:
    """What was found out about a published model.

    Args:
        name: of the model.
        lines: `{"hash" | "weights" | "embedding": what was found}`.
        verified: whether file and embedding are those that somebody else published or computed.
    """

    name: str
    lines: dict[str, str]
    verified: bool


def verify_model(name: str, offline: bool = False, accept_licence: bool = False) -> Verification:
    """Fetches and converts a published model anew, and compares it with what is known of it.

    The file's SHA-256 is compared with the publisher's; every weight must find its place; the embeddings of three
    images that come with this package are compared with those of the registry. Where there are none, they are compared
    with those of the first verification on this machine, which tells a change but proves nothing.

    Args:
        name: of the registry.
        offline, accept_licence: as of `resolve`.

    Raises:
        UserError: a difference; or as `resolve`.

    Example:
        >>> verify_model("torchreid/osnet-x0-25-market").verified  # doctest: +SKIP
        True
    """
    row = find_row(name)
    if row.needs:
        resolve(name)  # says what is missing
    file = weights_file(name, offline, accept_licence)

    from keras_reid.utils.files import sha256_of
    from keras_reid.zoo.building import build
    from keras_reid.zoo.entry import Entry

    entry, received = Entry(name), sha256_of(file)
    model = build(row, file)
    embeddings = embed_images(model)
    _check_cached(row, embeddings, offline, accept_licence)
    golden_line, golden = _compare(row, entry, received, embeddings)
    known = _known_hash(row, received)
    lines = {
        "hash": f"{received}, {known or 'not verified: its publisher gives none'}",
        "weights": f"all {_count(file)} arrays of the file have their place in {model.count_params():,} parameters",
        "embedding": golden_line,
    }
    return Verification(name, lines, bool(known) and golden)


def embed_images(model: Any) -> NDArray[np.float32]:
    """Embeddings of the shipped images, of unit length: `(3, dim)`.

    Args:
        model: a `ReIDModel`.
    """
    from keras_reid.embedding import embed_paths, l2_normalize

    folder = importlib.resources.files("keras_reid") / "zoo" / "images"
    with importlib.resources.as_file(folder) as path:
        return l2_normalize(embed_paths(model, [os.fspath(path / name) for name in IMAGES]))


def golden_of(embeddings: NDArray[np.float32]) -> list[list[float]]:
    """What the registry keeps of the embeddings of the shipped images."""
    return [[round(float(value), 7) for value in row[:_KEPT]] for row in embeddings]


def _check_cached(row, embeddings, offline, accept_licence):
    """The model that other commands use must be this one."""
    if row.builder == "backbone":
        return
    from keras_reid.models import load_model

    path = resolve(row.name, offline, accept_licence)
    difference = float(np.abs(embed_images(load_model(path)) - embeddings).max())
    if not difference <= TOLERANCE:
        raise UserError(
            f"{path}: gives other embeddings than the published file: they differ by up to {difference:.1g}. Remove it "
            "to have it converted again"
        )


def _compare(row, entry, received, embeddings):
    """What is to say of the embeddings, and whether somebody else computed the same ones."""
    values = golden_of(embeddings)
    if row.golden and row.golden["sha256"] == received:
        difference = _difference(row, row.golden["values"], values, row.golden["by"])
        return f"as computed by {row.golden['by']}, to {difference:.1g}", True
    before = entry.record().get("embedding")
    if before:
        difference = _difference(row, before["values"], values, f"{before['by']} on {before['date']}")
        return f"not verified; as recorded on {before['date']} by {before['by']}, to {difference:.1g}", False
    from keras_reid import __version__

    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    entry.folder.mkdir(parents=True, exist_ok=True)
    entry.note(embedding={"values": values, "by": f"keras_reid {__version__}", "date": date})
    return f"not verified: nobody else computed it; recorded in {entry.folder / 'zoo.json'}", False


def _difference(row, expected, values, by):
    difference = float(np.abs(np.asarray(expected) - np.asarray(values)).max())
    if not difference <= TOLERANCE:
        raise UserError(
            f"{row.name}: its embeddings of the shipped images differ by up to {difference:.1g} from those computed by "
            f"{by}, and may by {TOLERANCE:.0g}"
        )
    return difference


def _known_hash(row: Row, received: str) -> str | None:
    """Who else says that the file has this hash."""
    row = row.complete()
    if row.published:  # the first digits are in its name; `fetch` compared them
        return "begins as published" if "-" in row.file else None
    if row.sha256:
        return "as published"
    return next((f"as the file at {copy['at']}" for copy in row.copies if copy["sha256"] == received), None)


def _count(file):
    from keras_reid.checkpoints import read_state_dict

    return sum(not name.endswith("num_batches_tracked") for name in read_state_dict(file))
