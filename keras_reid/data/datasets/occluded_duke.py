"""Occluded-DukeMTMC."""

import dataclasses

from keras_reid.data.dataset import CROSS_CAMERA, ReIDDataset
from keras_reid.data.datasets.market_layout import read_market_layout


@dataclasses.dataclass(frozen=True)
class OccludedDuke:
    """Occluded-DukeMTMC: DukeMTMC-reID split anew, so that every query shows an occluded person.

    8 cameras; 15618 training images of 702 persons, 2210 query images of 519 persons and 17661 gallery images.

    Layout: `Occluded_Duke/{bounding_box_train,query,bounding_box_test}` below the root, as the authors' script
    writes it from DukeMTMC-reID, or the root itself holds those three folders. Nothing is dropped.

    Example:
        >>> OccludedDuke().read("datasets").statistics()[1]
        {'subset': 'query', 'identities': 519, 'images': 2210, 'cameras': 8}

    Source: Miao et al., Pose-Guided Feature Alignment for Occluded Person Re-Identification, ICCV 2019. FastReID has
    no reader for it.
    """

    def read(self, root):
        """Reads the file names below `root`; a `UserError` names a missing folder or an unfitting file."""
        _, *parts = read_market_layout(
            root, "Occluded-DukeMTMC", "Occluded_Duke", identities=(0, 9999), cameras=8
        )
        return ReIDDataset("occluded_duke", *parts, protocol=CROSS_CAMERA)
