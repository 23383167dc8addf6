"""The one computation that every format holds: pixels in, embeddings of length 1 out."""

import tensorflow as tf

_EPSILON = 1e-12  # of the L2 norm: an embedding of zeros stays zero


def pixel_function(model):
    """A `tf.function` from pixels to embeddings, of a model that is ready for deployment.

    `images`, uint8 `(n, height, width, 3)`, RGB, of the model's size → a dict with `embedding`, float32 `(n, dim)`,
    `x / max(|x|, 1e-12)`. Decoding is not in it: only TensorFlow itself can do that.

    Args:
        model: what `deployable` makes, or a `ReIDModel`.

    Example:
        >>> pixel_function(deployable(model)).get_concrete_function()  # doctest: +SKIP
    """

    @tf.function(input_signature=[tf.TensorSpec((None, *model.image_size, 3), tf.uint8, name="images")])
    def embed(images):
        embeddings = tf.cast(model(images), tf.float32)
        embeddings = tf.ensure_shape(embeddings, (None, model.embedding_dim))
        norms = tf.sqrt(tf.reduce_sum(tf.square(embeddings), axis=1, keepdims=True))
        return {"embedding": embeddings / tf.maximum(norms, _EPSILON)}

    return embed
