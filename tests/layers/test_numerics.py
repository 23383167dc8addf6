import keras
import numpy as np

from keras_reid.layers.numerics import at_least_float32, l2_normalize
from tests.harness import gradients


def test_at_least_float32():
    for given, expected in {
        "float16": "float32",
        "bfloat16": "float32",
        "float64": "float64",
        "int32": "float32",
    }.items():
        assert keras.backend.standardize_dtype(at_least_float32(keras.ops.ones(2, given)).dtype) == expected


def test_l2_normalize():
    np.testing.assert_allclose(
        l2_normalize(np.array([[3.0, 4.0], [0.0, 0.0]], "float32")), [[0.6, 0.8], [0, 0]]
    )
    (gradient,) = gradients(l2_normalize, np.zeros((1, 2), "float32"))
    assert np.isfinite(gradient).all()
