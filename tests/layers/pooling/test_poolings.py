"""What all poolings share, and their golden numbers; the average and the maximum are Keras' own."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.layers import GlobalAveragePooling2D, GlobalMaxPooling2D

from keras_reid.layers import (
    AttentionPooling2D,
    AverageMaxPooling2D,
    ClippedAveragePooling2D,
    GeMPooling2D,
)
from tests.harness import HALF_POLICIES
from tests.layers.pooling import GOLDEN_MAP

AVERAGE = [0.905229, 0.428640]
GOLDEN = {
    GlobalAveragePooling2D: AVERAGE,
    ClippedAveragePooling2D: AVERAGE,
    AttentionPooling2D: AVERAGE,  # not part of the original's code; untrained it is the average
    GlobalMaxPooling2D: [0.997495, 0.909297],
    GeMPooling2D: [0.913448, 0.618738],
    AverageMaxPooling2D: [1.902724, 1.337937],
}


@pytest.mark.parametrize(("cls", "expected"), GOLDEN.items())
def test_golden(cls, expected):
    np.testing.assert_allclose(cls()(GOLDEN_MAP), [expected], atol=1e-6)


@pytest.mark.parametrize("cls", GOLDEN)
def test_any_batch_and_map_size(cls):
    layer = cls()
    assert layer(keras.Input((None, None, 2))).shape == (None, 2)
    run = tf.function(layer, input_signature=[tf.TensorSpec((None, None, None, 2))])
    for size in ((1, 3, 2), (4, 1, 1), (2, 5, 7)):
        x = np.random.default_rng(0).uniform(0.1, 0.9, (*size, 2)).astype("float32")
        np.testing.assert_allclose(run(x), layer(x), rtol=1e-6)


@pytest.mark.parametrize("policy", HALF_POLICIES)
@pytest.mark.parametrize("scale", [1e-3, 1.0, 200.0], ids="scale {}".format)
@pytest.mark.parametrize("cls", GOLDEN)
def test_half_precision_rounds_the_result_only(cls, scale, policy):
    half = cls(dtype=policy)
    # 768 positions of up to 200 add up to more than float16 holds, and their cubes are far beyond it.
    x = keras.ops.cast(np.random.default_rng(0).uniform(0, scale, (2, 48, 16, 3)), half.compute_dtype)
    full = cls()
    for layer in (half, full):
        layer.build(x.shape)
    if cls is AttentionPooling2D:
        for layer in (half, full):
            layer.kernel.assign([[0.3], [-0.2], [0.1]])
    expected = keras.ops.convert_to_numpy(full(keras.ops.cast(x, "float32")))
    outputs = half(x)
    assert keras.backend.standardize_dtype(outputs.dtype) == half.compute_dtype
    # Half a unit in the last place: 11 bits of float16, 8 of bfloat16.
    rounding = 2.0 ** (-11 if policy == "mixed_float16" else -8)
    found = keras.ops.convert_to_numpy(keras.ops.cast(outputs, "float32"))
    np.testing.assert_allclose(found, expected, rtol=1.01 * rounding, atol=0)
