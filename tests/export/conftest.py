import keras
import numpy as np
import pytest


def small_model(num_classes=5, seed=0):
    """A `ReIDModel` of one convolution, with statistics that are not the initial ones."""
    from keras_reid.heads import BNNeckHead
    from keras_reid.layers import GeMPooling2D
    from keras_reid.models import ReIDModel

    keras.utils.set_random_seed(seed)
    backbone = keras.Sequential(
        [
            keras.Input((None, None, 3)),
            keras.layers.Conv2D(8, 3, strides=2),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
        ]
    )
    model = ReIDModel(backbone, GeMPooling2D(), BNNeckHead(num_classes), image_size=(32, 16))
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        if "moving" in variable.path or "gamma" in variable.path or "beta" in variable.path:
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    return model


@pytest.fixture
def model():
    return small_model()


@pytest.fixture(scope="session")
def model_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.keras"
    small_model().save(path)
    return path
