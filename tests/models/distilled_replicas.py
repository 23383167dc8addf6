"""Distils on two devices in a process of its own: python -m tests.models.distilled_replicas OUTPUT.pickle."""

import pathlib
import pickle
import sys

import keras
import numpy as np
import tensorflow as tf

from keras_reid.heads import BNNeckHead
from keras_reid.layers import GeMPooling2D
from keras_reid.losses import CrossEntropy
from keras_reid.models import Distiller, ReIDModel
from keras_reid.training import strategy

SIZE, STEPS = (16, 8), 3
IDENTITIES = np.repeat(np.arange(4), 2).astype("int32")
GIVEN = {
    "scores": np.random.default_rng(5).normal(size=(8, 4)).astype("float32"),
    "embedding": np.random.default_rng(6).normal(size=(8, 6)).astype("float32"),
}


def make_model(width, seed):
    keras.utils.set_random_seed(seed)
    backbone = keras.Sequential(
        [
            keras.Input((None, None, 3)),
            keras.layers.Conv2D(width, 3, strides=2, use_bias=False),
            keras.layers.BatchNormalization(synchronized=True),
        ]
    )
    model = ReIDModel(backbone, GeMPooling2D(), BNNeckHead(4), image_size=SIZE)
    model.head.neck.synchronized = True
    return model


def batches(index=0, count=1):
    images = np.random.default_rng(0).integers(0, 256, (8, *SIZE, 3), dtype="uint8")
    part = slice(index * 8 // count, (index + 1) * 8 // count)
    labels = {
        "identity": IDENTITIES[part],
        "teachers": ({name: array[part] for name, array in GIVEN.items()},),
    }
    return tf.data.Dataset.from_tensors((images[part], labels)).repeat(STEPS)


def train(chosen=None):
    """Weights of student and moving average, and the logs."""
    with strategy.scope(chosen):
        distiller = Distiller(make_model(6, seed=1), [make_model(8, seed=2)], ema_momentum=0.5)
        distiller.compile(keras.optimizers.Adam(0.01), losses=[CrossEntropy()], losses_over_replicas=True)
    data = strategy.distribute(chosen, batches)
    history = distiller.fit(data, steps_per_epoch=STEPS, verbose=0, shuffle=False).history
    variables = [*distiller.variables, *distiller.training_state]
    return {
        "variables": [variable.numpy() for variable in variables if "float" in variable.dtype],
        "logs": {name: value[0] for name, value in history.items()},
    }


if __name__ == "__main__":
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )
    two = strategy.choose_strategy("all")
    assert two.num_replicas_in_sync == 2
    pathlib.Path(sys.argv[1]).write_bytes(pickle.dumps(train(two)))
