"""The computation that every format contains: from pixels to embeddings of length 1."""

from typing import Any

import tensorflow as tf

EPSILON = 1e-12  # least L2 norm, so that an embedding of zeros stays zero


def pixel_function(model: Any, dtype: tf.DType = tf.uint8) -> tf.types.experimental.PolymorphicFunction:
    """Makes a `tf.function` from pixels to embeddings for a model that is ready for deployment.

    The function takes `images`, `(n, height, width, 3)`, RGB 0–255, in the model's size. It returns a dict with
    `embedding`, float32 `(n, dim)`, which is `x / max(|x|, 1e-12)`. It does not decode images, because only TensorFlow
    can do that.

    Args:
        model: from `deployable`, or a `ReIDModel`.
        dtype: of the images, `tf.uint8` or `tf.float32`.

    Example:
        >>> pixel_function(deployable(model)).get_concrete_function()  # doctest: +SKIP
    """

    @tf.function(input_signature=[tf.TensorSpec((None, *model.image_size, 3), dtype, name="images")])
    def embed(images):
        embeddings = tf.cast(model(images), tf.float32)
        embeddings = tf.ensure_shape(embeddings, (None, model.embedding_dim))
        norms = tf.sqrt(tf.reduce_sum(tf.square(embeddings), axis=1, keepdims=True))
        return {"embedding": embeddings / tf.maximum(norms, EPSILON)}

    return embed
