"""A warm-up with Keras' callbacks that set the learning rate."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.callbacks import LearningRateScheduler, ReduceLROnPlateau

from keras_reid.heads import LinearHead
from keras_reid.layers import GeMPooling2D
from keras_reid.losses import CrossEntropy
from keras_reid.models import Distiller, ReIDModel
from keras_reid.training import Adam, CosineAfterDelay, WarmUp, beside_warm_up, learning_rates
from keras_reid.training.callbacks import Checkpoints

SIZE = (8, 4)
IMAGES = np.random.default_rng(0).integers(0, 256, (4, *SIZE, 3), dtype="uint8")
LABELS = np.array([0, 1, 0, 1])
FACTORS = [0.1, 0.325, 0.55, 0.775, 1, 1]  # of four steps


def make_model(rate=1e-4, steps=4, **options):
    backbone = keras.Sequential([keras.Input((*SIZE, 3)), keras.layers.Conv2D(4, 3)])
    model = ReIDModel(backbone, GeMPooling2D(), LinearHead(2), image_size=SIZE)
    model.compile(keras.optimizers.SGD(rate), losses=[CrossEntropy()], warmup_steps=steps, **options)
    return model


class Rates(keras.callbacks.Callback):
    """What each step used."""

    def __init__(self):
        super().__init__()
        self.used = []

    def on_train_batch_end(self, batch, logs=None):
        self.used.append(logs["learning_rate"])


def plateau(**options):
    """Reduces at the end of every epoch but the first."""
    return ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=1e9, **options)


def used(model, callback, epochs=6, **options):
    """Of epochs of one step."""
    rates = Rates()
    history = model.fit(
        IMAGES, LABELS, epochs=epochs, callbacks=[callback, rates], shuffle=False, verbose=0, **options
    ).history
    np.testing.assert_allclose(history["learning_rate"], rates.used)  # not what the callback logs
    return rates.used


HALVED = 1e-4 * np.array([1, 1, 0.5, 0.25, 0.125, 0.0625])


@pytest.mark.parametrize("eager", [False, True], ids=["compiled", "eager"])
def test_reduce_on_plateau_reduces_what_the_warm_up_rises_to(eager):
    model = make_model(run_eagerly=eager)
    np.testing.assert_allclose(used(model, plateau()), FACTORS * HALVED, rtol=1e-5)
    assert float(model.optimizer.learning_rate) == pytest.approx(HALVED[-1] / 2)


def test_the_least_rate_is_one_without_the_factor():
    found = used(make_model(), plateau(min_lr=4e-5))
    np.testing.assert_allclose(found, FACTORS * np.maximum(HALVED, 4e-5), rtol=1e-5)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (lambda epoch: 1e-4 * (epoch + 1), 1e-4 * np.arange(1, 7)),
        (lambda epoch, rate: rate, np.full(6, 1e-4)),
        (lambda epoch, rate: 0.5 * rate if epoch > 1 else rate, HALVED),
    ],
    ids=["absolute", "unchanged", "relative"],
)
def test_learning_rate_scheduler(schedule, expected):
    found = used(make_model(), LearningRateScheduler(schedule))
    np.testing.assert_allclose(found, FACTORS * expected, rtol=1e-5)


def test_of_a_distiller_with_a_scaled_loss():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        distiller = Distiller(make_model(), [make_model()])
        distiller.compile(keras.optimizers.SGD(1e-4), losses=[CrossEntropy()], warmup_steps=4)
    finally:
        keras.config.set_dtype_policy("float32")
    assert isinstance(distiller.optimizer, keras.optimizers.LossScaleOptimizer)
    # An overflowing step is no update: only the rate that it rises to is compared.
    used(distiller, plateau())
    distiller.optimizer.inner_optimizer.iterations.assign(9)
    assert float(distiller.optimizer.learning_rate) == pytest.approx(HALVED[-1] / 2)


def test_under_accumulation():
    model = make_model()
    model.compile(
        keras.optimizers.SGD(1e-4, gradient_accumulation_steps=2), losses=[CrossEntropy()], warmup_steps=2
    )
    expected = np.array([0.1, 0.1, 0.55, 0.55, 1, 1]) * HALVED
    np.testing.assert_allclose(used(model, plateau()), expected, rtol=1e-5)


def test_without_a_warm_up_nothing_changes():
    callbacks = [plateau(), keras.callbacks.History()]
    assert beside_warm_up(keras.optimizers.SGD(0.1), callbacks) == callbacks
    np.testing.assert_allclose(used(make_model(steps=0), plateau()), HALVED, rtol=1e-5)


@pytest.mark.parametrize("steps", [0, 4])
@pytest.mark.parametrize("callback", [plateau(), LearningRateScheduler(lambda epoch: 0.1)])
def test_a_schedule_cannot_be_set_and_is_refused_at_the_start(steps, callback):
    model = make_model(rate=CosineAfterDelay(0.1, 0, 9), steps=steps)
    message = f"^{type(callback).__name__} sets the learning rate, which a schedule .* the schedule CosineAfterDelay$"
    with pytest.raises(ValueError, match=message):
        model.fit(IMAGES, LABELS, callbacks=[callback], verbose=0)
    assert int(model.optimizer.iterations) == 0


def test_by_hand_it_is_set_when_the_warm_up_is_over():
    model = make_model()
    with pytest.raises(ValueError, match=r"when the warm-up is over, after 4 updates: .* after 0 updates$"):
        model.optimizer.learning_rate = 0.5
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-5)
    model.fit(IMAGES, LABELS, epochs=4, verbose=0)
    model.optimizer.learning_rate = 0.5
    assert float(model.optimizer.learning_rate) == 0.5
    rates = Rates()
    model.fit(IMAGES, LABELS, callbacks=rates, verbose=0)
    assert rates.used == [0.5]


def plain_model(optimizer):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(optimizer, loss="mse")
    return model


@pytest.mark.parametrize(
    ("callback", "expected"),
    [(plateau(), HALVED), (LearningRateScheduler(lambda epoch, rate: rate), HALVED[:1])],
)
def test_in_plain_keras(callback, expected):
    optimizer = WarmUp.apply(keras.optimizers.SGD(1e-4), steps=4)
    seen = []
    record = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: seen.append(float(optimizer.learning_rate))
    )
    x = np.ones((2, 3), "float32")
    plain_model(optimizer).fit(
        x, x[:, :2], epochs=6, callbacks=beside_warm_up(optimizer, [callback, record]), verbose=0
    )
    np.testing.assert_allclose(seen, FACTORS * expected, rtol=1e-5)


def test_in_plain_keras_a_scheduler_alone_is_refused_at_once():
    optimizer = WarmUp.apply(keras.optimizers.SGD(1e-4), steps=4)
    x = np.ones((2, 3), "float32")
    with pytest.raises(ValueError, match=r"training\.beside_warm_up\(optimizer, \[callbacks\]\)"):
        plain_model(optimizer).fit(
            x, x[:, :2], callbacks=[LearningRateScheduler(lambda epoch: 0.1)], verbose=0
        )
    assert int(optimizer.iterations) == 0


def test_saved_with_the_model(tmp_path):
    model = make_model()
    used(model, plateau(), epochs=4)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert int(loaded.optimizer.iterations) == 4
    assert len(loaded.optimizer.variables) == len(model.optimizer.variables)
    rates = (1e-4 / 8) * np.array([0.1, 0.325, 0.55, 0.775, 1, 1])
    for optimizer in (model.optimizer, loaded.optimizer):
        np.testing.assert_allclose(learning_rates(optimizer, range(6)), rates, rtol=1e-5)
    # It stays settable, at the end of the warm-up that it is at.
    np.testing.assert_allclose(used(loaded, plateau(), epochs=2), 1e-4 / 8 * np.array([1, 1]), rtol=1e-5)
    assert float(loaded.optimizer.learning_rate) == pytest.approx(1e-4 / 16)


def test_an_optimizer_of_a_file_of_before_is_the_same():
    """It had the warm-up as a schedule."""
    config = keras.saving.serialize_keras_object(keras.optimizers.SGD(WarmUp(1e-4, 4)))
    new = keras.saving.serialize_keras_object(make_model().optimizer)
    optimizers = [keras.saving.deserialize_keras_object(one) for one in (config, new)]
    for optimizer in optimizers:
        assert isinstance(optimizer._learning_rate, WarmUp)
        assert len(optimizer.variables) == 1  # the counter
        np.testing.assert_allclose(
            learning_rates(optimizer, range(5)), 1e-4 * np.array(FACTORS[:5]), rtol=1e-6
        )


def test_a_checkpoint_has_what_was_set(tmp_path):
    model, checkpoints = make_model(), Checkpoints(tmp_path)
    used(model, plateau(), epochs=3)
    checkpoints.save(model, (3, 0))
    resumed = make_model()
    Checkpoints(tmp_path).restore(resumed)
    np.testing.assert_allclose(
        learning_rates(resumed.optimizer, range(6)), np.array(FACTORS) * 1e-4 / 4, rtol=1e-5
    )


def test_a_checkpoint_of_before_has_none(tmp_path, monkeypatch):
    from keras_reid.training.callbacks import checkpoints as module

    model = make_model()
    model.fit(IMAGES, LABELS, epochs=3, verbose=0)
    with monkeypatch.context() as before:
        found = module.training_variables
        before.setattr(
            module, "training_variables", lambda model: (x for x in found(model) if x[0] != "rate/0000")
        )
        Checkpoints(tmp_path).save(model, (3, 0))
    resumed = make_model(rate=2e-4)
    assert Checkpoints(tmp_path).restore(resumed) == (3, 0)
    assert int(resumed.optimizer.iterations) == 3
    np.testing.assert_allclose(float(resumed.optimizer.learning_rate), 2e-4 * FACTORS[3], rtol=1e-5)


def test_it_is_read_in_a_step_and_not_when_that_was_traced():
    optimizer = WarmUp.apply(Adam(1.0), steps=0)
    assert optimizer.learning_rate == 1.0  # a variable, as without a warm-up
    optimizer = WarmUp.apply(Adam(1.0), steps=1)
    optimizer.iterations.assign(1)
    read = tf.function(lambda: tf.convert_to_tensor(optimizer.learning_rate))
    assert float(read()) == 1.0
    optimizer.learning_rate = 0.25
    assert float(read()) == 0.25
