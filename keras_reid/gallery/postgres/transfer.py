"""Moves a gallery between stores, in a form that other programs can read.

    FOLDER/gallery.json     format, version, the store's id, the model, counts
    FOLDER/sightings.csv    one row a sighting, in the order of the embeddings
    FOLDER/embeddings.npy   float32 (n, dim) of unit length
    FOLDER/images/HASH.jpg  the pictures that are kept, by the SHA-256 of their bytes

Columns of the CSV: subject, identity, camera, time, zone, source, quality, note, image, digest. A text that a
spreadsheet would take for a formula, or that begins with an apostrophe, has an apostrophe in front of it.
"""

from __future__ import annotations

import csv
import dataclasses
import datetime
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from keras_reid.gallery.images import sound_image
from keras_reid.gallery.model_identity import ModelIdentity
from keras_reid.gallery.postgres import audit
from keras_reid.gallery.postgres.reading import read_vectors
from keras_reid.gallery.postgres.store import PostgresStore, active_model
from keras_reid.gallery.protocol import KeptImage, NewSighting
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import folder_beside, read_json, write_json
from keras_reid.utils.full_disk import writing

FORMAT, VERSION = "keras_reid gallery export", 1
COLUMNS = (
    "subject",
    "identity",
    "camera",
    "time",
    "zone",
    "source",
    "quality",
    "note",
    "image",
    "digest",
)
_GUARDED = ("=", "+", "-", "@", "\t", "\r", "\n", "'")  # what a cell of a spreadsheet must not begin with
_HASH = re.compile(r"[0-9a-f]{64}")
_BATCH = 1000  # sightings that are imported at once
_JPEG = b"\xff\xd8\xff"


@dataclasses.dataclass(frozen=True)
class Moved:
    """What was exported or imported.

    Args:
        sightings: how many.
        duplicates: that the store had already.
        erased: of identities that this store has erased, which are not let in again.
    """

    sightings: int
    duplicates: int = 0
    erased: int = 0


def export(store: PostgresStore, folder: str | os.PathLike[str]) -> Moved:
    """Writes everything that is enrolled into a new folder, completely or not at all.

    The embeddings are those of the active model. Memory: 16 bytes a sighting.

    Args:
        store: the store.
        folder: a new one.

    Raises:
        UserError: the folder exists; nothing is enrolled; a kept picture is damaged.

    Example:
        >>> export(store, "gallery-export").sightings  # doctest: +SKIP
        1200
    """
    folder = Path(folder)
    if folder.exists():
        raise UserError(f"{folder} exists: an export overwrites nothing. Name a new folder")
    with folder_beside(folder) as aside, writing(folder):
        made = aside / "new"
        made.mkdir()
        count = store.database.run(lambda connection: _write(connection, store, made))
        os.rename(made, folder)
    return Moved(count)


def import_(store_address: str, folder: str | os.PathLike[str]) -> Moved:
    """Enrols what `export` wrote, into a new store or one of the same model.

    Names stand for the same identity as in the store. Sightings whose file is enrolled already are passed over, so that
    a repeated import continues where it was. Identities that the store has erased stay out, by their subject ids.

    Args:
        store_address: folder or URL of the store.
        folder: the export.

    Raises:
        UserError: the export is damaged, of a newer version or of another model; the message names file and row.
    """
    folder = Path(folder)
    model = _model(folder)
    embeddings = _embeddings(folder, model)
    with PostgresStore(store_address, model) as store:
        erased = store.database.run(_erased_subjects)
        added = duplicates = refused = 0
        batch: list[tuple[str, NewSighting]] = []
        for place, record in enumerate(_records(folder, len(embeddings))):
            subject, sighting = _sighting(folder, record, embeddings[place], place)
            if subject in erased:
                refused += 1
                continue
            batch.append((subject, sighting))
            if len(batch) == _BATCH:
                more = _add(store, batch)
                added, duplicates, batch = added + more, duplicates + len(batch) - more, []
        more = _add(store, batch)
        return Moved(added + more, duplicates + len(batch) - more, refused)


def guarded(text: str | None) -> str:
    """A text for a cell of a CSV file that no spreadsheet computes.

    Example:
        >>> guarded("=1+1"), guarded("Anna"), guarded(None)
        ("'=1+1", 'Anna', '')
    """
    text = text or ""
    return f"'{text}" if text.startswith(_GUARDED) else text


def unguarded(cell: str) -> str | None:
    """The text of a cell that `guarded` wrote; None for an empty one."""
    if cell.startswith("'") and cell[1:].startswith(_GUARDED):
        cell = cell[1:]
    return cell or None


def _write(connection, store, made):
    connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    active = active_model(connection)
    if active is None:
        raise UserError(f"{store.name}: nothing is enrolled")
    number, model = active
    (count,) = connection.execute("SELECT count(*) FROM sightings").fetchone()
    order = np.zeros(count, np.int64)
    (made / "images").mkdir()
    with open(made / "sightings.csv", "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for place, row in enumerate(_rows(connection)):
            order[place] = row[0]
            table.writerow(_cells(row[1:]))
    rows = np.lib.format.open_memmap(made / "embeddings.npy", "w+", np.float32, (count, model.dimension))
    for sightings, _, some in read_vectors(connection, number, model.dimension):
        rows[np.searchsorted(order, sightings)] = some
    rows.flush()
    with connection.cursor("images") as cursor:
        for hash, content in cursor.execute("SELECT hash, bytes FROM images"):
            path = made / "images" / f"{bytes(hash).hex()}.jpg"
            path.write_bytes(sound_image(bytes(hash), bytes(content)))
    about = {
        "format": FORMAT,
        "version": VERSION,
        "store": str(connection.execute("SELECT id FROM store").fetchone()[0]),
        "sightings": count,
        "model": dataclasses.asdict(model),
    }
    write_json(made / "gallery.json", about)
    audit.append(connection, "export", [], {"sightings": count})
    return count


def _rows(connection):
    with connection.cursor("sightings") as cursor:
        cursor.itersize = 2000
        yield from cursor.execute(
            "SELECT s.id, i.subject::text, i.name, c.name, s.seen, s.zone, s.source, s.quality, s.note, s.image, "
            "s.digest FROM sightings s JOIN identities i ON i.id = s.identity LEFT JOIN cameras c ON c.id = s.camera "
            "ORDER BY s.id"
        )


def _cells(row):
    subject, name, camera, seen, zone, source, quality, note, image, digest = row
    return (
        subject,
        guarded(name),
        guarded(camera),
        "" if seen is None else seen.astimezone(datetime.UTC).isoformat(),
        guarded(zone),
        guarded(source),
        "" if quality is None else repr(quality),
        guarded(note),
        "" if image is None else bytes(image).hex(),
        "" if digest is None else bytes(digest).hex(),
    )


def _model(folder):
    if not (folder / "gallery.json").is_file():
        raise UserError(
            f"{folder} must be a folder that `keras-reid gallery export` wrote: it has no gallery.json"
        )
    about = read_json(folder / "gallery.json")
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise UserError(f"{folder / 'gallery.json'} is not that of an export")
    if about.get("version") != VERSION:
        raise UserError(
            f"{folder}: the export must have version {VERSION}. Received: {about.get('version')!r}. Update keras_reid"
        )
    try:
        return ModelIdentity(**about["model"])
    except (KeyError, TypeError):
        raise UserError(f"{folder / 'gallery.json'} is damaged: it does not describe a model") from None


def _embeddings(folder, model):
    path = folder / "embeddings.npy"
    try:
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is damaged: {error}") from None
    if rows.dtype != np.float32 or rows.ndim != 2 or rows.shape[1] != model.dimension:
        raise UserError(
            f"{path} must hold float32 (n, {model.dimension}). Received: {rows.dtype} {rows.shape}"
        )
    return rows


def _records(folder, count) -> Iterator[dict[str, Any]]:
    path = folder / "sightings.csv"
    try:
        with open(path, encoding="utf-8", newline="") as file:
            table = csv.DictReader(file, strict=True)
            if tuple(table.fieldnames or ()) != COLUMNS:
                raise UserError(f"{path} must have the columns {', '.join(COLUMNS)}")
            place = 0
            for place, record in enumerate(table, 1):
                if None in record or None in record.values() or place > count:
                    raise UserError(f"{path}, row {place}: is damaged, or has no embedding")
                yield record
            if place != count:
                raise UserError(f"{path} must have {count} rows, one an embedding. Received: {place}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is damaged: {error}") from None


def _sighting(folder, record, embedding, place):
    where = f"{folder / 'sightings.csv'}, row {place + 1}"
    try:
        time = datetime.datetime.fromisoformat(record["time"]) if record["time"] else None
        zone = unguarded(record["zone"])
        if time is not None and zone:
            sign, hours, minutes = zone[0], int(zone[1:3]), int(zone[4:6])
            offset = datetime.timedelta(hours=hours, minutes=minutes) * (-1 if sign == "-" else 1)
            time = time.astimezone(datetime.timezone(offset))
        quality = float(record["quality"]) if record["quality"] else None
        digest = bytes.fromhex(record["digest"]) if record["digest"] else None
    except (ValueError, IndexError) as error:
        raise UserError(f"{where} is damaged: {error}") from None
    image = None
    if record["image"]:
        image = _image(folder, record["image"], where)
    sighting = NewSighting(
        np.array(embedding, np.float32),
        unguarded(record["identity"]),
        unguarded(record["camera"]),
        time,
        unguarded(record["source"]) or "",
        quality,
        unguarded(record["note"]),
        image,
        digest,
    )
    return record["subject"], sighting


def _image(folder, name, where):
    if not _HASH.fullmatch(name):
        raise UserError(f"{where}: column 'image' must be a SHA-256 in hexadecimal. Received: {name[:80]!r}")
    path = folder / "images" / f"{name}.jpg"
    try:
        content = sound_image(bytes.fromhex(name), path.read_bytes())
    except OSError as error:
        raise UserError(f"{where}: {path}: {(error.strerror or str(error)).lower()}") from None
    if not content.startswith(_JPEG):
        raise UserError(f"{where}: {path} is not a JPEG")
    from PIL import Image

    with Image.open(path) as picture:
        kind = "thumbnail" if max(picture.size) <= 128 else "image"
    return KeptImage(bytes.fromhex(name), content, kind)


def _erased_subjects(connection):
    return {
        subject
        for (subject,) in connection.execute(
            "SELECT DISTINCT unnest(subjects)::text FROM audit WHERE action IN ('forget', 'expire')"
        ).fetchall()
    }


def _add(store, batch):
    """Adds sightings; how many were new. Those without a name keep together by their subject."""
    if not batch:
        return 0
    nameless = sorted({subject for subject, one in batch if one.identity is None})

    def identities(connection):
        connection.execute(
            "INSERT INTO identities (subject) SELECT unnest(%s::uuid[]) ON CONFLICT DO NOTHING", [nameless]
        )
        found = connection.execute(
            "SELECT subject::text, id FROM identities WHERE subject = ANY(%s::uuid[])", [nameless]
        ).fetchall()
        return dict(found)

    numbers = store.database.run(identities) if nameless else {}
    sightings = [
        one if one.identity is not None else dataclasses.replace(one, identity=numbers[subject])
        for subject, one in batch
    ]
    return sum(number is not None for number in store.add(sightings))
