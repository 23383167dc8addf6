import keras
import numpy as np
import pytest

from keras_reid.layers import GeMPooling2D
from tests.harness import gradients, run_layer_test
from tests.layers.pooling import feature_map


def test_contract():
    run_layer_test(GeMPooling2D, feature_map(), (2, 5))


def test_p_1_is_the_average_and_a_large_p_the_maximum():
    x = feature_map()
    np.testing.assert_allclose(GeMPooling2D(p=1.0)(x), x.mean(axis=(1, 2)), rtol=1e-5)
    np.testing.assert_allclose(GeMPooling2D(p=500.0)(x), x.max(axis=(1, 2)), rtol=1e-2)


def test_does_not_depend_on_the_order_of_positions():
    x = feature_map()
    np.testing.assert_allclose(GeMPooling2D()(x), GeMPooling2D()(x[:, ::-1, ::-1]), rtol=1e-6)


def test_learnable_says_whether_p_is_trained():
    for learnable in (True, False):
        layer = GeMPooling2D(learnable=learnable)
        layer.build((None, 3, 2, 5))
        assert len(layer.trainable_variables) == int(learnable)
        assert layer.p.shape == (1,)


def test_epsilon_is_the_smallest_activation():
    negative = -np.ones((1, 2, 2, 1), "float32")
    np.testing.assert_allclose(GeMPooling2D(epsilon=0.25)(negative), [[0.25]], rtol=1e-6)
    np.testing.assert_allclose(GeMPooling2D()(negative), [[1e-6]], rtol=1e-4)


@pytest.mark.parametrize("value", [-1.0, 0.0, 1e-6, 1.0, 6e4])
@pytest.mark.parametrize("p", [1.0, 3.0, 100.0])
def test_value_and_gradient_are_finite_at_the_edges(value, p):
    layer = GeMPooling2D(p=p)
    x = np.full((1, 2, 2, 3), value, "float32")
    np.testing.assert_allclose(layer(x), max(value, 1e-6) * np.ones((1, 3)), rtol=1e-3)
    assert np.isfinite(gradients(layer, x)[0]).all()


def test_half_precision_does_not_overflow_inside():
    layer = GeMPooling2D(dtype="mixed_float16")
    outputs = layer(np.full((1, 2, 2, 1), 300.0, "float16"))  # 300³ is far beyond float16
    assert keras.backend.standardize_dtype(outputs.dtype) == "float16"
    assert float(outputs[0, 0]) == pytest.approx(300, rel=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"p": 0.0}, r"`p` of GeMPooling2D must be positive\. Received: p=0\.0"),
        ({"p": -3}, r"Received: p=-3"),
        ({"epsilon": 0.0}, r"`epsilon` of GeMPooling2D must be positive"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        GeMPooling2D(**arguments)


def test_needs_a_feature_map():
    with pytest.raises(ValueError, match="expected ndim=4"):
        GeMPooling2D()(np.ones((2, 5), "float32"))
