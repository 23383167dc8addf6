"""Test sets of partial and occluded persons."""

import dataclasses
import os
from typing import Literal

from keras_reid.data.dataset import CROSS_CAMERA, ReIDDataset
from keras_reid.data.datasets.layout import existing_folder, find_folder, laid_out, match_names
from keras_reid.data.datasets.market_layout import read_market_layout
from keras_reid.data.image_files import list_images
from keras_reid.data.sample import Sample
from keras_reid.utils.errors import UserError

Cameras = Literal["name", "part"]
_PATTERNS = {"name": r"(-?\d+)_(\d+)", "part": r"(-?\d+)"}


@dataclasses.dataclass(frozen=True)
class PartialREID:
    """Partial-REID: 60 persons; 300 query images of parts of their bodies, 300 gallery images of whole bodies.

    Layout: `Partial_REID/{partial_body_images,whole_body_images}` below the root, or the root itself holds those
    two folders. It has no training part.

    Args:
        cameras: `"name"`, as in FastReID: files are named IDENTITY_CAMERA…, and gallery images of the query's
            identity and camera do not count. `"part"`: files are named IDENTITY…, every gallery image counts; for
            copies whose second number counts images instead of cameras.

    Example:
        >>> len(PartialREID().read("datasets").query)
        300

    Source: Zheng et al., Partial Person Re-identification, ICCV 2015.
    """

    cameras: Cameras = "name"

    def read(self, root: str | os.PathLike[str]) -> ReIDDataset:
        """Reads the file names below `root`; a `UserError` names a missing folder or an unfitting file."""
        parts = ("partial_body_images", "whole_body_images")
        return _read_two_folders(root, "partialreid", "Partial-REID", "Partial_REID", parts, self.cameras)


@dataclasses.dataclass(frozen=True)
class PartialiLIDS:
    """Partial-iLIDS: 119 persons; 119 query images of parts of their bodies, 119 gallery images.

    Layout: `PartialiLIDS/{query,gallery}` below the root, or the root itself holds those two folders.
    It has no training part.

    Args:
        cameras: `"name"`, as in FastReID: files are named IDENTITY_CAMERA…, and gallery images of the query's
            identity and camera do not count. `"part"`: files are named IDENTITY…, every gallery image counts; for
            copies whose second number counts images instead of cameras.

    Example:
        >>> len(PartialiLIDS().read("datasets").query)
        119

    Source: He et al., Deep Spatial Feature Reconstruction for Partial Person Re-identification, CVPR 2018.
    """

    cameras: Cameras = "name"

    def read(self, root: str | os.PathLike[str]) -> ReIDDataset:
        """Reads the file names below `root`; a `UserError` names a missing folder or an unfitting file."""
        parts = ("query", "gallery")
        return _read_two_folders(root, "partialilids", "Partial-iLIDS", "PartialiLIDS", parts, self.cameras)


@dataclasses.dataclass(frozen=True)
class OccludedREID:
    """Occluded-REID: 200 persons; 1000 query images of occluded persons, 1000 gallery images of whole ones.

    Layout: `OccludedREID/{query,gallery}` below the root, or the root itself holds those two folders.
    It has no training part.

    Args:
        cameras: `"name"`, as in FastReID: files are named IDENTITY_CAMERA…, and gallery images of the query's
            identity and camera do not count. `"part"`: files are named IDENTITY…, every gallery image counts; for
            copies whose second number counts images instead of cameras.

    Example:
        >>> len(OccludedREID().read("datasets").query)
        1000

    Source: Zhuo et al., Occluded Person Re-identification, ICME 2018.
    """

    cameras: Cameras = "name"

    def read(self, root: str | os.PathLike[str]) -> ReIDDataset:
        """Reads the file names below `root`; a `UserError` names a missing folder or an unfitting file."""
        parts = ("query", "gallery")
        return _read_two_folders(root, "occludedreid", "Occluded-REID", "OccludedREID", parts, self.cameras)


@dataclasses.dataclass(frozen=True)
class OccludedDuke:
    """Occluded-DukeMTMC: DukeMTMC-reID split again, so that every query shows an occluded person.

    8 cameras; 15618 training images of 702 persons, 2210 query images of 519 persons and 17661 gallery images.

    Layout: `Occluded_Duke/{bounding_box_train,query,bounding_box_test}` below the root, as the authors' script
    writes it from DukeMTMC-reID, or the root itself holds those three folders. Nothing is dropped.

    Example:
        >>> OccludedDuke().read("datasets").statistics()[1]
        {'subset': 'query', 'identities': 519, 'images': 2210, 'cameras': 8}

    Source: Miao et al., Pose-Guided Feature Alignment for Occluded Person Re-Identification, ICCV 2019. FastReID has
    no reader for it.
    """

    def read(self, root: str | os.PathLike[str]) -> ReIDDataset:
        """Reads the file names below `root`; a `UserError` names a missing folder or an unfitting file."""
        _, *parts = read_market_layout(
            root, "Occluded-DukeMTMC", "Occluded_Duke", identities=(0, 9999), cameras=8
        )
        return ReIDDataset("occluded_duke", *parts, protocol=CROSS_CAMERA)


def _read_two_folders(root, name, title, directory, parts, cameras):
    """Reads a set of two folders, queries and gallery, whose files are named IDENTITY_CAMERA….

    Args:
        root: folder that holds `directory`, or that is itself the data set.
        name: of the data set, for tables.
        title: what the set is called, for errors.
        directory: name of its folder.
        parts: names of the folders of query and gallery images.
        cameras: `"name"`: the number after the first "_" of a file name is the camera; `"part"`: queries are camera
            0 and gallery images camera 1.
    """
    if cameras not in _PATTERNS:
        raise UserError(f"`cameras` of {title} must be 'name' or 'part'. Received: {cameras!r}")
    layout = laid_out(title, f"{directory}/{{{','.join(parts)}}}")
    folder = find_folder(root, title, (directory,), parts[0], layout)
    query, gallery = (
        _read_folder(existing_folder(folder / part, layout), title, cameras, camera)
        for camera, part in enumerate(parts)
    )
    return ReIDDataset(name, query=query, gallery=gallery, protocol=CROSS_CAMERA)


def _read_folder(folder, title, cameras, camera_of_part):
    files = list_images(folder)
    matches = match_names(_PATTERNS[cameras], files)
    misfits = [file for file, match in zip(files, matches, strict=True) if match is None]
    if misfits:
        form = "IDENTITY_CAMERA…, such as 012_1.jpg; for a copy without cameras there is cameras='part'"
        raise UserError(
            f"{len(misfits)} of {len(files)} images do not fit, the first is {folder / misfits[0]}: {title} names "
            f"its images {form if cameras == 'name' else 'IDENTITY…, such as 012.jpg'}"
        )
    return [
        Sample(folder / file, int(match[1]), int(match[2]) if cameras == "name" else camera_of_part)
        for file, match in zip(files, matches, strict=True)
    ]
