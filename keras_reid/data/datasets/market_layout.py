"""Identity and camera from file names in the layout of Market-1501, which several other sets share."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_reid.data.datasets.layout import existing_folder, find_folder, laid_out, match_names
from keras_reid.data.image_files import list_images
from keras_reid.data.sample import Sample
from keras_reid.utils.errors import UserError

_MARKET_NAMES = {
    "pattern": r"(-?\d+)_c(\d+)(?:s\d+)?",
    "form": "IDENTITY_cCAMERA_… or IDENTITY_cCAMERAsSEQUENCE_…, such as 0002_c1s1_000451_03.jpg",
}
_MARKET_PARTS = ("bounding_box_train", "query", "bounding_box_test")


def read_market_layout(
    root: str | os.PathLike[str], title: str, directory: str, identities: tuple[int, int], cameras: int
) -> tuple[Any, ...]:
    """Reads the layout `directory/{bounding_box_train,query,bounding_box_test}/IDENTITY_cCAMERA….jpg`.

    Args: as of `read_parts`, with one directory.

    Returns:
        the folder, and three lists of samples: train, query, gallery.
    """
    names = {**_MARKET_NAMES, "identities": identities, "cameras": cameras}
    return read_parts(root, title, directory, _MARKET_PARTS, **names)


def read_market_names(folder: Path, title: str, identities: tuple[int, int], cameras: int) -> list[Sample]:
    """Samples of one folder of files that are named as Market-1501's; see `read_named`."""
    return read_named(folder, title, **_MARKET_NAMES, identities=identities, cameras=cameras)


def read_parts(
    root: str | os.PathLike[str], title: str, directory: str, parts: Sequence[str], **names: Any
) -> tuple[Any, ...]:
    """Reads a data set that has a folder for each part.

    Args:
        root: folder that holds `directory`, or that is itself the data set.
        title: what the set is called, for errors.
        directory: name of its folder as it is distributed.
        parts: names of the folders below it.
        **names: how the files are named; see `read_named`.

    Returns:
        the folder, and a list of samples for each part.
    """
    layout = laid_out(title, f"{directory}/{{{','.join(parts)}}}")
    folder = find_folder(root, title, (directory,), parts[0], layout)
    return folder, *(read_named(existing_folder(folder / part, layout), title, **names) for part in parts)


def read_named(
    folder: Path, title: str, pattern: str, form: str, identities: tuple[int, int], cameras: int
) -> list[Sample]:
    """Samples of one folder whose file names tell identity and camera.

    Args:
        folder: an existing folder.
        title: what the set is called, for errors.
        pattern: regular expression for a file's name up to a "_" or "."; its groups are the identity and the camera,
            both numbers.
        form: how a file is named, for errors.
        identities: `(lowest, highest)` identity that may occur; −1 is left out as junk.
        cameras: number of cameras; they count from 1 in the file names and from 0 in the samples.

    Raises:
        UserError: if there is no image, or one does not fit.
    """
    files = list_images(folder)
    matches = match_names(pattern, files)
    misfits = [file for file, match in zip(files, matches, strict=True) if match is None]
    if misfits:
        raise UserError(
            f"{len(misfits)} of {len(files)} images do not fit, the first is {folder / misfits[0]}: {title} names "
            f"its images {form}"
        )
    lowest, highest = identities
    samples = []
    for file, match in zip(files, matches, strict=True):
        identity, camera = int(match[1]), int(match[2])  # type: ignore[index]
        if identity == -1:
            continue
        if not (lowest <= identity <= highest and 1 <= camera <= cameras):
            raise UserError(
                f"{folder / file}: identity {identity}, camera {camera}; {title} has identities {lowest} to "
                f"{highest} and cameras 1 to {cameras}"
            )
        samples.append(Sample(os.path.join(folder, file), identity, camera - 1))
    return samples
