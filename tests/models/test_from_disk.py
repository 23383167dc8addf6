import keras
import numpy as np
import pytest

from keras_reid.losses import CrossEntropy
from keras_reid.models import ReIDModel, load_model
from keras_reid.utils.errors import UserError
from tests.export.conftest import small_model


def test_a_run_directory_and_a_file_give_the_same(tmp_path):
    model = small_model()
    model.compile("adam", losses=[CrossEntropy()])
    model.save(tmp_path / "model.keras")
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 16, 3), np.uint8)
    for path in (tmp_path, str(tmp_path / "model.keras")):
        loaded = load_model(path)
        assert isinstance(loaded, ReIDModel)
        assert getattr(loaded, "optimizer", None) is None
        np.testing.assert_array_equal(loaded.predict(images, verbose=0), model.predict(images, verbose=0))


def test_says_what_is_wrong(tmp_path):
    with pytest.raises(UserError, match="nothing: there is no such run directory or model file"):
        load_model(tmp_path / "nothing")
    with pytest.raises(UserError, match=r"the directory contains no model\.keras.*--resume"):
        load_model(tmp_path)
    text = tmp_path / "model.keras"
    text.write_text("no archive")
    with pytest.raises(UserError, match="not a Keras model file"):
        load_model(tmp_path)
    text.rename(tmp_path / "weights.h5")
    with pytest.raises(UserError, match="not a Keras model file"):
        load_model(tmp_path / "weights.h5")


def test_another_keras_model_is_refused(tmp_path):
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(tmp_path / "other.keras")
    with pytest.raises(UserError, match=r"must hold a ReIDModel\. Received: Sequential\. Wrap it"):
        load_model(tmp_path / "other.keras")


def test_an_unknown_component_and_a_truncated_file(tmp_path):
    class Mine(keras.layers.Layer):
        def call(self, inputs):
            return inputs

    keras.Sequential([keras.Input((2,)), Mine()]).save(tmp_path / "mine.keras")
    with pytest.raises(
        UserError, match=r"loaded: Could not locate class 'Mine'\. .*register_keras_serializable"
    ):
        load_model(tmp_path / "mine.keras")
