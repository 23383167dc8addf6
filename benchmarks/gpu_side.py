"""The process that measures a row for `gpu.py`, which starts it."""

import contextlib
import gc
import statistics
import time

import turns

from keras_reid.utils import command_line

CLASSES, IMAGES_PER_IDENTITY, GROUPS_OF_STEPS = 751, 4, 3


def make_model(name, size, smallest):
    """A `ReIDModel` with random weights.

    Args:
        name: of `gpu.MODELS`.
        size: `(height, width)` of the images.
        smallest: whether it is the smallest of its family.
    """
    import keras

    from keras_reid import backbones, heads, layers, models

    kind, arguments = {
        "resnet50": (backbones.ResNet, {"depth": 50}),
        "resnext50": (backbones.ResNeXt, {"depth": 50}),
        "resnest50": (backbones.ResNeSt, {"depth": 50}),
        "mgn": (backbones.MultiGranularityResNet, {"depth": 50}),
        "vit": (backbones.ViT, {"depth": "base"}),
    }[name]
    backbone = kind(**{**arguments, **(kind.smallest if smallest else {})}, input_shape=(*size, 3))
    if name == "mgn":
        return models.ReIDModel(
            backbone, keras.layers.Identity(), heads.MultiGranularityHeads(CLASSES), image_size=size
        )
    pooling = layers.IdentityPooling2D() if name == "vit" else keras.layers.GlobalAveragePooling2D()
    return models.ReIDModel(backbone, pooling, heads.BNNeckHead(CLASSES), image_size=size)


def measure(model, precision, xla, batch, size, steps, smallest, parity):
    """Times, peak memory and, with `parity`, the difference of embeddings of a row.

    Returns:
        dict with `first_step_seconds`, `train_milliseconds`, `forward_milliseconds`, `train_megabytes`,
        `forward_megabytes` (None on a processor) and `embedding_difference` (None without `parity`).
    """
    command_line.load_tensorflow()
    import keras
    import numpy as np
    import tensorflow as tf

    from keras_reid import losses
    from keras_reid.training import Adam

    keras.config.set_dtype_policy(precision)
    keras.utils.set_random_seed(0)
    size = tuple(size)
    gpus = tf.config.list_logical_devices("GPU")
    images = np.random.default_rng(0).integers(0, 256, (batch, *size, 3), "uint8")
    identities = np.arange(batch, dtype="int32") // IMAGES_PER_IDENTITY
    try:
        reid = make_model(model, size, smallest)
        difference = embedding_difference(reid, model, images[:4], smallest) if parity else None
        embed = tf.function(lambda x: tf.reduce_sum(reid(x, training=False)), jit_compile=xla)
        on_device = tf.constant(images)
        forward, forward_memory = timed(lambda: embed(on_device), steps, gpus)

        reid.compile(
            Adam(3.5e-4, l2=5e-4), losses=[losses.CrossEntropy(0.1), losses.TripletLoss()], jit_compile=xla
        )
        reid.make_train_function()
        iterator = iter(tf.data.Dataset.from_tensors((images, identities)).cache().repeat().prefetch(2))
        start = time.perf_counter()
        float(reid.train_function(iterator)["loss"])
        first = time.perf_counter() - start
        train, train_memory = timed(lambda: reid.train_function(iterator)["loss"], steps, gpus)
    finally:
        reid = embed = iterator = None
        keras.backend.clear_session()
        gc.collect()
    return {
        "first_step_seconds": first,
        "train_milliseconds": 1000 * train,
        "forward_milliseconds": 1000 * forward,
        "train_megabytes": train_memory,
        "forward_megabytes": forward_memory,
        "embedding_difference": difference,
    }


def timed(function, steps, gpus):
    """`(seconds, megabytes)` of a call: the median of a few groups of calls, each waited for once, and the peak."""
    import tensorflow as tf

    for _ in range(2):
        float(function())
    if gpus:
        tf.config.experimental.reset_memory_stats(gpus[0].name)
    spent = []
    for _ in range(GROUPS_OF_STEPS):
        start = time.perf_counter()
        for _ in range(steps):
            last = function()
        float(last)
        spent.append((time.perf_counter() - start) / steps)
    peak = tf.config.experimental.get_memory_info(gpus[0].name)["peak"] / 2**20 if gpus else None
    return statistics.median(spent), peak


def embedding_difference(model, name, images, smallest):
    """The largest difference of unit-length embeddings between the device and the processor, in full float32."""
    import numpy as np
    import tensorflow as tf

    def embed(one):
        embeddings = tf.function(lambda: one(images, training=False))().numpy()
        return embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)

    tensor_float_32 = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        with tf.device("/CPU:0"):
            twin = make_model(name, model.image_size, smallest)
            twin.set_weights(model.get_weights())
            expected = embed(twin)
        return float(np.abs(embed(model) - expected).max())
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(tensor_float_32)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        turns.answer({"measure": measure})
