"""Scores of query and gallery that are kept from the search for neighbours among all of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class KeptScores:
    """Takes the scores of n queries and m gallery items from those that `neighbor_lists` visits.

    The scores come by strips: every s-th position. They are kept strip by strip, so that both the writing here and the
    later reading of whole rows go through memory in order. Memory: 4 · n · m bytes.

    Example:
        >>> kept = KeptScores(len(query), len(gallery))  # doctest: +SKIP
        >>> neighbor_lists(Points.of(query, gallery, "cosine"), 21, kept.take)  # doctest: +SKIP
        >>> kept.fill(np.empty((2, len(gallery)), np.float32), start=0)  # doctest: +SKIP
    """

    def __init__(self, n: int, m: int) -> None:
        self.n, self.m, self.strips = n, m, []

    def take(self, left: slice, right: slice, scores: NDArray[np.float32]) -> None:
        """As `neighbor_lists` calls it."""
        if not self.strips:
            self._lay_out(left.step)
        self._put(left.start, right.start, scores)
        if left != right:
            self._put(right.start, left.start, scores.T)

    def fill(self, rows: NDArray[np.float32], start: int) -> None:
        """Writes the scores of some queries, from `start` on, into `(rows, m)`."""
        step = len(self.strips)
        for first, strip in enumerate(self.strips):
            skipped = (first - start) % step
            inside = rows[skipped::step]
            begin = (start + skipped - first) // step
            inside[...] = strip[begin : begin + len(inside)].take(self.columns, axis=1)

    def _lay_out(self, step):
        """Makes room for the scores, and notes the place of each gallery item in a row."""
        self.queries = [len(range(first, self.n, step)) for first in range(step)]
        self.strips = [np.empty((count, self.m), np.float32) for count in self.queries]
        by_strip = [np.arange(first, self.n + self.m, step)[self.queries[first] :] for first in range(step)]
        self.edges = np.cumsum([0, *map(len, by_strip)])
        self.columns = np.empty(self.m, np.intp)
        self.columns[np.concatenate(by_strip) - self.n] = np.arange(self.m)

    def _put(self, strip, other, scores):
        part = self.strips[strip][:, self.edges[other] : self.edges[other + 1]]
        part[...] = scores[: self.queries[strip], self.queries[other] :]
