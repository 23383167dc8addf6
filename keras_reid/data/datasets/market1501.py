"""Market-1501."""

import dataclasses
import os
from typing import Any

from keras_reid.data.dataset import CROSS_CAMERA, ReIDDataset
from keras_reid.data.datasets.layout import existing_folder
from keras_reid.data.datasets.market_layout import read_market_layout, read_market_names

_TITLE, _DIRECTORY = "Market-1501", "Market-1501-v15.09.15"
_RANGES: dict[str, Any] = {"identities": (0, 1501), "cameras": 6}
_BACKGROUND = 0


@dataclasses.dataclass(frozen=True)
class Market1501:
    """Market-1501: 1501 persons, 6 cameras; 12936 training, 3368 query and 15913 gallery images.

    Layout: `Market-1501-v15.09.15/{bounding_box_train,query,bounding_box_test}` below the root, or the root
    itself holds those three folders. Identity −1 (junk detections) is dropped everywhere; identity 0
    (background and other persons) stays in the gallery as distractors, and is never trained on.

    Args:
        distractors: also adds `images/`, the 500,000 distractors that are distributed apart, to the gallery.

    Example:
        >>> Market1501().read("datasets").statistics()[1]
        {'subset': 'query', 'identities': 750, 'images': 3368, 'cameras': 6}

    Source: Zheng et al., Scalable Person Re-identification: A Benchmark, ICCV 2015.
    """

    distractors: bool = False

    def read(self, root: str | os.PathLike[str]) -> ReIDDataset:
        """Reads the file names below `root`; a `UserError` names a missing folder or an unfitting file."""
        name = "market1501"
        folder, train, query, gallery = read_market_layout(root, _TITLE, _DIRECTORY, **_RANGES)
        if self.distractors:
            name = "market1501_500k"
            folder = existing_folder(
                folder / "images", "the 500,000 distractors of Market-1501 are expected there"
            )
            gallery += read_market_names(folder, _TITLE, **_RANGES)
        return ReIDDataset(name, train, query, gallery, protocol=CROSS_CAMERA, junk=(_BACKGROUND,))
