"""Market-1501."""

import dataclasses
from pathlib import Path

from keras_reid.data.dataset import CROSS_CAMERA, ReIDDataset
from keras_reid.data.datasets.files import existing_folder, read_benchmark, read_named


@dataclasses.dataclass(frozen=True)
class Market1501:
    """Market-1501: 1501 persons, 6 cameras; 12936 training, 3368 query and 15913 gallery images.

    Layout: `Market-1501-v15.09.15/{bounding_box_train,query,bounding_box_test}` below the root, or the root
    itself holds those three folders. Identity −1 (junk detections) is dropped everywhere; identity 0
    (background and other persons) stays in the gallery as distractors.

    Args:
        distractors: also adds `images/`, the 500,000 distractors that are distributed apart, to the gallery.

    Example:
        >>> Market1501().read("datasets").statistics()[1]
        {'subset': 'query', 'identities': 750, 'images': 3368, 'cameras': 6}

    Source: Zheng et al., Scalable Person Re-identification: A Benchmark, ICCV 2015.
    """

    distractors: bool = False

    def read(self, root):
        """Reads the file names below `root`; a `UserError` names a missing folder or an unfitting file."""
        directory, identities, cameras = "Market-1501-v15.09.15", (0, 1501), 6
        train, query, gallery = read_benchmark(root, "Market-1501", directory, identities, cameras)
        if self.distractors:
            folder = Path(gallery[0].path).parent.parent / "images"
            folder = existing_folder(folder, "the 500,000 distractors of Market-1501 are expected there")
            gallery += read_named(folder, "Market-1501", identities, cameras)
        return ReIDDataset("market1501", train, query, gallery, protocol=CROSS_CAMERA)
