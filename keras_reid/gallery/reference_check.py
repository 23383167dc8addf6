"""Which enrolled pictures spoil a gallery: those that raise the impostor ceiling, or look like somebody else."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from keras_reid.embedding import l2_normalize
from keras_reid.evaluation.analysis.impostor_ceiling import impostor_ceiling
from keras_reid.evaluation.analysis.suspect_identities import suspect_identities

SOMEBODY_ELSE, IMPOSTORS = "looks like somebody else", "near to many"
_FEWEST = 20  # pictures with others of their identity, which say how alike pictures of one identity are


@dataclasses.dataclass(frozen=True)
class SpoilingReference:
    """An enrolled picture that should be looked at.

    Args:
        row: which one.
        why: "looks like somebody else" or "near to many".
        other: the identity that it looks like, or that of the nearest picture.
        similarity: cosine similarity to that identity's mean, or to that picture.
        own: cosine similarity to the mean of the other pictures of its identity; None where it is the only one, or it
            does not matter.
        impostors: how many other identities are near it; 0 where that does not matter.
    """

    row: int
    why: str
    other: int
    similarity: float
    own: float | None = None
    impostors: int = 0


def spoiling_references(
    embeddings: NDArray[np.float32], identities: Sequence[int] | NDArray[np.int64]
) -> list[SpoilingReference]:
    """Finds the pictures of a gallery that should be looked at, the clearest first.

    1. Pictures that look like another identity and not like their own, by `suspect_identities`.
    2. Pictures that are alone in their identity, and as near to the mean of another as half of all pictures are to the
       mean of the others of their own identity, if at least 20 have such: two identities may be one.
    3. Among the rest, pictures that are near to many identities, by `impostor_ceiling`: blurred, dark or cropped ones,
       which every query finds.

    Pictures of enrolment count as they are: cameras are not evened out, because a search does not do that either.

    Time: pictures × identities × dim, and pictures × 2000 × dim. Memory: 128 MiB, and two copies of the embeddings.

    Args:
        embeddings: `(n, dim)` numbers of any length.
        identities: `(n,)` their identities.

    Returns:
        list of `SpoilingReference`s; empty with fewer than two identities.

    Example:
        >>> spoiling_references(np.eye(3, dtype=np.float32), [1, 2, 3])
        []
    """
    names, labels = np.unique(np.asarray(identities), return_inverse=True)
    if len(names) < 2:
        return []
    vectors = l2_normalize(np.asarray(embeddings, np.float32))
    found = []
    # Those that are alone are judged apart: the others of their true identity would seem to look like them.
    several = np.flatnonzero(np.bincount(labels)[labels] > 1)
    suspects = suspect_identities(vectors[several], labels[several])
    for row, own, other, who in zip(
        suspects.rows, suspects.own, suspects.other, suspects.other_identity, strict=True
    ):
        found.append(
            SpoilingReference(int(several[row]), SOMEBODY_ELSE, int(names[who]), float(other), float(own))
        )
    found += _alone(vectors, labels, names)
    rest = np.setdiff1d(np.arange(len(vectors)), [one.row for one in found])
    if len(np.unique(labels[rest])) > 1:
        ceiling = impostor_ceiling(vectors[rest], labels[rest])
        for row, count, near in zip(ceiling.rows, ceiling.impostors, ceiling.nearest, strict=True):
            here, there = rest[row], rest[near]
            similarity = float(vectors[here] @ vectors[there])
            found.append(
                SpoilingReference(
                    int(here), IMPOSTORS, int(names[labels[there]]), similarity, impostors=int(count)
                )
            )
    return found


def _alone(vectors, labels, names):
    sizes = np.bincount(labels)
    several = np.flatnonzero(sizes[labels] > 1)
    alone = np.flatnonzero(sizes[labels] == 1)
    if len(several) < _FEWEST or not len(alone):
        return []
    sums = np.zeros((len(names), vectors.shape[1]), np.float32)
    np.add.at(sums, labels, vectors)
    own = np.vecdot(vectors[several], l2_normalize(sums[labels[several]] - vectors[several]))
    border = float(np.median(own))
    means = l2_normalize(sums)
    found = []
    for row in alone.tolist():
        similar = means @ vectors[row]
        similar[labels[row]] = -np.inf
        who = int(similar.argmax())
        if similar[who] >= border:
            found.append(SpoilingReference(row, SOMEBODY_ELSE, int(names[who]), float(similar[who])))
    return sorted(found, key=lambda one: -one.similarity)
