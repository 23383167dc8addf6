"""Seventeen smaller sets that are only trained on."""

import dataclasses
import glob
import os
import re
from collections.abc import Callable
from typing import Any

from keras_reid.data.dataset import ReIDDataset
from keras_reid.data.datasets.layout import existing_folder, laid_out, read_list
from keras_reid.data.sample import Sample
from keras_reid.utils.errors import UserError


@dataclasses.dataclass(frozen=True)
class _Row:
    """How one set is laid out.

    Args:
        title: what the set is called.
        folder: its folder below the root.
        files: patterns of its images' paths below that folder, or the name of a text file that lists them.
        pattern: regular expression for an image's whole path, with "/" between folders.
        identity: the identity in terms of the pattern's groups.
        camera: the camera, in the same terms.
        rule: identity → identity, or None for an image that is left out.
    """

    title: str
    folder: str
    files: tuple[str, ...] | str
    pattern: str
    identity: str = "{identity}"
    camera: str = "{camera}"
    rule: Callable[[str], str | None] = str


def _tracked(identity):
    """AirportALERT's identities below 11001 are images of persons that were not tracked."""
    return identity if int(identity) >= 11001 else None


def _without_zeros(identity):
    return str(int(identity))


_ONE = "cam0"  # the set does not tell its cameras apart
_REST = r"[_.][^/]*"  # what follows a field of a file's name
_FIELDS = rf"(?P<identity>[^_/]+)_(?P<camera>[^_./]+){_REST}"
_FOLDER = r"(?P<identity>[^/]+)/"

_ROWS = {
    "airport": _Row(
        "AirportALERT",
        "AirportALERT",
        "filepath.txt",
        r"(?P<camera>[^/]+)/(?P<identity>\d+)/.+",
        rule=_tracked,
    ),
    "caviara": _Row("CAVIARa", "CAVIARa", ("*.jpg",), r"(?P<identity>\d{4})\d+\.\w+", camera=_ONE),
    "cuhksysu": _Row(
        "CUHK-SYSU",
        "cuhk_sysu",
        ("cropped_images/*.jpg",),
        r"cropped_images/[^/]*?p(?P<identity>-?\d+)_s\d[^/]*",
        camera="0",
        rule=_without_zeros,
    ),
    "grid": _Row("GRID", "underground_reid", ("images/*.jpeg",), f"images/{_FIELDS}"),
    "ilids": _Row("iLIDS", "iLIDS", ("*/*.png",), rf"{_FOLDER}(?P<camera>[^_./]+){_REST}"),
    "lpw": _Row(
        "LPW",
        "pep_256x128/data_slim",
        ("scen1/*/*/*.jpg", "scen2/*/*/*.jpg", "scen3/*/*/*.jpg"),
        r"(?P<scene>[^/]+)/(?P<camera>[^/]+)/(?P<person>[^/]+)/[^/]+",
        identity="{scene}-{person}",
    ),
    "pes3d": _Row("3DPeS", "3DPeS", ("*/*.bmp",), rf"{_FOLDER}[^/]+", camera=_ONE),
    "pku": _Row("PKU-Reid", "PKUv1a_128x48", ("*.png",), _FIELDS),
    "prai": _Row("PRAI-1581", "PRAI-1581", ("images/*.jpg",), f"images/{_FIELDS}"),
    "prid": _Row(
        "PRID 2011",
        "prid_2011",
        ("slim_train/**/*.png",),
        rf"(?:[^/]+/)+[^_/]*_(?P<identity>[^_/]+)(?:_[^/]*)?/(?P<camera>[^_./]+){_REST}",
    ),
    "saivt": _Row(
        "SAIVT-SoftBio",
        "SAIVT-SoftBio",
        ("cropped_images/*/*.jpeg",),
        rf"cropped_images/{_FOLDER}[^-/]*-[^-/]*-(?P<camera>[^-./]+)[-.][^/]*",
    ),
    "senseid": _Row(
        "SenseReID", "SenseReID", ("test_gallery/*.jpg", "test_prob/*.jpg"), f"test_[^/]+/{_FIELDS}"
    ),
    "shinpuhkan": _Row(
        "Shinpuhkan",
        "shinpuhkan",
        ("**/*.jpg",),
        rf"(?:[^/]+/)*(?P<identity>[^_/]+)_[^_/]*_(?P<camera>[^_./]+){_REST}",
    ),
    "sysumm01": _Row(  # cameras 3 and 6 are infrared
        "SYSU-MM01",
        "SYSU-MM01",
        ("cam1/*/*.jpg", "cam2/*/*.jpg", "cam4/*/*.jpg", "cam5/*/*.jpg"),
        rf"(?P<camera>[^/]+)/{_FOLDER}[^/]+",
    ),
    "thermalworld": _Row("ThermalWorld", "thermalworld_rgb", ("*/*.jpg",), rf"{_FOLDER}[^/]+", camera=_ONE),
    "viper": _Row(
        "VIPeR", "VIPeR", ("cam_a/*.bmp", "cam_b/*.bmp"), r"(?P<camera>[^/]+)/(?P<identity>[^_/]+)_[^/]*"
    ),
    "wildtrack": _Row(
        "WildTrack", "Wildtrack_crop_dataset", ("crop/*/*.png",), rf"crop/{_FOLDER}(?P<camera>[^_./]+){_REST}"
    ),
}


@dataclasses.dataclass(frozen=True)
class TrainOnly:
    """A set that is only trained on, mostly together with others (`Combined`).

    Names: airport, caviara, cuhksysu, grid, ilids, lpw, pes3d, pku, prai, prid, saivt, senseid, shinpuhkan,
    sysumm01 (its visible cameras), thermalworld, viper, wildtrack. Each is laid out as FastReID has it; the error about
    a missing folder tells how. Identities and cameras are strings as the file names write them ("0001"), so that
    classes keep the order that they have in FastReID.

    Args:
        name: one of those names.

    Raises:
        UserError: if there is no set of that name.

    Example:
        >>> TrainOnly("viper").read("datasets").statistics()
        [{'subset': 'train', 'identities': 632, 'images': 1264, 'cameras': 2}]

    Source: FastReID's readers of the same names.
    """

    name: str

    def __post_init__(self):
        if self.name not in _ROWS:
            raise UserError(f"`name` of TrainOnly must be one of {', '.join(_ROWS)}. Received: {self.name!r}")

    def read(self, root: str | os.PathLike[str]) -> ReIDDataset:
        """Reads the file names below `root`.

        Raises:
            UserError: if the folder is missing, one of its parts has no images, or an image's name does not fit.
        """
        row = _ROWS[self.name]
        files = (row.files,) if isinstance(row.files, str) else row.files
        layout = laid_out(row.title, ", ".join(f"{row.folder}/{pattern}" for pattern in files))
        folder = existing_folder(existing_folder(root, layout) / row.folder, layout)
        paths = (
            _listed(folder / row.files, layout) if isinstance(row.files, str) else _found(folder, row, layout)
        )
        pattern = re.compile(row.pattern)
        matches = [pattern.fullmatch(path) for path in paths]
        misfits = [path for path, match in zip(paths, matches, strict=True) if match is None]
        if misfits:
            raise UserError(
                f"{len(misfits)} of {len(paths)} images do not fit, the first is {folder / misfits[0]}: {row.title} "
                f"names its images by the pattern {row.pattern}"
            )
        train = []
        match: Any  # those that do not fit are refused above
        for path, match in zip(paths, matches, strict=True):
            identity = row.rule(row.identity.format(**match.groupdict()))
            if identity is not None:
                train.append(
                    Sample(os.path.join(folder, path), identity, row.camera.format(**match.groupdict()))
                )
        return ReIDDataset(self.name, train)


def _listed(file, layout):
    """Paths that a text file lists, written with backslashes."""
    lines = read_list(file, r".+", "CAMERA\\IDENTITY\\IMAGE", layout)
    return sorted(line[0].replace("\\", "/") for line in lines)


def _found(folder, row, layout):
    """Paths of the images that are there, sorted."""
    paths = []
    for pattern in row.files:
        found = glob.glob(pattern, root_dir=folder, recursive=True)
        if not found:
            raise UserError(f"there is no {folder / pattern}; {layout}")
        paths += found
    return sorted(paths)
