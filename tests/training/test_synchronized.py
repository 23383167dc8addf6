"""What is set; that it computes the same on two devices is in test_strategy."""

import keras
import numpy as np

from keras_reid.layers import IBN
from keras_reid.models import load_model
from keras_reid.run.results import save_model
from keras_reid.training.synchronized import synchronize_batch_norm
from tests.export.conftest import small_model


def norms(model):
    return [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]


def test_reaches_every_batch_normalisation_and_one_device_computes_the_same():
    images = np.random.default_rng(0).standard_normal((4, 6, 6, 3)).astype("float32")
    model = keras.Sequential(
        [keras.Input((6, 6, 3)), keras.layers.Conv2D(8, 3), IBN(), keras.layers.BatchNormalization()]
    )
    plain = model(images, training=True)
    synchronize_batch_norm(model)
    assert [layer.synchronized for layer in norms(model)] == [True, True]
    np.testing.assert_allclose(model(images, training=True), plain, atol=1e-5)
    synchronize_batch_norm(model, False)
    assert not any(layer.synchronized for layer in norms(model))


def test_a_saved_model_is_not_bound_to_replicas(tmp_path):
    model = small_model()
    synchronize_batch_norm(model)
    assert norms(model)
    save_model(model, tmp_path / "model.keras")
    assert not any(layer.synchronized for layer in norms(load_model(tmp_path / "model.keras")))
    assert all(layer.synchronized for layer in norms(model)), "training may go on"
