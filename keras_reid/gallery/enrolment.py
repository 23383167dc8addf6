"""Enrols images: which files with which labels, their embeddings, what is kept of them."""

from __future__ import annotations

import csv
import dataclasses
import datetime
import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_reid.data.image_files import image_files
from keras_reid.embedding.named_images import displayed, find_images
from keras_reid.gallery.protocol import NewSighting
from keras_reid.utils.counted import counted
from keras_reid.utils.errors import UserError
from keras_reid.utils.progress import progress

if TYPE_CHECKING:
    from keras_reid.embedding import Embedder
    from keras_reid.gallery.images import Keep
    from keras_reid.gallery.protocol import Store

# Market-1501, DukeMTMC, VeRi: 0002_c1s1_000451_03.jpg; -1 and 0000 are nobody in particular.
_MARKET = re.compile(r"(?P<identity>-1|\d+)_c(?P<camera>\d+)(?:s\d+)?(?:[_.].*)?")
_NOBODY = re.compile(r"-1|0+")
_COLUMNS = ("path", "identity", "camera", "time", "quality", "note")


@dataclasses.dataclass(frozen=True)
class Picture:
    """An image file to enrol, with what is known of it.

    Args:
        path: of the file.
        identity, camera, time, quality, note: as in `NewSighting`.
    """

    path: str
    identity: str | None = None
    camera: str | None = None
    time: datetime.datetime | None = None
    quality: float | None = None
    note: str | None = None


@dataclasses.dataclass
class Enrolled:
    """What `enrol` did.

    Args:
        sightings: how many images were added.
        duplicates: path → why it was passed over.
        unreadable: path → why it cannot be read.
    """

    sightings: int = 0
    duplicates: dict[str, str] = dataclasses.field(default_factory=dict)
    unreadable: dict[str, str] = dataclasses.field(default_factory=dict)


def enrol(
    store: Store,
    embedder: Embedder,
    pictures: Sequence[Picture],
    keep: Keep = "nothing",
    batch_size: int = 64,
) -> Enrolled:
    """Embeds image files and adds them to a store, with progress.

    Each batch is one transaction; after a kill, the same call goes on, as files that are enrolled are passed over.
    A file that cannot be read is left out. Memory: the files of a batch.

    Args:
        store: opened with the embedder's model.
        embedder: gives the embeddings.
        pictures: the files.
        keep: what to keep of each image (`keras_reid.gallery.images.kept_image`).
        batch_size: images in a batch.

    Returns:
        an `Enrolled`.

    Raises:
        UserError: the store refuses something, or is away or full; what was added before stays.

    Example:
        >>> enrol(store, embedder, [Picture("anna.jpg", "Anna", camera="door")]).sightings  # doctest: +SKIP
        1
    """
    done, seen = Enrolled(), {}
    with progress("enrolling", total=len(pictures)) as advance:
        for start in range(0, len(pictures), batch_size):
            some = pictures[start : start + batch_size]
            contents = _read(some, done, seen)
            known = store.known([digest for _, _, digest in contents])
            for picture, _, digest in contents:
                if digest in known:
                    done.duplicates[displayed(picture.path)] = "is enrolled already"
            left = [one for one in contents if one[2] not in known]
            sightings = _embedded(left, embedder, keep, done)
            ids = store.add(sightings) if sightings else []
            for one, number in zip(sightings, ids, strict=True):
                if number is None:  # another command was faster
                    done.duplicates[one.source] = "is enrolled already"
            done.sightings += sum(number is not None for number in ids)
            advance(len(some))
    return done


def pictures_of(
    names: Iterable[str | os.PathLike[str]],
    identity: str | None = None,
    camera: str | None = None,
    time: datetime.datetime | None = None,
) -> list[Picture]:
    """The images that files and folders stand for.

    A folder without `identity` may be laid out as training reads it: `IDENTITY/CAMERA_anything.jpg`, or file names as
    Market-1501's (`0002_c1s1_000451_03.jpg`; there, -1 and 0000 have no identity). Else its images have no identity.

    Args:
        names: files and folders.
        identity: of all of them.
        camera: of all of them.
        time: of all of them, with a zone.

    Raises:
        UserError: a name does not exist, or a folder holds no image.

    Example:
        >>> pictures_of(["people"])[0]  # doctest: +SKIP
        Picture(path='people/anna/door_1.jpg', identity='anna', camera='door', ...)
    """
    pictures = []
    for name in names:
        paths = find_images([name])
        labels: Sequence[Any] = [(None, None)] * len(paths)
        if identity is None and Path(name).is_dir():
            labels = _labels(Path(name))
        for path, (who, where) in zip(paths, labels, strict=True):
            pictures.append(Picture(path, identity or who, camera or where, time))
    return pictures


def pictures_of_csv(
    file: str | os.PathLike[str],
    identity: str | None = None,
    camera: str | None = None,
    time: datetime.datetime | None = None,
) -> list[Picture]:
    """The images that a CSV file lists: `path`, and optionally `identity`, `camera`, `time`, `quality`, `note`.

    Paths are relative to the file's folder and stay below it. UTF-8, commas, a header line. Times are ISO 8601 with a
    zone, such as `2026-11-29T08:30:00+01:00`. Empty fields are unknown; other columns are ignored.

    Args:
        file: the CSV file.
        identity, camera, time: where the file says nothing.

    Raises:
        UserError: names the line and the column of a mistake.
    """
    file, pictures = Path(file), []
    if not file.is_file():
        raise UserError(f"{file}: there is no such CSV file.")
    folder = file.parent.resolve()
    try:
        with open(file, encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream)
            if "path" not in (rows.fieldnames or ()):
                found = ", ".join(rows.fieldnames or ()) or "nothing"
                raise UserError(f"{file}, line 1: column 'path' is missing; the header has {found}.")
            for row in rows:
                place = f"{file}, line {rows.line_num}"
                fields = {name: (row.get(name) or "").strip() or None for name in _COLUMNS}
                pictures.append(
                    Picture(
                        _path_below(folder, fields["path"], place),
                        fields["identity"] or identity,
                        fields["camera"] or camera,
                        parse_time(fields["time"], f"{place}: column 'time'") if fields["time"] else time,
                        _quality(fields["quality"], place),
                        fields["note"],
                    )
                )
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{file} is not a CSV file in UTF-8: {error}.") from None
    if not pictures:
        raise UserError(f"{file} has no rows below its header.")
    return pictures


def parse_time(text: str, name: str) -> datetime.datetime:
    """A time with a zone from ISO 8601.

    Args:
        text: such as `"2026-11-29T08:30:00+01:00"` or `"2026-11-29T07:30:00Z"`.
        name: of the option or column, for messages.

    Raises:
        UserError: it is no time, or has no zone.

    Example:
        >>> parse_time("2026-11-29T08:30:00+01:00", "--time").isoformat()
        '2026-11-29T08:30:00+01:00'
    """
    try:
        time = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise UserError(
            f"{name} must be a time in ISO 8601, such as 2026-11-29T08:30:00+01:00. Received: {text!r}"
        ) from None
    if time.tzinfo is None:
        raise UserError(
            f"{name} must have a time zone, such as 2026-11-29T08:30:00+01:00, or Z for UTC. Received: {text!r}"
        )
    return time


def _read(pictures, done, seen):
    """`(picture, contents, digest)` of each file that can be read and was not there before."""
    contents = []
    for picture in pictures:
        try:
            content = Path(picture.path).read_bytes()
        except OSError as error:
            done.unreadable[displayed(picture.path)] = (error.strerror or str(error)).lower()
            continue
        digest = hashlib.sha256(content).digest()
        if digest in seen:
            done.duplicates[displayed(picture.path)] = f"is the same file as {seen[digest]}"
            continue
        seen[digest] = displayed(picture.path)
        contents.append((picture, content, digest))
    return contents


def _embedded(contents, embedder, keep, done):
    from keras_reid.data.unreadable import unreadable_images
    from keras_reid.gallery.images import kept_image

    try:
        embeddings = embedder([content for _, content, _ in contents]) if contents else ()
    except UserError:
        reasons = unreadable_images([picture.path for picture, _, _ in contents])
        if not reasons:
            raise
        for place, why in reasons.items():
            done.unreadable[displayed(contents[place][0].path)] = why
        contents = [one for place, one in enumerate(contents) if place not in reasons]
        embeddings = embedder([content for _, content, _ in contents]) if contents else ()
    return [
        NewSighting(
            embedding,
            picture.identity,
            picture.camera,
            picture.time,
            displayed(picture.path),
            picture.quality,
            picture.note,
            kept_image(content, keep),
            digest,
        )
        for (picture, content, digest), embedding in zip(contents, embeddings, strict=True)
    ]


def _labels(folder):
    """`(identity, camera)` of each image of a folder, in the order of `find_images`."""
    from keras_reid.data.datasets.folder_labels import labels_by_layout

    files = image_files(folder, recursive=True)
    if all("/" not in file for file in files):
        matches = [_MARKET.fullmatch(file) for file in files]
        if not all(matches):
            return [(None, None)] * len(files)
        return [
            (None if _NOBODY.fullmatch(match["identity"]) else match["identity"], match["camera"])
            for match in matches
            if match
        ]
    labels, _ = labels_by_layout(files)
    misfits = [file for file, label in zip(files, labels, strict=True) if label is None]
    if misfits:
        raise UserError(
            f"{folder}: {len(misfits)} of {counted(len(files), 'image')} do not lie as IDENTITY/CAMERA_anything.jpg, "
            f"such as {misfits[0]}. Name one identity with --identity, or list the images in a CSV file with --csv."
        )
    return labels


def _path_below(folder, path, place):
    """A path of a CSV file, as it can be opened; it must not lead out of the file's folder."""
    if path is None:
        raise UserError(f"{place}: column 'path' is empty.")
    whole = (folder / path).resolve()
    if os.path.isabs(path) or folder not in whole.parents:
        raise UserError(
            f"{place}: column 'path' must stay below the folder of the CSV file. Received: {path!r}."
        )
    if not whole.is_file():
        raise UserError(f"{place}: column 'path': there is no file {path!r}.")
    return str(whole)


def _quality(text, place):
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 <= value <= 1:
        raise UserError(f"{place}: column 'quality' must be a number from 0 to 1. Received: {text!r}.")
    return value
