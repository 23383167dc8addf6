"""Images whose identity is likely wrong: they look like those of another identity, and not like those of their own."""

import dataclasses

import numpy as np

from keras_reid.embedding import l2_normalize
from keras_reid.evaluation.analysis.camera_bias import standardize_by_camera

_DEVIATIONS = 5.5  # robust standard deviations below the median
_TYPICAL = (
    0.05  # share of the images that are less like their own identity than a suspect must be like the other
)
_NORMAL = 1.4826  # from the median absolute deviation to the standard deviation of a normal distribution
_BLOCK_BYTES = 64 * 2**20


@dataclasses.dataclass(frozen=True, eq=False)
class Suspects:
    """Images whose identity is likely wrong, the most likely first.

    Args:
        rows: `(k,)` the images.
        own: `(k,)` cosine similarity to the mean of the other images of their identity.
        other: `(k,)` cosine similarity to the mean of the identity that they look like.
        other_identity: `(k,)` that identity.
    """

    rows: np.ndarray
    own: np.ndarray
    other: np.ndarray
    other_identity: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)


def suspect_identities(
    embeddings: np.ndarray, identities: np.ndarray, cameras: np.ndarray | None = None
) -> Suspects:
    """Finds images that a model takes for another identity than they are labelled with.

    Embeddings are standardised by camera where cameras are known (`standardize_by_camera`), so that a common background
    does not count. An image's similarity to an identity is the cosine between it and the mean of that identity's
    images, itself left out: `own` to its own identity, `other` to the nearest one of the others. It is a suspect if all
    of this holds:

    1. `own < other`: it looks more like the other identity than like its own;
    2. `own − other` is at least 5.5 robust standard deviations (1.4826 × median absolute deviation) below its median
       over all images: the model's usual errors in these data are smaller;
    3. `other` is at least what the 5 % of all images reach that are least like their own identity: the image looks like
       the other identity as one of its images would.

    So an image is only named if its true identity is there too. Images that are alone in their identity are not judged.
    A model that was trained on the wrong identities has learned some of them, and finds fewer.

    Time: images × identities × dim. Memory: 64 MiB, and two copies of the embeddings.

    Args:
        embeddings: `(n, dim)` numbers, of any length.
        identities: `(n,)` integers.
        cameras: `(n,)` integers, or None where they are not known.

    Returns:
        `Suspects`.

    Example:
        >>> suspect_identities(embeddings, identities).rows  # doctest: +SKIP
        array([17])
    """
    names, labels = np.unique(identities, return_inverse=True)
    sizes = np.bincount(labels, minlength=len(names))
    if len(names) < 2 or sizes.max() < 2:
        none = np.zeros(0, np.int64)
        return Suspects(none, none.astype(float), none.astype(float), none)
    vectors = embeddings if cameras is None else standardize_by_camera(embeddings, cameras)
    own, other, nearest = _similarities(l2_normalize(vectors), labels, len(names))
    judged = np.flatnonzero(sizes[labels] > 1)
    margin = own - other
    suspect = (margin[judged] < min(0.0, _low(margin[judged]))) & (
        other[judged] >= np.quantile(own[judged], _TYPICAL)
    )
    rows = judged[suspect]
    rows = rows[np.argsort(margin[rows], kind="stable")]
    return Suspects(rows, own[rows], other[rows], names[nearest[rows]])


def _similarities(vectors, labels, count):
    """Of each image: `own`, `other`, and the number of the other identity."""
    sums = np.zeros((count, vectors.shape[1]), np.float32)
    np.add.at(sums, labels, vectors)
    means = l2_normalize(sums)
    own = np.vecdot(vectors, l2_normalize(sums[labels] - vectors))
    other, nearest = np.empty(len(vectors)), np.empty(len(vectors), np.int64)
    step = max(1, _BLOCK_BYTES // (4 * count))
    for start in range(0, len(vectors), step):
        some = slice(start, start + step)
        similar = vectors[some] @ means.T
        rows = np.arange(len(similar))
        similar[rows, labels[some]] = -np.inf
        nearest[some] = similar.argmax(axis=1)
        other[some] = similar[rows, nearest[some]]
    return own, other, nearest


def _low(values):
    median = np.median(values)
    return median - _DEVIATIONS * _NORMAL * np.median(np.abs(values - median))
