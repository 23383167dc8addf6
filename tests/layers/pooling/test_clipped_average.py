import numpy as np
import pytest

from keras_reid.layers import ClippedAveragePooling2D
from tests.harness import gradients, run_layer_test
from tests.layers.pooling import feature_map


def test_contract():
    run_layer_test(ClippedAveragePooling2D, feature_map(), (2, 5))


def test_is_the_average_from_0_to_1():
    offsets = np.array([-5, -1, 0, 0.1, 5], "float32")
    x = feature_map() + offsets
    average = x.mean((1, 2))
    assert (average < 0).any()
    assert (average > 1).any()
    assert ((average > 0) & (average < 1)).any()
    np.testing.assert_allclose(ClippedAveragePooling2D()(x), np.clip(average, 0, 1), rtol=1e-6)


@pytest.mark.parametrize(("value", "expected"), [(-0.5, 0), (0.5, 1 / 12), (1.5, 0)])
def test_only_an_average_inside_the_range_passes_a_gradient(value, expected):
    (gradient,) = gradients(ClippedAveragePooling2D(), np.full((1, 4, 3, 2), value, "float32"))
    np.testing.assert_allclose(gradient, np.full((1, 4, 3, 2), expected), rtol=1e-6)


def test_needs_a_feature_map():
    with pytest.raises(ValueError, match="expected ndim=4"):
        ClippedAveragePooling2D()(np.ones((2, 5), "float32"))
