"""The file of a camera's tracks: an .npz of plain arrays, written whole or not at all."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import zipfile
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.gallery.model_identity import ModelIdentity
from keras_reid.tracks.records import Boxes, Crops, Tracklets, Tracks
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import parse_json, written_aside

KIND, VERSION = "keras_reid tracks", 1
_PARTS = {"boxes": Boxes, "crops": Crops, "tracklets": Tracklets}


def write_tracks(path: str | os.PathLike[str], tracks: Tracks) -> None:
    """Writes a camera's tracks. The file appears only when it is complete; the same tracks give the same bytes.

    It holds no pickles: `about`, JSON as bytes, with kind, version, camera, start, fps, frame size, source and model;
    an array `boxes.frame` and so on for each array of the records; and the pictures one after the other, with their
    ends.

    Args:
        path: the .npz file.
        tracks: what to write.

    Raises:
        UserError: the name does not end in .npz.
        OSError: the disk is full, or the folder is not writable.

    Example:
        >>> write_tracks("hall.npz", tracks)  # doctest: +SKIP
        >>> read_tracks("hall.npz").camera  # doctest: +SKIP
        'hall'
    """
    if not os.fspath(path).endswith(".npz"):
        raise UserError(f"a file of tracks must end in .npz. Received: {os.fspath(path)}")
    about = {
        "kind": KIND,
        "version": VERSION,
        "camera": tracks.camera,
        "start": tracks.start and tracks.start.isoformat(),
        "fps": tracks.fps,
        "frame_size": tracks.frame_size,
        "source": tracks.source,
        "model": dataclasses.asdict(tracks.model),
    }
    arrays: dict[str, Any] = {
        "about": _bytes(json.dumps(about).encode()),
        "box_tracklet": tracks.box_tracklet,
    }
    for part, kind in _PARTS.items():
        for field in _array_fields(kind):
            arrays[f"{part}.{field}"] = getattr(getattr(tracks, part), field)
    pictures = tracks.tracklets.pictures
    arrays["picture_ends"] = np.cumsum([len(picture) for picture in pictures], dtype=np.int64)
    arrays["pictures"] = _bytes(b"".join(pictures))
    with written_aside(path) as aside, open(aside, "wb") as file:
        np.savez(file, **arrays)


def read_tracks(path: str | os.PathLike[str]) -> Tracks:
    """Reads a file of `write_tracks`, and checks everything in it.

    Args:
        path: the .npz file.

    Raises:
        UserError: the file is damaged, of another kind or of another version; the message names it.
        OSError: there is no such file, or it cannot be read.

    Example:
        >>> read_tracks("hall.npz").tracklets.embedding.shape  # doctest: +SKIP
        (57, 512)
    """
    name = os.fspath(path)
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            about = _about(archive, name)
            return _tracks(about, archive)
    except UserError as error:
        prefix = "" if str(error).startswith(name) else f"{name}: is damaged: "
        raise UserError(f"{prefix}{error}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, MemoryError):
        raise UserError(f"{name}: is damaged. Make it again with `keras-reid tracks`") from None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        raise UserError(f"{name}: is not a file of tracks, or is damaged. {_REMEDY}") from None


_REMEDY = "`keras-reid tracks` writes such files"


def _about(archive: Any, name: str) -> dict[str, Any]:
    if "about" not in archive:
        raise UserError(f"{name}: is not a file of tracks. {_REMEDY}")
    about = parse_json(archive["about"].tobytes(), name)
    if not isinstance(about, dict) or about.get("kind") != KIND:
        raise UserError(f"{name}: is not a file of tracks. {_REMEDY}")
    if about["version"] != VERSION:
        raise UserError(
            f"{name}: is of version {about['version']} of the format, and this keras_reid reads version {VERSION}. "
            "Make it again with `keras-reid tracks`"
        )
    return about


def _tracks(about: dict[str, Any], archive: Any) -> Tracks:
    ends = archive["picture_ends"].tolist()
    pictures = archive["pictures"].tobytes()
    starts = [0, *ends][: len(ends)]
    if (ends[-1] if ends else 0) != len(pictures) or any(a > b for a, b in zip(starts, ends, strict=True)):
        raise UserError("its pictures do not have the lengths that it names")
    more = {"tracklets": {"pictures": tuple(pictures[a:b] for a, b in zip(starts, ends, strict=True))}}
    parts = {
        part: kind(
            **{field: archive[f"{part}.{field}"] for field in _array_fields(kind)}, **more.get(part, {})
        )
        for part, kind in _PARTS.items()
    }
    start = about["start"]
    return Tracks(
        camera=str(about["camera"]),
        start=None if start is None else datetime.datetime.fromisoformat(start),
        fps=about["fps"],
        frame_size=tuple(about["frame_size"]),
        source=str(about["source"]),
        model=ModelIdentity(**about["model"]),
        box_tracklet=archive["box_tracklet"],
        **parts,
    )


def _array_fields(kind: type) -> list[str]:
    return [field.name for field in dataclasses.fields(kind) if field.name != "pictures"]


def _bytes(content: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(content, np.uint8)
