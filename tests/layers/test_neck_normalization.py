import numpy as np

from keras_reid.layers import NeckNormalization
from tests.harness import run_layer_test


def features():
    return np.random.default_rng(0).normal(1.0, 2.0, (6, 4)).astype("float32")


def test_contract():
    run_layer_test(NeckNormalization, features(), (6, 4))


def test_offset_exists_is_not_trained_and_stays_so_after_thawing():
    layer = NeckNormalization()
    layer.build((None, 4))
    for _ in range(2):
        assert [v.name for v in layer.trainable_variables] == ["gamma"]
        assert [v.name for v in layer.non_trainable_variables] == ["beta", "moving_mean", "moving_variance"]
        layer.trainable = False
        assert layer.trainable_variables == []
        layer.trainable = True


def test_imported_offset_counts():
    layer = NeckNormalization(epsilon=0.0)
    layer.build((None, 4))
    layer.beta.assign([1.0, 2, 3, 4])
    np.testing.assert_allclose(layer(features()), features() + [1, 2, 3, 4], rtol=1e-6)


def test_defaults():
    layer = NeckNormalization()
    assert (layer.momentum, layer.epsilon) == (0.9, 1e-5)
