"""Our side of `against_pytorch.py`, which starts it."""

import contextlib
import time

import turns

from keras_reid.utils import command_line

IMAGES_PER_IDENTITY = 4
_ready = {}


def prepare(work, mode, steps, weights=None, **case):
    """Makes what a turn runs, and runs it `steps` times; returns the result of the first time.

    Args:
        work: "train" or "forward".
        mode: of the other side; there is one here.
        steps: how often.
        weights: a `.npz` file of weights with FastReID's names to start from, or None.
        case: `depth`, `height`, `width`, `batch`, `classes`.
    """
    command_line.load_tensorflow()
    step = {"train": make_step, "forward": make_forward}[work](weights, **case)
    _ready[work] = step
    first = step()
    for _ in range(steps - 1):
        step()
    return first


def turn(work, mode):
    """Seconds of one run of what was prepared."""
    start = time.perf_counter()
    _ready[work]()
    return time.perf_counter() - start


def make_model(weights, depth, height, width, classes):
    import keras

    from keras_reid import backbones, heads, models

    model = models.ReIDModel(
        backbones.ResNet(depth),
        keras.layers.GlobalAveragePooling2D(),
        heads.BNNeckHead(classes),
        image_size=(height, width),
    )
    if weights:
        load(model, weights)
    return model


def load(model, weights):
    import numpy as np

    from keras_reid.weights import load_fastreid

    report = load_fastreid(model, dict(np.load(weights)))
    if not report.complete:
        raise ValueError(f"the weights of the other side do not fit: {report}")


def make_images(height, width, batch):
    import numpy as np

    return np.random.default_rng(0).integers(0, 256, (batch, height, width, 3), "uint8")


def make_step(weights, depth, height, width, batch, classes):
    """A function that runs a training step, as `fit` does, and returns its loss."""
    import numpy as np
    import tensorflow as tf

    from keras_reid import losses
    from keras_reid.training import Adam

    model = make_model(weights, depth, height, width, classes)
    model.compile(Adam(3.5e-4, l2=5e-4), losses=[losses.CrossEntropy(0.1), losses.TripletLoss()])
    identities = np.arange(batch, dtype="int32") // IMAGES_PER_IDENTITY
    batches = tf.data.Dataset.from_tensors((make_images(height, width, batch), identities))
    model.make_train_function()
    iterator = iter(batches.cache().repeat().prefetch(2))
    return lambda: float(model.train_function(iterator)["loss"])


def make_forward(weights, depth, height, width, batch, classes):
    """A function that embeds a batch and returns the sum of what it got."""
    import tensorflow as tf

    model = make_model(weights, depth, height, width, classes)
    images = tf.constant(make_images(height, width, batch))
    embed = tf.function(lambda images: tf.reduce_sum(model(images, training=False)))
    return lambda: float(embed(images))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        turns.answer({"prepare": prepare, "turn": turn})
