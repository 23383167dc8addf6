"""The .npz file of embeddings that the `embed` command writes."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.embedding.vectors import l2_normalize
from keras_reid.utils.files import written_aside

_ROWS = 4096


def write_embeddings(
    file: str | os.PathLike[str], paths: Sequence[str], embeddings: NDArray[Any], rows: Sequence[int]
) -> None:
    """Writes `embeddings`, float32 `(n, dim)` of unit length, and `paths`. The file appears only when it is complete.

    Rows are written in blocks of 4096, so memory does not grow with their number.

    Args:
        file: the .npz file, for `numpy.load`.
        paths: of the n images.
        embeddings: `(m, dim)` raw; may be memory-mapped.
        rows: `(n,)`: the row of `embeddings` that belongs to each image.
    """
    header = {"descr": "<f4", "fortran_order": False, "shape": (len(rows), embeddings.shape[1])}
    with written_aside(file) as aside, zipfile.ZipFile(aside, "w") as archive:
        with archive.open("embeddings.npy", "w", force_zip64=True) as entry:
            np.lib.format.write_array_header_1_0(entry, header)
            for start in range(0, len(rows), _ROWS):
                entry.write(l2_normalize(embeddings[rows[start : start + _ROWS]]).astype("<f4").tobytes())
        with archive.open("paths.npy", "w", force_zip64=True) as entry:
            np.lib.format.write_array(entry, np.array(paths), allow_pickle=False)
