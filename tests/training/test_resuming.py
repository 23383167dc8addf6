import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_reid.training.callbacks import Checkpoints, Position, Terminated
from keras_reid.training.resuming import fit_from

STEPS, EPOCHS = 5, 3


def make_model(eager=True, **options):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3), keras.layers.Dropout(0.5)])
    model.compile(keras.optimizers.Adam(0.1, **options), loss="mse", metrics=["mae"], run_eagerly=eager)
    return model


def batches_from(epoch, step):
    x = np.random.default_rng(0).random((STEPS * EPOCHS, 4, 2)).astype("float32")[epoch * STEPS + step :]
    return tf.data.Dataset.from_tensor_slices((x, np.zeros((len(x), 4, 3), "float32")))


class Log(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.lines = []

    def on_epoch_end(self, epoch, logs=None):
        self.lines.append((epoch, float(logs["loss"])))


def train(position, model, callbacks):
    return fit_from(model, batches_from, position, EPOCHS, STEPS, callbacks)


AVERAGE = {"use_ema": True, "ema_momentum": 0.9}


def stops():
    """After every step; the first, the last of an epoch and one within an epoch in the default lane."""
    for steps in range(1, STEPS * EPOCHS):
        for options in ({}, AVERAGE):
            quick = options and steps in (1, STEPS, 2 * STEPS + 2)
            yield pytest.param(steps, options, marks=() if quick else pytest.mark.medium)
    yield 7, {"eager": False, **AVERAGE}


@pytest.mark.parametrize(("steps", "options"), list(stops()))
def test_any_step_is_as_good_as_the_beginning(tmp_path, steps, options):
    whole, log = make_model(**options), Log()
    assert train(Position(), whole, [log])

    epochs, rest = divmod(steps, STEPS)
    count = iter(range(1, 100))
    # Asked after each step but the last of an epoch, and after the epoch.
    checkpoints = Checkpoints(tmp_path, stop=lambda: next(count) == steps)
    first, parts = make_model(**options), Log()
    with pytest.raises(Terminated):
        train(Position(), first, [parts, checkpoints])

    second, checkpoints = make_model(**options), Checkpoints(tmp_path)
    position = checkpoints.restore(second)
    assert position == (epochs, rest)
    train(position, second, [parts, checkpoints])
    for a, b in zip(whole.variables, second.variables, strict=True):
        np.testing.assert_array_equal(np.array(a), np.array(b), err_msg=a.path)
    assert [epoch for epoch, _ in parts.lines] == [0, 1, 2]
    # This Keras model has no running means before its first batch; ReIDModel's go on (tests/test_kill.py).
    assert parts.lines[epochs + 1 :] == log.lines[epochs + 1 :]


def test_nothing_is_left_to_do():
    model = make_model()
    before = model.get_weights()
    assert not train(Position(EPOCHS), model, [])
    np.testing.assert_array_equal(before[0], model.get_weights()[0])


def test_a_training_that_is_stopped_in_the_begun_epoch_stops():
    class Stop(Log):
        def on_epoch_end(self, epoch, logs=None):
            super().on_epoch_end(epoch, logs)
            self.model.stop_training = True

    model, stop = make_model(use_ema=True), Stop()
    train(Position(1, 3), model, [stop])
    assert [epoch for epoch, _ in stop.lines] == [1]
    # As at the end of any training, the weights are their average.
    average = model.optimizer._model_variables_moving_average[0]
    np.testing.assert_array_equal(np.array(model.layers[0].kernel), np.array(average))
