"""SavedModels that are fast to write and run: the signatures of a real export with a single matrix."""

import json

import numpy as np

HEIGHT, WIDTH, DIM = 8, 4, 3


def write(folder, scale=1.0, decode=True, labels_output=False):
    """A model whose embedding is `scale` times the mean colour; each version can have a different scale.

    Without `decode`, it is like an export without that signature. `checked` rejects a batch with an image whose first
    pixel is 13; `slow` takes 0.3 s for a batch.
    """
    import tensorflow as tf

    module = tf.Module()
    module.scale = tf.Variable(np.full(DIM, scale, np.float32))
    images_spec = tf.TensorSpec((None, HEIGHT, WIDTH, 3), tf.uint8, name="images")
    bytes_spec = tf.TensorSpec((None,), tf.string, name="image_bytes")

    def embed(images):
        return {"embedding": tf.reduce_mean(tf.cast(images, tf.float32), (1, 2)) * module.scale}

    def decoded(image_bytes):
        def one(data):
            image = tf.io.decode_image(data, 3, expand_animations=False)
            return tf.ensure_shape(
                tf.cast(tf.image.resize(image, (HEIGHT, WIDTH)), tf.uint8), images_spec.shape[1:]
            )

        return tf.map_fn(one, image_bytes, fn_output_signature=tf.TensorSpec(images_spec.shape[1:], tf.uint8))

    @tf.function(input_signature=[images_spec])
    def pixels(images):
        return embed(images)

    @tf.function(input_signature=[images_spec])
    def checked(images):
        fine = tf.debugging.Assert(tf.reduce_all(images[:, 0, 0, 0] != 13), ["unlucky pixel"])
        with tf.control_dependencies([fine]):
            return embed(images)

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, 2), tf.float32, name="a"),
            tf.TensorSpec((None,), tf.int64, name="b"),
        ]
    )
    def two(a, b):
        return {"sum": tf.reduce_sum(a, 1) + tf.cast(b, tf.float32), "name_bytes": tf.strings.as_string(b)}

    @tf.function(input_signature=[bytes_spec])
    def decode_images(image_bytes):
        return {"images": decoded(image_bytes)}

    @tf.function(input_signature=[bytes_spec])
    def from_bytes(image_bytes):
        return embed(decoded(image_bytes))

    @tf.function(input_signature=[images_spec])
    def slow(images):
        end = tf.timestamp() + 0.3
        steps = tf.while_loop(lambda i: tf.timestamp() < end, lambda i: [i + 1], [tf.constant(0)])
        return {"embedding": embed(images)["embedding"] + 0.0 * tf.cast(steps[0], tf.float32)}

    @tf.function(input_signature=[])
    def metadata():
        return {
            "metadata": tf.constant(json.dumps({"embedding_dim": DIM})),
            "threshold": tf.constant(float("nan")),
        }

    signatures = {
        "serving_default": from_bytes,
        "pixels": pixels,
        "metadata": metadata,
        "checked": checked,
        "two": two,
        "slow": slow,
    }
    if decode:
        signatures["decode"] = decode_images
    module.functions = list(signatures.values())
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = folder.with_name(f".{folder.name}")
    tf.saved_model.save(module, str(aside), signatures=signatures)
    aside.rename(folder)
