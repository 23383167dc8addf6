"""VERI-Wild."""

import dataclasses
import os
from typing import Literal

from keras_reid.data.dataset import CROSS_CAMERA, ReIDDataset
from keras_reid.data.datasets.layout import existing_folder, find_folder, laid_out, read_list
from keras_reid.data.sample import Sample
from keras_reid.utils.errors import UserError

_LISTS = {"small": 3000, "medium": 5000, "large": 10000}
_LAYOUT = laid_out(
    "VERI-Wild",
    "VERI-Wild/images/VEHICLE/IMAGE.jpg and VERI-Wild/train_test_split/{train_list.txt,vehicle_info.txt,"
    "test_3000.txt,test_3000_query.txt,test_5000.txt,test_5000_query.txt,test_10000.txt,test_10000_query.txt}",
)


@dataclasses.dataclass(frozen=True)
class VeRiWild:
    """VERI-Wild: 174 cameras, 277797 training images of 30671 vehicles; tests with 3000, 5000 or 10000 others.

    Layout: `VERI-Wild/images/VEHICLE/IMAGE.jpg` and `VERI-Wild/train_test_split/{train_list,vehicle_info,
    test_….txt,test_…_query}.txt` below the root, or the root itself holds `images` and `train_test_split`. Cameras come
    from vehicle_info.txt, whose lines after the first begin with `VEHICLE/IMAGE;CAMERA;`; a line of a list reads
    `VEHICLE/IMAGE` or `VEHICLE/IMAGE.jpg`.

    Args:
        size: test lists: "small" (3000 vehicles, 41861 images), "medium" (5000, 69389) or "large" (10000, 138517).

    Raises:
        UserError: if `size` is not one of those.

    Example:
        >>> len(VeRiWild("small").read("datasets").query)
        3000

    Source: Lou et al., VERI-Wild: A Large Dataset and a New Method for Vehicle Re-Identification in the Wild,
    CVPR 2019.
    """

    size: Literal["small", "medium", "large"] = "large"

    def __post_init__(self):
        if self.size not in _LISTS:
            names = ", ".join(map(repr, _LISTS))
            raise UserError(f"`size` of VeRiWild must be one of {names}. Received: {self.size!r}")

    def read(self, root: str | os.PathLike[str]) -> ReIDDataset:
        """Reads the lists below `root`; a `UserError` names what is missing or a line that does not fit."""
        folder = find_folder(root, "VERI-Wild", ("VERI-Wild",), "images", _LAYOUT)
        images, lists = existing_folder(folder / "images", _LAYOUT), folder / "train_test_split"
        cameras = _read_cameras(lists / "vehicle_info.txt")
        count = _LISTS[self.size]
        parts = (
            _read(lists / f"{name}.txt", images, cameras)
            for name in ("train_list", f"test_{count}_query", f"test_{count}")
        )
        return ReIDDataset(f"veriwild_{self.size}", *parts, protocol=CROSS_CAMERA)


def _read_cameras(file):
    """ "VEHICLE/IMAGE" → camera."""
    pattern = r"(?P<image>\d+/[^;./]+)(\.\w+)?;(?P<camera>\d+)(;.*)?|(?P<header>[^\d].*)"
    lines = read_list(file, pattern, "VEHICLE/IMAGE;CAMERA;…", _LAYOUT)
    return {line["image"]: int(line["camera"]) for line in lines if not line["header"]}


def _read(file, images, cameras):
    samples = []
    pattern = r"(?P<image>(?P<vehicle>\d+)/[^./\s]+)(\.\w+)?"
    for line in read_list(file, pattern, "VEHICLE/IMAGE", _LAYOUT):
        image = line["image"]
        if image not in cameras:
            raise UserError(f"{file}: image {image} is not in vehicle_info.txt, which tells its camera")
        samples.append(Sample(os.path.join(images, f"{image}.jpg"), int(line["vehicle"]), cameras[image]))
    return samples
