"""Deep spatial reconstruction as a distance."""

from __future__ import annotations

import copy
import numbers
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.evaluation.distances import Blockwise, Distances
from keras_reid.evaluation.dsr.reconstruction import reconstruction_bases, residual_norms
from keras_reid.evaluation.exact import nearest
from keras_reid.utils.errors import UserError
from keras_reid.utils.progress import progress

if TYPE_CHECKING:
    from keras_reid.evaluation.features import Features

CANDIDATES = 100  # nearest gallery items by cosine that are compared on a data set, as the original does
_MAP_BYTES = 128 * 2**20
# Least share of the cosine distance for items that are not candidates: with λ = 1 all would be equally far.
_LEAST_COSINE = np.float32(1e-3)


def dsr_distance(
    query: Features,
    gallery: Features,
    lambda_value: float = 1.0,
    candidates: int | None = None,
    ridge: float = 0.001,
    block_size: int | None = None,
) -> DSRDistances:
    """Distances by how well the parts of a query can be put together from the parts of a gallery image.

    `DSR = Σ_j w_j |r_j|`: r_j is what ridge regression from the vectors of the gallery map leaves of the query
    map's vector at position j, all vectors of unit length. Positions need not correspond, and maps may differ in
    size: a query that shows legs only is reconstructed from the legs in a whole image. `w_j` is 1 without
    `query.weights` (the paper's sum over positions), else the query's weight of that position (the original's form;
    there the weights of a query sum to 1). The result is `(1 − λ) · cosine distance of the embeddings + λ · DSR`.

    Time: for each pair of maps `positions · positions' · channels` multiply-adds (110 × 110 × 2048: 25 million,
    about half a millisecond on two cores), so for more than a few thousand images take `candidates`; for each
    gallery map that is compared about as much as for five pairs. Memory: 256 MiB of maps at a time (they may be
    memory-mapped, as float32 or float16), and the `(n, m)` or `(n, candidates)` result.

    Args:
        query: `Features` of n images with `maps`, with or without `weights`.
        gallery: `Features` of m images with `maps` of as many channels.
        lambda_value: share λ of DSR, 0…1. Not to be chosen on the test set: see `choose_dsr_lambda`.
        candidates: compare only this many gallery items with the smallest cosine distance to a query; the others
            count as not reconstructed at all (`DSR = Σ_j w_j`) and come after them, in the order of their cosine
            distance also where λ is 1. None compares all.
        ridge: above 0.
        block_size: queries in a block; None takes as many as fit into 256 MiB.

    Returns:
        `DSRDistances`, which `evaluate(…, distances=…)` takes; `numpy.asarray` gives the `(n, m)` matrix.

    Raises:
        UserError: there are no maps, they do not fit together, or an option is out of its range.

    Example:
        >>> import numpy as np
        >>> from keras_reid.evaluation import Features
        >>> maps = np.random.default_rng(0).standard_normal((3, 4, 2, 16))
        >>> features = Features(maps.mean(axis=(1, 2)), identities=[0, 1, 2], cameras=None, maps=maps)
        >>> np.asarray(dsr_distance(features, features)).argmin(axis=1).tolist()
        [0, 1, 2]

    Source: He et al., "Deep spatial feature reconstruction for partial person re-identification", CVPR 2018
    (there with a sparse reconstruction; ridge regression as in its successors and in the original, FastReID). The
    original takes 100 candidates of at least 100 gallery images with 110 positions each, and searches λ on the
    test set.
    """
    if not isinstance(lambda_value, numbers.Real) or not 0 <= lambda_value <= 1:
        raise UserError(
            f"`lambda_value`, the share of DSR, must be from 0 to 1. Received: lambda_value={lambda_value!r}."
        )
    whole = isinstance(candidates, numbers.Integral) and not isinstance(candidates, bool)
    if candidates is not None and (not whole or candidates < 1):
        raise UserError(
            "`candidates` must be a whole number of gallery items, at least 1, or None for all. "
            f"Received: candidates={candidates!r}."
        )
    if not isinstance(ridge, numbers.Real) or not 1e-6 <= ridge < np.inf:
        raise UserError(f"`ridge` must be a finite number, at least 1e-6. Received: ridge={ridge!r}.")
    cosine = Distances(query, gallery, "cosine", block_size)
    maps, gallery_maps = _maps("query", query), _maps("gallery", gallery)
    if maps.shape[2] != gallery_maps.shape[2]:
        raise UserError(
            "the maps of query and gallery must come from the same model. "
            f"Received: {maps.shape[2]} and {gallery_maps.shape[2]} channels."
        )
    weights = _weights(query, maps.shape[1])
    chosen = None
    if candidates is not None and candidates < len(gallery):
        chosen = nearest(query, gallery, candidates, metric="cosine", protocol="all")[0]
    values = _reconstruct(maps, weights, gallery_maps, chosen, ridge)
    return DSRDistances(cosine, values, chosen, weights.sum(axis=1, keepdims=True), lambda_value)


class DSRDistances(Blockwise):
    """What `dsr_distance` returns: blocks of rows, put together when asked for.

    Example:
        >>> half = dsr_distance(query, gallery).with_lambda(0.5)  # doctest: +SKIP
    """

    def __init__(
        self,
        cosine: Distances,
        values: NDArray[np.float32],
        candidates: NDArray[Any] | None,
        not_reconstructed: NDArray[np.float32],
        lambda_value: float,
    ) -> None:
        self.cosine, self.values, self.candidates = cosine, values, candidates
        self.not_reconstructed, self.lambda_value = not_reconstructed, np.float32(lambda_value)
        self.shape = cosine.shape

    def with_lambda(self, lambda_value: float) -> DSRDistances:
        """The same with another share of DSR; nothing is reconstructed again."""
        other = copy.copy(self)
        other.lambda_value = np.float32(lambda_value)
        return other

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yields `(start, block)`: `block` is `(rows, m)` float32 of the queries from `start` on.

        The array is reused: copy what must outlive one turn.
        """
        share = self.lambda_value
        for start, block in self.cosine.blocks():
            rows = slice(start, start + len(block))
            if self.candidates is None:
                block *= 1 - share
                block += share * self.values[rows]
            else:
                compared = (1 - share) * np.take_along_axis(block, self.candidates[rows], axis=1)
                block *= max(1 - share, _LEAST_COSINE)
                block += share * self.not_reconstructed[rows]
                np.put_along_axis(block, self.candidates[rows], compared + share * self.values[rows], axis=1)
            yield start, block


def _reconstruct(maps, weights, gallery_maps, candidates, ridge):
    """DSR of each query with its candidates, `(n, candidates)`, or with all, `(n, m)`."""
    n, m = len(maps), len(gallery_maps)
    values = np.empty((n, m) if candidates is None else candidates.shape, np.float32)
    if candidates is not None:
        # The places of each gallery item in `values`: so each item is prepared once.
        places = np.argsort(candidates, axis=None, kind="stable")
        edges = np.searchsorted(candidates.reshape(-1)[places], np.arange(m + 1))
    turn = max(1, _MAP_BYTES // (8 * int(np.prod(gallery_maps.shape[1:]))))
    queries_a_turn = max(1, _MAP_BYTES // (4 * maps.shape[1] * (maps.shape[2] + gallery_maps.shape[1])))
    with progress("reconstructing", total=values.size, unit="pairs") as advance:
        for first in range(0, m, turn):
            items = np.arange(first, min(first + turn, m))
            if candidates is not None:
                items = items[edges[items] < edges[items + 1]]
            if len(items) == 0:
                continue
            for item, basis in zip(
                items,
                reconstruction_bases(_single(gallery_maps[items]), ridge),
                strict=True,
            ):
                where = (
                    np.arange(n) * m + item if candidates is None else places[edges[item] : edges[item + 1]]
                )
                for start in range(0, len(where), queries_a_turn):
                    part = where[start : start + queries_a_turn]
                    rows = part // values.shape[1]
                    norms = residual_norms(_single(maps[rows]), basis)
                    values.reshape(-1)[part] = np.vecdot(norms, weights[rows])
                advance(len(where))
    return values


def _maps(name, features):
    maps = features.maps
    if maps is None:
        raise UserError(f"DSR needs feature maps. Received: {name} features without `maps`.")
    if maps.ndim not in (3, 4) or 0 in maps.shape:
        raise UserError(
            "`maps` must have the shape (n, positions, channels) or (n, height, width, channels). "
            f"Received: shape={maps.shape} of the {name}."
        )
    return maps.reshape(len(maps), -1, maps.shape[-1])


def _single(maps):
    """The maps as float32, also if they are kept in half precision."""
    return maps.astype(np.float32, copy=False)


def _weights(query, positions):
    if query.weights is None:
        return np.ones((len(query), positions), np.float32)
    weights = query.weights.reshape(len(query), -1)
    if weights.shape[1] != positions:
        raise UserError(
            "`weights` must hold one number for each position of a map. "
            f"Received: {weights.shape[1]} for {positions} positions of the query."
        )
    return weights
