"""Identity and camera from the paths of a user's own images, by the usual layout or by a pattern."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Sequence
from typing import Any

from keras_reid.utils.errors import UserError

# What follows the identity in names like Market-1501's: 0002_c1s1_000451_03, 0002_cam1, 0002c1s1_000451.
_CAMERA = re.compile(r"[_-]?c(?:am|amera)?[_-]?(\d+)(?:s\d+)?(?:[_.-].*)?", re.IGNORECASE)
_DATE = re.compile(r"(?:19|20)\d\d[-.]?(?:0[1-9]|1[0-2])[-.]?(?:0[1-9]|[12]\d|3[01])(?:T?\d{4,6})?(?!\d)")
_FEW = 10  # cameras; so few may well have taken one or two images each


def labels_by_layout(files: Sequence[str]) -> tuple[list[tuple[Any, Any] | None], str]:
    """Labels of IDENTITY/CAMERA_anything.jpg.

    Where most file names begin with the identity again, that is not the camera. It is then the number after the "c" or
    "cam" that comes next, as in Market-1501's names; if no name has such a number, the camera is not known, of which a
    warning tells.

    Args:
        files: paths with "/" between folders.

    Returns:
        `(labels, rule)`: `(identity, camera)` of each file, or None for one that lies higher or deeper; and in words
        how they were read.

    Raises:
        UserError: names begin with the identity and go on in several ways.
    """
    labels = [_by_layout(file) for file in files]
    places = [place for place, label in enumerate(labels) if label and label[1] is not None]
    rests = [_after_identity(files[place]) for place in places]
    if 2 * sum(rest is not None for rest in rests) <= len(rests):
        return labels, 'identity: the folder; camera: the file name up to its first "_"'
    cameras = [rest is not None and _CAMERA.fullmatch(rest) for rest in rests]
    kinds = {}  # of names → the first of the kind
    for place, rest, camera in zip(places, rests, cameras, strict=True):
        kinds.setdefault((rest is None, bool(camera)), files[place])
    if len(kinds) > 1:
        one, other, *_ = kinds.values()
        raise UserError(
            f"most file names begin with the identity of their folder, which is not a camera, and go on in several "
            f"ways, such as {one} and {other}; give a `pattern` that says where identity and camera stand"
        )
    for place, camera in zip(places, cameras, strict=True):
        labels[place] = labels[place][0], camera[1] if camera else None
    if all(cameras):
        return (
            labels,
            'identity: the folder; camera: the number after "c" that follows the identity in the file name',
        )
    warnings.warn(
        f"the file names begin with the identity of their folder, such as {files[places[0]]}, and tell no camera where "
        "it is looked for: every gallery image will count, which makes results too good. If the second field is the "
        r"camera, give pattern=r'(?P<identity>[^/]+)/[^_]+_(?P<camera>[^_.]+)'; if there is none, "
        "pattern=r'(?P<identity>[^/]+)/' says so",
        stacklevel=2,
    )
    return labels, "identity: the folder; camera: unknown"


def labels_by_pattern(pattern: str, files: Sequence[str]) -> tuple[list[tuple[Any, Any] | None], str]:
    """Labels that a regular expression reads from the beginning of each path.

    Args:
        pattern: with a group `identity` and perhaps a group `camera`. It must not end within a number.
        files: paths with "/" between folders.

    Returns:
        as `labels_by_layout`; None for a path that does not fit.

    Raises:
        UserError: it is not a regular expression, or without the group; it cuts numbers short.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UserError(f"`pattern` is not a regular expression: {error}. Received: {pattern!r}") from None
    if "identity" not in compiled.groupindex:
        raise UserError(f"`pattern` needs a group (?P<identity>…). Received: {pattern!r}")
    matches = [compiled.match(file) for file in files]
    _check_ends(compiled, files, matches)
    labels = [
        (match["identity"], match.groupdict().get("camera") or None) if match and match["identity"] else None
        for match in matches
    ]
    return labels, f"by the pattern {pattern}"


def warn_of_cameras(name: str, files: Sequence[str], cameras: Sequence[Any]) -> None:
    """Warns if what was read as cameras looks like dates or like numbers of images.

    Args:
        name: of the data set.
        files: as they lie.
        cameras: of each.
    """
    counts = len(set(cameras))
    if all(camera and _DATE.match(camera) for camera in cameras):
        what = "look like dates"
    elif counts > max(_FEW, len(cameras) / 2):
        what = f"are nearly as many as the {len(cameras)} images"
    else:
        return
    warnings.warn(
        f"the {counts} cameras of data set {name!r} {what}: {files[0]} is read as camera {cameras[0]!r}. If they are "
        "none, images of one camera count as matches across cameras, which makes results too good: give a `pattern` "
        "that reads the camera, or none. If they are meant, set protocol='cross_camera'",
        stacklevel=2,
    )


def _by_layout(file):
    """(identity, camera) of IDENTITY/CAMERA_anything.jpg; None for a file that lies higher or deeper."""
    folder, _, name = file.rpartition("/")
    if not folder or "/" in folder:
        return None
    camera, underscore, _ = os.path.splitext(name)[0].partition("_")
    return folder, camera if underscore and camera else None


def _after_identity(file):
    """What follows the identity at the beginning of a file's name, None if that begins with something else."""
    identity, _, name = file.rpartition("/")
    begin = rf"0*{int(identity)}" if identity.isdecimal() else re.escape(identity)
    # Identity 1 is not in 12_…, nor anna in annabel_….
    end = r"(?!\d)" if identity[-1].isdecimal() else r"(?![^\W_])"
    match = re.match(begin + end, os.path.splitext(name)[0])
    return match and name[match.end() :]


def _check_ends(pattern, files, matches):
    """Refuses a pattern that takes part of a number for the whole: `c(?P<camera>\\d)` on c12."""
    for group in (0, *(name for name in ("identity", "camera") if name in pattern.groupindex)):
        ends = [
            (file, match, match.end(group))
            for file, match in zip(files, matches, strict=True)
            if match and match.end(group) > 0
        ]
        cut = [one for one in ends if re.match(r"\d\d", one[0][one[2] - 1 :])]
        # Fields of a fixed width lie within numbers everywhere; then the pattern must say what follows.
        if cut and (group == 0 or len(cut) < len(ends)):
            file, match, _ = cut[0]
            read = ", ".join(f"{name} {value!r}" for name, value in match.groupdict().items())
            raise UserError(
                f"`pattern` must not end, nor a group of it, within a number, as it does in {len(cut)} of {len(files)} "
                f"images, the first is {file}, read as {read}; write \\d+ for all digits, and \\d* at its end if the "
                f"rest is to be passed over. Received: {pattern.pattern!r}"
            )
