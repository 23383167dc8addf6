"""Occluded-REID."""

import dataclasses

from keras_reid.data.datasets.partial_persons import Cameras, read_partial


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

    def read(self, root):
        """Reads the file names below `root`; a `UserError` names a missing folder or an unfitting file."""
        parts = ("query", "gallery")
        return read_partial(root, "occludedreid", "Occluded-REID", "OccludedREID", parts, self.cameras)
