import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_reid.heads import BNNeckHead
from keras_reid.layers import GeMPooling2D
from keras_reid.losses import CrossEntropy
from keras_reid.models import ReIDModel
from keras_reid.training import Adam
from tests.training.replicas import infinite_gradient, infinite_loss

SIZE = (16, 8)
GOOD, BAD = np.array([0, 0, 1, 1], "int32"), np.array([2, 2, 3, 3], "int32")  # 3 is what makes it infinite


def make_model(losses, precision="float32", **options):
    keras.config.set_dtype_policy(precision)
    try:
        backbone = keras.Sequential([keras.Input((*SIZE, 3)), keras.layers.Conv2D(4, 3, **options)])
        model = ReIDModel(backbone, GeMPooling2D(), BNNeckHead(4), image_size=SIZE)
        model.compile(Adam(0.01, l2=0.01), losses=losses, warmup_steps=10)
    finally:
        keras.config.set_dtype_policy("float32")
    return model


def fit(model, *identities):
    images = np.random.default_rng(0).integers(0, 256, (len(identities), 4, *SIZE, 3), dtype="uint8")
    data = tf.data.Dataset.from_tensor_slices((images, np.stack(identities)))
    return model.fit(data, verbose=0, shuffle=False).history


def state(model):
    """Without moving statistics, which the forward pass has changed."""
    variables = [*model.trainable_variables, *model.optimizer.variables]
    return [np.array(variable) for variable in variables]


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_an_infinite_loss_changes_nothing_and_is_remembered(precision):
    model = make_model([CrossEntropy(), infinite_loss], precision)
    assert model.nonfinite is None
    fit(model, GOOD, GOOD, GOOD, GOOD, GOOD, GOOD, GOOD, GOOD)
    assert model.nonfinite is None
    before, step = state(model), int(model.optimizer.iterations)
    rate = float(model.optimizer.learning_rate)
    history = fit(model, BAD)
    assert not np.isfinite(history["loss"][0])
    for value, expected in zip(state(model), before, strict=True):
        np.testing.assert_array_equal(value, expected)
    found = model.nonfinite
    assert (found.step, found.culprits) == (step, ["infinite_loss"])
    assert found.learning_rate == pytest.approx(rate)
    assert found.terms.keys() == {"cross_entropy", "infinite_loss", "gradient"}
    assert 0 < found.terms["cross_entropy"] < 10
    np.testing.assert_array_equal(found.identities, BAD)


def test_an_infinite_gradient_of_a_finite_loss_changes_nothing():
    model = make_model([infinite_gradient])
    before = state(model)
    history = fit(model, BAD)
    assert np.isfinite(history["loss"][0])
    for value, expected in zip(state(model), before, strict=True):
        np.testing.assert_array_equal(value, expected)
    assert model.nonfinite.culprits == ["gradient"]


def test_an_overflowing_gradient_of_a_scaled_loss_is_no_matter():
    model = make_model([infinite_gradient], "mixed_float16")
    scale = float(model.optimizer.dynamic_scale)
    fit(model, BAD)
    assert float(model.optimizer.dynamic_scale) == scale / 2
    assert model.nonfinite is None


def test_remembers_the_first_and_trains_on():
    model = make_model([infinite_loss])
    fit(model, GOOD, BAD, BAD[::-1], GOOD)
    assert model.nonfinite.step == 1
    np.testing.assert_array_equal(model.nonfinite.identities, BAD)
    assert int(model.optimizer.iterations) == 2
    model.compile("sgd", losses=[CrossEntropy()])
    assert model.nonfinite is None


def test_regularization_is_a_term():
    model = make_model([CrossEntropy()], kernel_regularizer=keras.regularizers.L2(1e38))
    model.backbone.layers[0].kernel.assign(model.backbone.layers[0].kernel + 10)
    fit(model, GOOD)
    assert model.nonfinite.culprits == ["regularization", "gradient"]


def test_a_model_without_trouble_saves_no_guard(tmp_path):
    model = make_model([CrossEntropy()])
    fit(model, GOOD)
    model.save(tmp_path / "model.keras")
    assert keras.saving.load_model(tmp_path / "model.keras").nonfinite is None
    assert "identities" not in " ".join(variable.path for variable in model.variables)
