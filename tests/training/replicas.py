"""Trains a tiny model on one or several replicas, in a process of its own, and writes what it has become.

python -m tests.training.replicas mirrored OUTPUT.pickle CASE …
TF_CONFIG=… python -m tests.training.replicas workers OUTPUT.pickle CASE …
"""

import os
import pathlib
import pickle
import re
import sys
from unittest import mock

import keras
import numpy as np
import tensorflow as tf

from keras_reid.heads import BNNeckHead
from keras_reid.layers import IBN, BatchNormalization, Conv2D, GeMPooling2D
from keras_reid.losses import CrossEntropy, TripletLoss
from keras_reid.models import ReIDModel
from keras_reid.training import Adam, strategy
from keras_reid.training.synchronized import synchronize_batch_norm
from keras_reid.utils import convolution_tensorflow
from keras_reid.utils.convolution import SWITCH
from keras_reid.utils.workers import this_worker

SIZE = (16, 8)
STEPS = 5
IDENTITIES = np.repeat(np.arange(4), 2).astype("int32")

CASES = {
    # Frozen at first, warmed up, with triplets over the whole batch.
    "whole": {
        "compile": {
            "freeze_backbone_steps": 2,
            "warmup_steps": 3,
            "losses_over_replicas": True,
            "metrics": ["acc"],
        },
    },
    "layers": {
        "compile": {
            "freeze_backbone_steps": 3,
            "freeze_layers": ["conv1", "norm1"],
            "losses_over_replicas": True,
        },
    },
    # Each replica with its own part: equal where the loss is a mean over images.
    "parts": {"losses": lambda: [keras.losses.SparseCategoricalCrossentropy(from_logits=True)]},
    # The mean is over the images whose loss is not 0, of which one replica has fewer.
    "zeros": {"losses": lambda: [LearntCrossEntropy()], "compile": {"losses_over_replicas": True}},
    "zeros of each part": {"losses": lambda: [LearntCrossEntropy()]},
    "sums": {
        "losses": lambda: [TripletLoss(margin=1.0, reduction="sum")],
        "compile": {"losses_over_replicas": True},
    },
    "triplets of each part": {"losses": lambda: [TripletLoss(margin=1.0)]},
    "ibn": {"ibn": True, "compile": {"losses_over_replicas": True}},
    "statistics of each part": {
        "ibn": True,
        "synchronized": False,
        "compile": {"losses_over_replicas": True},
    },
    # Convolutions with gradients that are not TensorFlow's own.
    "own gradients": {
        "own": True,
        "losses": lambda: [keras.losses.SparseCategoricalCrossentropy(from_logits=True)],
    },
    "regularized": {
        "regularizer": 0.1,
        "losses": lambda: [keras.losses.SparseCategoricalCrossentropy(from_logits=True)],
    },
}


class LearntCrossEntropy(CrossEntropy):
    """For which the first identity is learnt so well that its losses are exactly 0."""

    def call(self, y_true, y_pred):
        first = keras.ops.one_hot(keras.ops.zeros_like(y_true, "int32"), 4)
        return super().call(
            y_true, keras.ops.where(keras.ops.cast(y_true, "int32")[:, None] == 0, 1e3 * first, y_pred)
        )


def is_last(identities):
    """Of the identity that only the second replica has."""
    return keras.ops.equal(keras.ops.cast(identities, "int32"), 3)


def infinite_loss(y_true, y_pred):
    values = keras.losses.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)
    return keras.ops.where(is_last(y_true), np.inf, values)


def infinite_gradient(y_true, y_pred):
    @tf.custom_gradient
    def same(x):
        return x, lambda dx: tf.where(is_last(y_true)[:, None], np.inf, dx)

    return keras.losses.sparse_categorical_crossentropy(y_true, same(y_pred), from_logits=True)


def make_backbone(regularizer=None, ibn=False, own=False):
    if own:
        return keras.Sequential(
            [
                keras.Input((*SIZE, 3)),
                Conv2D(32, 3, strides=2, use_bias=False, name="conv1"),
                BatchNormalization(name="norm1"),
                Conv2D(64, 3, padding="same", use_bias=False, name="conv2"),
                BatchNormalization(name="norm2"),
                Conv2D(64, 3, padding="same", use_bias=False, name="conv3"),  # by Winograd
                BatchNormalization(name="norm3"),
                Conv2D(32, 1, use_bias=False, name="conv4"),
            ],
            name="tiny",
        )
    regularizer = None if regularizer is None else keras.regularizers.L2(regularizer)
    return keras.Sequential(
        [
            keras.Input((*SIZE, 3)),
            keras.layers.Conv2D(
                8, 3, strides=2, use_bias=False, name="conv1", kernel_regularizer=regularizer
            ),
            IBN(name="norm1") if ibn else keras.layers.BatchNormalization(name="norm1", momentum=0.9),
            keras.layers.ReLU(name="relu"),
            keras.layers.Conv2D(16, 3, use_bias=False, name="conv2"),
            keras.layers.BatchNormalization(name="norm2", momentum=0.9),
        ],
        name="tiny",
    )


def make_model(chosen=None, case=None):
    """A compiled model, the same on every call and under every strategy."""
    case = case or {}
    keras.utils.set_random_seed(3)
    with strategy.scope(chosen):
        backbone = make_backbone(case.get("regularizer"), case.get("ibn", False), case.get("own", False))
        model = ReIDModel(backbone, GeMPooling2D(), BNNeckHead(4), image_size=SIZE)
        if case.get("synchronized", True):
            synchronize_batch_norm(model)
        losses = case.get("losses", lambda: [CrossEntropy(0.1), TripletLoss(margin=1.0)])()
        model.compile(Adam(0.01, l2=0.05), losses=losses, **case.get("compile", {}))
    return model


def batches(index=0, count=1, steps=STEPS):
    """The `index`-th of `count` parts of each batch."""
    images = np.random.default_rng(0).integers(0, 256, (steps, len(IDENTITIES), *SIZE, 3), dtype="uint8")
    part = slice(index * len(IDENTITIES) // count, (index + 1) * len(IDENTITIES) // count)
    labels = np.tile(IDENTITIES, (steps, 1))
    return tf.data.Dataset.from_tensor_slices((images[:, part], {"identity": labels[:, part]}))


def train(chosen=None, name="whole", steps=STEPS):
    """Weights, optimizer state and logs of one case, as arrays by name."""
    if not CASES[name].get("own"):
        return _train(chosen, name, steps)
    ways = mock.patch.multiple(
        convolution_tensorflow,
        fastest=lambda case, *_: ("rotated", "product" if case.pointwise else "own"),
        winograd_is_faster=lambda *_: True,
    )
    with mock.patch.dict(os.environ), ways:
        os.environ.pop(SWITCH, None)
        return _train(chosen, name, steps)


def _train(chosen, name, steps):
    model = make_model(chosen, CASES[name])
    before = state(model)
    data = strategy.distribute(chosen, lambda index, count: batches(index, count, steps))
    history = model.fit(data, steps_per_epoch=steps, verbose=0, shuffle=False).history
    return {
        "before": before,
        "after": state(model),
        "logs": {key: value[0] for key, value in history.items()},
    }


def train_twice(chosen, name):
    """A step that must not be taken, with a loss or gradient that is infinite on the second replica."""
    _, which, precision = name.split()
    keras.config.set_dtype_policy(precision)
    try:
        losses = {"loss": infinite_loss, "gradient": infinite_gradient}
        model = make_model(chosen, {"losses": lambda: [losses[which]]})
    finally:
        keras.config.set_dtype_policy("float32")
    before = state(model)
    data = strategy.distribute(chosen, lambda index, count: batches(index, count, 2))
    model.fit(data, steps_per_epoch=2, verbose=0, shuffle=False)
    return {"before": before, "after": state(model), "found": model.nonfinite}


def embed(chosen, name):
    model = make_model(chosen)
    (images, labels), *_ = batches()
    return {
        "embeddings": model.predict_on_batch(images),
        "evaluation": model.evaluate(images, labels, batch_size=8, verbose=0, return_dict=True),
    }


def follow(chosen, name):
    """What a worker has of the chief's state, and how many epochs it trains when the chief alone wants to stop."""
    chief = this_worker().chief
    model = make_model(chosen)
    model.optimizer.iterations.assign(5 if chief else 0)
    model.backbone.layers[0].kernel.assign(model.backbone.layers[0].kernel + (1.0 if chief else 0.0))
    numbers = strategy.from_chief(
        chosen, [*model.variables, *model.optimizer.variables], 7 if chief else 0, 2
    )
    followed = state(model)

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    callbacks = [*([Stop()] if chief else []), strategy.StopTogether(chosen)]
    data = strategy.distribute(chosen, lambda index, count: batches(index, count, 4))
    history = model.fit(data, steps_per_epoch=1, epochs=4, verbose=0, callbacks=callbacks)
    return {"numbers": numbers, "state": followed, "epochs": len(history.epoch)}


def state(model):
    variables = {"model": model.variables, "optimizer": model.optimizer.variables}
    return {
        # Without the numbers that Keras appends to the names of later models.
        f"{kind}/{k}/{re.sub(r'_[0-9]+', '', variable.name)}": variable.numpy()
        for kind, several in variables.items()
        for k, variable in enumerate(several)
    }


def main(kind, output, *names):
    if kind == "mirrored":
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
        )
    chosen = strategy.choose_strategy("all")
    assert chosen.num_replicas_in_sync == 2
    results = {name: SPECIAL.get(name, train)(chosen, name) for name in names}
    pathlib.Path(output).write_bytes(pickle.dumps(results))


SPECIAL = {
    "not loss float32": train_twice,
    "not loss mixed_float16": train_twice,
    "not gradient float32": train_twice,
    "not gradient mixed_float16": train_twice,
    "embed": embed,
    "follow": follow,
}

if __name__ == "__main__":
    main(*sys.argv[1:])
