import keras
import numpy as np
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from keras_reid.training.callbacks import TensorBoardLog


def make_model():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", loss="mse")
    return model


def fit(model, folder, epochs=2, initial_epoch=0, **options):
    def evaluate(epoch, logs):
        logs["mine/mAP"] = 0.5

    callback = TensorBoardLog(folder, **options)
    callbacks = [keras.callbacks.LambdaCallback(on_epoch_end=evaluate), callback]
    x = np.ones((6, 2), "float32")
    fitting = {"epochs": epochs, "initial_epoch": initial_epoch, "batch_size": 1, "verbose": 0}
    model.fit(x, x[:, :1], callbacks=callbacks, **fitting)
    return callback


def scalars(folder):
    """`{tag: [(step, value), …]}` of all files in the order in which they were written."""
    found = {}
    for file in sorted(folder.glob("events.*"), key=lambda file: file.stat().st_mtime_ns):
        events = EventAccumulator(str(file), size_guidance={"tensors": 0}).Reload()
        for tag in events.Tags()["tensors"]:
            for event in events.Tensors(tag):
                value = tf.make_ndarray(event.tensor_proto)
                if value.ndim == 0:
                    found.setdefault(tag, []).append((event.step, float(value)))
    return found


def test_epochs_steps_speed_and_evaluations(tmp_path):
    fit(make_model(), tmp_path, every=2, batch_size=7).close()
    found = scalars(tmp_path)
    assert [step for step, _ in found["step/loss"]] == [2, 4, 6, 8, 10, 12]
    assert [step for step, _ in found["step/images_per_second"]] == [4, 6, 10, 12]
    assert all(value > 0 for _, value in found["step/images_per_second"])
    assert [step for step, _ in found["epoch/loss"]] == [1, 2]
    assert found["mine/mAP"] == [(1, 0.5), (2, 0.5)]


def test_a_resumed_run_goes_on_counting(tmp_path):
    model = make_model()
    fit(model, tmp_path, epochs=1, every=3).close()
    fit(model, tmp_path, epochs=2, initial_epoch=1, every=3).close()
    assert [step for step, _ in scalars(tmp_path)["step/loss"]] == [3, 6, 9, 12]


def test_zero_writes_epochs_only(tmp_path):
    fit(make_model(), tmp_path, every=0).close()
    assert "step/loss" not in scalars(tmp_path)
    assert len(scalars(tmp_path)["epoch/loss"]) == 2


def test_a_picture(tmp_path):
    callback = TensorBoardLog(tmp_path)
    picture = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    callback.image("batch", picture)
    callback.close()
    (file,) = tmp_path.glob("events.*")
    (event,) = EventAccumulator(str(file), size_guidance={"tensors": 0}).Reload().Tensors("batch")
    width, height, png = tf.make_ndarray(event.tensor_proto)
    assert (width, height) == (b"4", b"4")
    np.testing.assert_array_equal(tf.io.decode_png(png), picture)
