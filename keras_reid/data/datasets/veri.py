"""VeRi-776."""

import dataclasses
import os

from keras_reid.data.dataset import CROSS_CAMERA, ReIDDataset
from keras_reid.data.datasets.market_layout import read_parts


@dataclasses.dataclass(frozen=True)
class VeRi:
    """VeRi-776: 776 vehicles, 20 cameras; 37778 training, 1678 query and 11579 gallery images.

    Layout: `veri/{image_train,image_query,image_test}` below the root, or the root itself holds those three
    folders. Nothing is dropped.

    Example:
        >>> VeRi().read("datasets").statistics()[1]["images"]
        1678

    Source: Liu et al., A Deep Learning-Based Approach to Progressive Vehicle Re-identification for Urban
    Surveillance, ECCV 2016.
    """

    def read(self, root: str | os.PathLike[str]) -> ReIDDataset:
        """Reads the file names below `root`; a `UserError` names a missing folder or an unfitting file."""
        _, *parts = read_parts(
            root,
            "VeRi-776",
            "veri",
            ("image_train", "image_query", "image_test"),
            pattern=r"(\d+)_c(\d{3})",
            form="IDENTITY_cCAMERA_…, such as 0001_c001_00016450_0.jpg",
            identities=(0, 776),
            cameras=20,
        )
        return ReIDDataset("veri", *parts, protocol=CROSS_CAMERA)
