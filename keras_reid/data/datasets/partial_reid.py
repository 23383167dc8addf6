"""Partial-REID."""

import dataclasses

from keras_reid.data.datasets.partial_persons import Cameras, read_partial


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

    def read(self, root):
        """Reads the file names below `root`; a `UserError` names a missing folder or an unfitting file."""
        parts = ("partial_body_images", "whole_body_images")
        return read_partial(root, "partialreid", "Partial-REID", "Partial_REID", parts, self.cameras)
