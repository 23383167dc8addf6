"""Partial-iLIDS."""

import dataclasses

from keras_reid.data.datasets.partial_persons import Cameras, read_partial


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

    def read(self, root):
        """Reads the file names below `root`; a `UserError` names a missing folder or an unfitting file."""
        parts = ("query", "gallery")
        return read_partial(root, "partialilids", "Partial-iLIDS", "PartialiLIDS", parts, self.cameras)
