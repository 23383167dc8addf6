"""Distances that come in blocks of rows."""

import numpy as np


class Blockwise:
    """What has a `shape` and `blocks()`, which yields `(start, rows)`: `numpy.asarray` puts the blocks together."""

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError("the distances are computed when asked for: they cannot be had without a copy")
        matrix = np.empty(self.shape, np.float32)
        for start, block in self.blocks():
            matrix[start : start + len(block)] = block
        return matrix if dtype is None else matrix.astype(dtype, copy=False)
