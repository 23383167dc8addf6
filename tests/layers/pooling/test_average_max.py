import numpy as np

from keras_reid.layers import AverageMaxPooling2D
from tests.harness import run_layer_test
from tests.layers.pooling import feature_map


def test_contract():
    run_layer_test(AverageMaxPooling2D, feature_map(), (2, 5))


def test_is_the_sum_of_both():
    x = feature_map()
    np.testing.assert_allclose(AverageMaxPooling2D()(x), x.mean((1, 2)) + x.max((1, 2)), rtol=1e-6)
