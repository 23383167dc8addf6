"""Clusters in the place of identities."""

import importlib.util

import numpy as np
from numpy.typing import NDArray

from keras_reid.evaluation.rerank import jaccard_neighbors
from keras_reid.utils.errors import UserError

OUTLIER = -1
_REMEDY = "adaptation needs scikit-learn, {}: pip install 'keras_reid[adaptation]'"


def check_installed() -> None:
    """Checks that scikit-learn is installed, without importing it.

    Raises:
        UserError: it is not.
    """
    if importlib.util.find_spec("sklearn") is None:
        raise UserError(_REMEDY.format("not installed here"))


def pseudo_labels(
    embeddings: NDArray[np.float32], eps: float = 0.6, min_samples: int = 4, k1: int = 30, k2: int = 6
) -> NDArray[np.int32]:
    """The cluster of each image, by DBSCAN on the Jaccard distance of its k-reciprocal neighbours.

    An image with at least `min_samples` images (itself counted) within `eps` is a core; cores within `eps` of each
    other are one cluster, to which the images within `eps` of one of them belong. The others are outliers, and so are
    clusters with fewer than `min_samples` images, whose border another cluster took.

    Time: as `keras_reid.evaluation.jaccard_neighbors`, which grows with the square of the images; DBSCAN itself grows
    with the pairs within `eps`. Memory: a copy of the embeddings, about 2 kB for each image and 30 bytes for each pair.

    Args:
        embeddings: `(images, dim)`; compared by the cosine.
        eps: largest Jaccard distance of near images, from 0 up to, not including, 1.
        min_samples: images, at least 1.
        k1: neighbours in a list, the image itself not counted.
        k2: nearest images, itself counted, over which the weights of neighbours are averaged.

    Returns:
        `(images,)` int32: clusters 0 … C − 1, in the order of their first images; −1 for outliers.

    Raises:
        UserError: scikit-learn is not installed, or an option is out of its range.

    Example:
        >>> import numpy as np
        >>> embeddings = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1], [-1, -1]])
        >>> pseudo_labels(embeddings, min_samples=2, k1=1, k2=1).tolist()  # doctest: +SKIP
        [0, 0, 1, 1, -1]

    Source: Ge et al., "Self-paced contrastive learning with hybrid memory for domain adaptive object re-ID", NeurIPS
    2020, without its test of the clusters' reliability.
    """
    check_installed()
    try:
        import scipy.sparse
        from sklearn.cluster import DBSCAN
    except ImportError as error:
        raise UserError(_REMEDY.format(f"which cannot be imported ({error})")) from None

    if min_samples < 1:
        raise UserError(f"`min_samples` must be at least 1. Received: min_samples={min_samples!r}.")
    near = jaccard_neighbors(embeddings, eps, k1, k2)
    size = len(near.counts)
    # Distances of 0 must stay entries: what a sparse graph does not hold is not near.
    graph = scipy.sparse.csr_array((near.values, near.columns, near.starts), shape=(size, size))
    # Beyond the eps by which the graph was cut, so that no rounding decides again.
    found = DBSCAN(eps=1.0, min_samples=min_samples, metric="precomputed").fit_predict(graph)
    return _renumbered(found, min_samples)


def _renumbered(clusters, min_samples):
    """Without clusters that are too small, in the order of their first images."""
    names, first, inverse, counts = np.unique(
        clusters, return_index=True, return_inverse=True, return_counts=True
    )
    kept = (names >= 0) & (counts >= min_samples)
    order = np.argsort(np.where(kept, first, len(clusters)), kind="stable")
    numbers = np.full(len(names), OUTLIER, np.int32)
    numbers[order[: kept.sum()]] = np.arange(kept.sum())
    return numbers[inverse.reshape(-1)]
