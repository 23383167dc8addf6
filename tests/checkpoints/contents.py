"""What the files in `files/` hold, as numpy arrays; `make_files.py` saves it with PyTorch."""

import numpy as np


def _ramp(*shape, dtype="float32"):
    return (np.arange(np.prod(shape), dtype="float64").reshape(shape) / 8 - 1).astype(dtype)


def state_dict():
    """All types of values, and all ways in which a tensor may lie in its storage."""
    matrix = _ramp(4, 6)
    return {
        "conv1.weight": _ramp(3, 2, 3, 3),
        "conv1.bias": _ramp(3),  # a parameter
        "half": _ramp(5, dtype="float16"),
        "bfloat16": _ramp(7),  # exact in 8 bits of mantissa
        "double": _ramp(2, 3, dtype="float64"),
        "num_batches_tracked": np.int64(120),
        "int32": np.array([-(2**31), 2**31 - 1], "int32"),
        "int16": np.array([-5, 5], "int16"),
        "int8": np.array([-128, 127], "int8"),
        "uint8": np.array([0, 255], "uint8"),
        "bool": np.array([True, False, True]),
        "empty": np.zeros((0, 3), "float32"),
        # These four share a storage.
        "matrix": matrix,
        "transposed": matrix.T,
        "part": matrix[1:3, ::2],
        "row": matrix[2],
    }


def views():
    """Tensors that are no plain window on a storage of their own: negated, repeated, in another order."""
    matrix, vector = _ramp(4, 6), _ramp(3)
    return {
        "imaginary": matrix,  # of a complex tensor, whose conjugate's are negative views
        "negative": -matrix,
        "negative.parameter": -matrix,
        "negative.part": -matrix[1:3, ::2].T,
        "negative.double": -_ramp(2, 3, dtype="float64"),
        "negative.half": -_ramp(5, dtype="float16"),
        "expanded": np.broadcast_to(vector, (4, 3)),
        "expanded.scalar": np.full(5, np.float32(2.5)),
        "expanded.middle": np.broadcast_to(matrix[:, None], (4, 2, 6)),
        "expanded.negative": np.broadcast_to(-matrix[0], (3, 6)),
        "windows": np.lib.stride_tricks.sliding_window_view(_ramp(6), 3),
        "diagonal": matrix.diagonal(),
        "permuted": _ramp(2, 3, 4).transpose(2, 0, 1),
    }
