"""What a camera does to embeddings, learnt from those who were seen by several."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Identities that are added, for which cameras make no difference: so a few that were seen by two cameras change little.
_CAUTION = 5


def without_camera_shifts(
    embeddings: NDArray[np.float32], cameras: NDArray[np.int64], identities: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Embeddings without what light and angle of their camera add to all of them.

    The shift of a camera is the mean, over the identities that it shares with other cameras, of the difference between
    the identity's mean in this camera and the mean of its means in all of its cameras; `shift = Σ / (shared + 5)`.
    Other than the mean of all of a camera's embeddings, this does not depend on who walked by. Where no identity was in
    two cameras, the embeddings stay as they are.

    Args:
        embeddings: `(n, dim)` of unit length.
        cameras: `(n,)` number of the camera of each.
        identities: `(n,)` as far as they are known by now.

    Returns:
        `(n, dim)` of unit length.

    Example:
        >>> import numpy as np
        >>> rows = np.array([[1, 0], [0, 1]], np.float32)
        >>> without_camera_shifts(rows, np.array([0, 1]), np.array([3, 4])).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    keys, group = np.unique(np.stack([identities, cameras]), axis=1, return_inverse=True)
    means = _means(embeddings, group, keys.shape[1])
    owners, owner, seen_by = np.unique(keys[0], return_inverse=True, return_counts=True)
    differences = means - _means(means, owner, len(owners))[owner]
    shared = seen_by[owner] > 1
    count = int(cameras.max(initial=-1)) + 1
    shifts = np.zeros((count, embeddings.shape[1]))
    np.add.at(shifts, keys[1][shared], differences[shared])
    shifts /= (np.bincount(keys[1][shared], minlength=count) + _CAUTION)[:, None]
    moved = embeddings - shifts[cameras]
    return (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype(np.float32)


def _means(rows, group, count):
    sums = np.zeros((count, rows.shape[1]))
    np.add.at(sums, group, rows)
    return sums / np.bincount(group, minlength=count)[:, None]
