"""Which gallery items are matches of a query, and which do not count."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.utils.errors import UserError
from keras_reid.utils.threads import in_threads

if TYPE_CHECKING:
    from keras_reid.evaluation.distances import Distances
    from keras_reid.evaluation.features import Features

PROTOCOLS = ("cross_camera", "all", "leave_one_out")
_QUERIES = 64  # of one identity that are compared at a time


class GroundTruth:
    """The matches and the junk of each query: positions in the gallery that hold the query's identity.

    - `"cross_camera"`: items of the query's identity *and* camera are junk, that is, neither right nor wrong.
    - `"all"`: every item of the query's identity is a match. A query's own file in the gallery would be a free hit:
      leave it out, or use `"leave_one_out"`.
    - `"leave_one_out"`: the query itself is junk, and every other item of its identity is a match.

    Args:
        query: `Features`.
        gallery: `Features`.
        protocol: `"cross_camera"`, `"all"` or `"leave_one_out"`.

    Raises:
        UserError: unknown protocol, `"cross_camera"` without cameras, or `"leave_one_out"` without the numbers of the
            images although query and gallery are two objects.

    Example:
        >>> import numpy as np
        >>> from keras_reid.evaluation import Features
        >>> query = Features(np.eye(1), identities=[7], cameras=[0])
        >>> gallery = Features(np.ones((3, 1)), identities=[7, 7, 5], cameras=[0, 1, 1])
        >>> positives, junk = GroundTruth(query, gallery, "cross_camera")[0]
        >>> positives.tolist(), junk.tolist()
        ([1], [0])
    """

    def __init__(self, query: Features, gallery: Features, protocol: str) -> None:
        if protocol not in PROTOCOLS:
            raise UserError(f"`protocol` must be one of {', '.join(PROTOCOLS)}. Received: {protocol!r}.")
        self.query_identities, self.gallery_identities = query.identities, gallery.identities
        self.num_queries, self.num_items = len(query), len(gallery)
        self.protocol, self.cross_camera = protocol, protocol == "cross_camera"
        if self.cross_camera and (query.cameras is None or gallery.cameras is None):
            raise UserError(
                'the protocol "cross_camera" needs the cameras of query and gallery. Received: cameras=None. '
                'Pass them, or use protocol="all".'
            )
        self.itself = query is gallery
        if (
            protocol == "leave_one_out"
            and not self.itself
            and (query.images is None or gallery.images is None)
        ):
            raise UserError(
                'the protocol "leave_one_out" must know which gallery item a query is. Received: images=None. Pass '
                "the same features as query and gallery, or number the `images` of both."
            )
        # An item of the query's identity that also has its source is junk.
        by_image = protocol == "leave_one_out" and not self.itself
        self.query_sources, self.gallery_sources = (
            part.images if by_image else part.cameras for part in (query, gallery)
        )
        self.by_source = by_image or self.cross_camera
        # A stable sort keeps the positions of one identity in gallery order.
        self.order = np.argsort(gallery.identities, kind="stable")
        ordered = gallery.identities[self.order]
        self.first = np.searchsorted(ordered, query.identities, side="left")
        self.last = np.searchsorted(ordered, query.identities, side="right")

    def __getitem__(self, query_index: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Gallery positions `(positives, junk)` of one query, each ascending."""
        same = self.same(query_index)
        is_junk = self._is_junk(query_index, same)
        return same[~is_junk], same[is_junk]

    def same(self, query_index: int) -> NDArray[Any]:
        """Gallery positions of one query's identity, matches and junk, ascending."""
        return self.order[self.first[query_index] : self.last[query_index]]

    def same_of(self, start: int, stop: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """`(rows, positions)` of all pairs of one identity of the queries from `start` to `stop`, matches and junk.

        Returns:
            `(pairs,)` int each: the query, counted from `start`, ascending, and the position in the gallery, ascending
            for each query.
        """
        return self._pairs(np.arange(start, stop))

    def listed(self, distances: Distances) -> ListedMatches:
        """Every query's matches with their exact distances, as `ListedMatches`.

        Args:
            distances: `Distances`.
        """
        # Queries of one identity together: its gallery items are fetched once. An identity that the gallery does not
        # hold begins where the next one does; with the end added, the key is another.
        key = self.first + self.last
        queries = np.argsort(key, kind="stable")
        rows, positions = self._pairs(queries)
        counts = (self.last - self.first)[queries]
        ends = np.cumsum(counts)
        values = np.empty(len(rows), np.float32)
        starts = np.flatnonzero(np.diff(key[queries], prepend=-1))
        stops = np.append(starts[1:], len(queries))

        def fill(first, last):
            for start, stop in zip(starts[first:last].tolist(), stops[first:last].tolist(), strict=True):
                for some in range(start, stop if counts[start] else start, _QUERIES):
                    end = min(some + _QUERIES, stop)
                    table = distances.table(queries[some:end], self.same(queries[start]))
                    values[ends[some] - counts[some] : ends[end - 1]] = table.ravel()

        in_threads(fill, len(starts))
        rows = queries[rows]
        right = ~self._is_junk(rows, positions)
        rows, positions, values = rows[right], positions[right], values[right]
        order = np.lexsort((positions, values, rows))
        offsets = np.append(0, np.cumsum(np.bincount(rows, minlength=len(queries))))
        return ListedMatches(offsets, positions[order], values[order])

    def why_no_match(self) -> str:
        """Why no query has a match, for an error, and what helps."""
        shared = np.isin(self.query_identities, self.gallery_identities).any()
        if not shared:
            return (
                "no query has a match: query and gallery share no identity. "
                "Are their identities numbered together, from the same names?"
            )
        return (
            f'no query has a match under the protocol "{self.protocol}": every gallery item of a query\'s identity '
            "comes from the query's own camera. "
            'Use protocol="all" where there is one camera only, or cameras are unknown.'
        )

    def _pairs(self, queries):
        first, counts = self.first[queries], (self.last - self.first)[queries]
        rows = np.repeat(np.arange(len(queries)), counts)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        return rows, self.order[np.repeat(first, counts) + within]

    def _is_junk(self, queries, positions):
        if self.by_source:  # and so the query itself
            return self.gallery_sources[positions] == self.query_sources[queries]
        return (positions == queries) & self.itself


@dataclasses.dataclass(frozen=True)
class ListedMatches:
    """The matches of all queries, query after query, nearest first, equal distances in gallery order.

    Args:
        offsets: `(queries + 1,)`: where the matches of each query begin.
        positions: `(matches,)` in the gallery.
        values: `(matches,)` float32 distances.
    """

    offsets: np.ndarray
    positions: np.ndarray
    values: np.ndarray
