"""VehicleID."""

import dataclasses
import os
from collections.abc import Iterator
from typing import Literal

import numpy as np

from keras_reid.data.dataset import ALL, ReIDDataset
from keras_reid.data.datasets.layout import existing_folder, find_folder, laid_out, read_list
from keras_reid.data.sample import Sample
from keras_reid.utils.errors import UserError

_LISTS = {"small": 800, "medium": 1600, "large": 2400, "all": 13164}
_LAYOUT = laid_out(
    "VehicleID",
    "vehicleid/image/IMAGE.jpg and vehicleid/train_test_split/{train_list.txt,test_list_800.txt,test_list_1600.txt,"
    "test_list_2400.txt,test_list_13164.txt}",
)


@dataclasses.dataclass(frozen=True)
class VehicleID:
    """VehicleID: 113346 training images of 13164 vehicles; tests with 800, 1600, 2400 or 13164 other vehicles.

    The benchmark draws one image of each test vehicle for the gallery, the others are queries, and gives the mean of
    ten such draws; `repetitions` yields them. No cameras are known, so every gallery image counts.

    Layout: `vehicleid/image/IMAGE.jpg` and `vehicleid/train_test_split/{train_list.txt,test_list_….txt}` below the
    root, or the root itself holds `image` and `train_test_split`. A line of a list reads `IMAGE VEHICLE`.

    Args:
        size: test list: "small" (800 vehicles, 6493 images), "medium" (1600, 13377), "large" (2400, 19777) or "all"
            (13164).
        split_seed: seed of the draw, a non-negative integer.

    Raises:
        UserError: if an argument is not one of those.

    Example:
        >>> dataset = VehicleID("small").read("datasets")
        >>> len(dataset.query), len(dataset.gallery)
        (5693, 800)

    Source: Liu et al., Deep Relative Distance Learning: Tell the Difference Between Similar Vehicles, CVPR 2016.
    FastReID draws once and without a seed, and gives each image its own camera.
    """

    size: Literal["small", "medium", "large", "all"] = "all"
    split_seed: int = 0

    def __post_init__(self):
        if self.size not in _LISTS:
            names = ", ".join(map(repr, _LISTS))
            raise UserError(f"`size` of VehicleID must be one of {names}. Received: {self.size!r}")
        if isinstance(self.split_seed, bool) or not isinstance(self.split_seed, int) or self.split_seed < 0:
            raise UserError(
                f"`split_seed` must be an integer, 0 or larger. Received: split_seed={self.split_seed!r}"
            )

    def read(self, root: str | os.PathLike[str]) -> ReIDDataset:
        """Reads the lists below `root`; a `UserError` names what is missing or a line that does not fit."""
        return next(self.repetitions(root, count=1))

    def repetitions(self, root: str | os.PathLike[str], count: int = 10) -> Iterator[ReIDDataset]:
        """Yields the data set `count` times, drawn with `split_seed`, `split_seed + 1` and so on.

        Only query and gallery differ. The lists are read once.

        Example:
            >>> for dataset in VehicleID("small").repetitions("datasets"):
            ...     print(dataset.name)  # vehicleid_small, vehicleid_small_1, … vehicleid_small_9
        """
        folder = find_folder(root, "VehicleID", ("vehicleid",), "image", _LAYOUT)
        images, lists = existing_folder(folder / "image", _LAYOUT), folder / "train_test_split"
        train = _read(lists / "train_list.txt", images)
        vehicles = {}
        for sample in _read(lists / f"test_list_{_LISTS[self.size]}.txt", images):
            vehicles.setdefault(sample.identity, []).append(sample)
        for seed in range(self.split_seed, self.split_seed + count):
            query, gallery = _draw([vehicles[identity] for identity in sorted(vehicles)], seed)
            yield ReIDDataset(
                f"vehicleid_{self.size}{f'_{seed}' if seed else ''}",
                train,
                query,
                gallery,
                protocol=ALL,
                split=f"one image of each test vehicle drawn for the gallery (seed {seed}), the others are queries; "
                "results are the mean of ten draws",
            )


def _read(file, images):
    lines = read_list(file, r"(?P<image>\d+)\s+(?P<vehicle>\d+)", "IMAGE VEHICLE, two numbers", _LAYOUT)
    return [Sample(os.path.join(images, f"{line['image']}.jpg"), int(line["vehicle"])) for line in lines]


def _draw(groups, seed):
    """Queries and gallery of lists of one vehicle's samples each; a vehicle with one image has no query."""
    generator = np.random.default_rng(seed)
    query, gallery = [], []
    for group in groups:
        group = sorted(group, key=lambda sample: sample.path)
        gallery.append(group.pop(int(generator.integers(len(group)))))
        query += group
    return query, gallery
