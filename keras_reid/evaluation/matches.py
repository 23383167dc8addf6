"""Which gallery items are right, and which do not count, for a query."""

import numpy as np

from keras_reid.errors import UserError

PROTOCOLS = ("cross_camera", "all")


class Matches:
    """Positions in the gallery that hold a query's identity, by the protocol.

    Under `"cross_camera"` a gallery item with the same identity *and* the same camera as the query is junk:
    it neither counts as right nor as wrong. Under `"all"` nothing is junk, and every item of the same
    identity is right. A query's own file among the gallery would be a free hit under `"all"`: leave it out
    there.

    Args:
        query: `Features`.
        gallery: `Features`.
        protocol: `"cross_camera"` or `"all"`.

    Raises:
        UserError: unknown protocol, or `"cross_camera"` without cameras.

    Example:
        >>> import numpy as np
        >>> from keras_reid.evaluation import Features
        >>> query = Features(np.eye(1), identities=[7], cameras=[0])
        >>> gallery = Features(np.ones((3, 1)), identities=[7, 7, 5], cameras=[0, 1, 1])
        >>> positives, junk = Matches(query, gallery, "cross_camera")[0]
        >>> positives.tolist(), junk.tolist()
        ([1], [0])
    """

    def __init__(self, query, gallery, protocol):
        if protocol not in PROTOCOLS:
            raise UserError(f"`protocol` must be one of {', '.join(PROTOCOLS)}. Received: {protocol!r}.")
        self.cross_camera = protocol == "cross_camera"
        if self.cross_camera and (query.cameras is None or gallery.cameras is None):
            raise UserError(
                'the protocol "cross_camera" needs the cameras of query and gallery. Received: cameras=None. '
                'Pass them, or use protocol="all".'
            )
        self.query_cameras, self.gallery_cameras = query.cameras, gallery.cameras
        # Stable, so that the positions of one identity come in gallery order.
        self.order = np.argsort(gallery.identities, kind="stable")
        ordered = gallery.identities[self.order]
        self.first = np.searchsorted(ordered, query.identities, side="left")
        self.last = np.searchsorted(ordered, query.identities, side="right")

    def __getitem__(self, query_index):
        """Gallery positions `(positives, junk)` of one query, each ascending."""
        same = self.order[self.first[query_index] : self.last[query_index]]
        if not self.cross_camera:
            return same, same[:0]
        is_junk = self.gallery_cameras[same] == self.query_cameras[query_index]
        return same[~is_junk], same[is_junk]
