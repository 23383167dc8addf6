"""Checks and normalises embeddings."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_reid.utils.errors import UserError


def check_finite(paths: Sequence[str | os.PathLike[str]], embeddings: NDArray[Any]) -> None:
    """Raises a `UserError` that names the first image whose embedding holds NaN or infinity, if there is one.

    Args:
        paths: image file of each row.
        embeddings: `(n, dim)`.
    """
    bad = ~np.isfinite(embeddings).all(axis=1)
    if bad.any():
        raise UserError(
            f"the model's embedding of {paths[bad.argmax()]} holds NaN or infinity, as do {bad.sum()} of {len(bad)} in "
            "all. Did the training diverge? Use an earlier checkpoint, or a lower learning rate."
        )


def l2_normalize(embeddings: ArrayLike) -> NDArray[np.float32]:
    """`x / max(|x|, 1e-12)` for each row, in float32.

    Args:
        embeddings: `(n, dim)`.

    Returns:
        `(n, dim)` float32 of unit length; a row of zeros stays zero.

    Example:
        >>> import numpy as np
        >>> l2_normalize(np.array([[3.0, 4.0]])).tolist()
        [[0.6000000238418579, 0.800000011920929]]
    """
    embeddings = np.asarray(embeddings, np.float32)
    norms = np.linalg.norm(embeddings, axis=-1, keepdims=True)
    return embeddings / np.maximum(norms, np.float32(1e-12))
