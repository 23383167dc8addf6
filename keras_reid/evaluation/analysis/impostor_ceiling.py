"""Reference pictures that look like many other identities, and so raise the threshold for all."""

import dataclasses

import numpy as np

from keras_reid.embedding import l2_normalize
from keras_reid.utils.errors import UserError

_MOST_PROBES = 2000
_BLOCK_BYTES = 64 * 2**20


@dataclasses.dataclass(frozen=True, eq=False)
class ImpostorCeiling:
    """How near impostors come, and which references bring it about.

    Args:
        level: cosine similarity that a share `false_positive_rate` of the impostor pairs reaches.
        level_without: the same without the references in `rows`.
        rows: `(k,)` references that far more impostors reach than chance explains, the worst first.
        impostors: `(k,)` number of other identities with an image at or above the level.
        nearest: `(k,)` row of the image that comes nearest.
    """

    level: float
    level_without: float
    rows: np.ndarray
    impostors: np.ndarray
    nearest: np.ndarray


def impostor_ceiling(
    embeddings: np.ndarray, identities: np.ndarray, false_positive_rate: float = 0.001, seed: int = 0
) -> ImpostorCeiling:
    """Finds the images that are near to many other identities.

    The level is the similarity that a share `false_positive_rate` of the pairs of different identities reaches: a
    threshold must be above it. Counted for each image is with how many other identities it reaches the level. An image
    is named if that are at least 5, at least a tenth of the identities, and more than `m + 6·√(m + 1)`, where m is the
    mean over all images: were these identities spread by chance, the count would have the variance m.

    Time: a matrix product of all images with at most 2000 of them, drawn at random. Memory: 64 MiB.

    Args:
        embeddings: `(n, dim)` numbers, of any length.
        identities: `(n,)` integers.
        false_positive_rate: share of the pairs of different identities, 0 … 1.
        seed: of the draw.

    Returns:
        `ImpostorCeiling`.

    Raises:
        UserError: fewer than two identities, or a rate that is not between 0 and 1.

    Example:
        >>> impostor_ceiling(embeddings, identities).rows  # doctest: +SKIP
        array([], dtype=int64)
    """
    if not 0 < false_positive_rate < 1:
        raise UserError(
            f"`false_positive_rate` must lie between 0 and 1. Received: {false_positive_rate}. Pass a share such as "
            "0.001."
        )
    names, labels = np.unique(identities, return_inverse=True)
    if len(names) < 2:
        raise UserError(
            "impostors are images of other identities. Received: images of a single identity. Pass at least two."
        )
    vectors = l2_normalize(embeddings)
    probes = np.sort(np.random.default_rng(seed).permutation(len(vectors))[:_MOST_PROBES])
    level = _level(vectors, labels, probes, np.arange(len(vectors)), false_positive_rate)
    counts, nearest = _impostors(vectors, labels, probes, level)
    mean = counts.mean()
    limit = max(5, len(names) / 10, mean + 6 * np.sqrt(mean + 1))
    rows = np.flatnonzero(counts > limit)
    rows = rows[np.argsort(-counts[rows], kind="stable")]
    others = np.setdiff1d(np.arange(len(vectors)), rows)
    left = np.setdiff1d(probes, rows)
    without = level
    if len(rows) and len(np.unique(labels[left])) > 1:
        without = _level(vectors, labels, left, others, false_positive_rate)
    return ImpostorCeiling(level, without, rows, counts[rows], nearest[rows])


def _blocks(vectors, probes):
    """`(places in probes, similarities to all)`."""
    step = max(1, _BLOCK_BYTES // (4 * len(vectors)))
    for start in range(0, len(probes), step):
        some = probes[start : start + step]
        yield some, vectors[some] @ vectors.T


def _level(vectors, labels, probes, columns, rate):
    """By a histogram of the similarities with steps of 0.0005."""
    edges = np.linspace(-1, 1, 4001)
    counts = np.zeros(len(edges) - 1, np.int64)
    for some, similarities in _blocks(vectors, probes):
        impostors = labels[some][:, None] != labels[columns][None]
        counts += np.histogram(np.clip(similarities[:, columns][impostors], -1, 1), edges)[0]
    above = np.cumsum(counts[::-1])[::-1]
    return float(edges[:-1][above >= max(1, rate * above[0])][-1])


def _impostors(vectors, labels, probes, level):
    """Of each image: how many other identities of the probes reach the level with it; the probe that comes nearest."""
    counts = np.zeros(len(vectors), np.int64)
    nearest, highest = np.zeros(len(vectors), np.int64), np.full(len(vectors), -np.inf, np.float32)
    order = np.argsort(labels[probes], kind="stable")
    last, reached = -1, np.zeros(len(vectors), bool)
    for some, similarities in _blocks(vectors, probes[order]):
        similarities[labels[some][:, None] == labels[None]] = -np.inf
        for probe, row in zip(some.tolist(), similarities, strict=True):
            if labels[probe] != last:
                counts += reached
                last, reached = labels[probe], np.zeros(len(vectors), bool)
            reached |= row >= level
        best = similarities.argmax(axis=0)
        values = similarities[best, np.arange(len(vectors))]
        better = values > highest
        nearest[better], highest[better] = some[best[better]], values[better]
    return counts + reached, nearest
