"""SavedModel: the model as a TensorFlow program, from the bytes of an image to its embedding."""

import json
import pathlib
import tempfile

import tensorflow as tf

import keras_reid
from keras_reid.data.decoding import decode_image
from keras_reid.data.resizing import resize_image

_EPSILON = 1e-12  # of the L2 norm: an embedding of zeros stays zero
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM")


def export_savedmodel(model, directory):
    """Writes a model as a SavedModel that needs neither Keras nor this package.

    | signature | input | output |
    |---|---|---|
    | `serving_default` | `image_bytes`, string `(n,)`: JPEG, PNG or BMP files of any size | `embedding` |
    | `pixels` | `images`, uint8 `(n, height, width, 3)`, RGB, of the model's size | `embedding` |
    | `metadata` | nothing | `metadata`, string `()`: JSON; also in `assets/metadata.json` |

    `embedding` is float32 `(n, dim)`, L2-normalised: `x / max(|x|, 1e-12)`. Every n works, 0 included. Images
    are decoded and resized by `keras_reid.data.decoding`, as in training. What cannot be an image is refused
    before it is decoded; the error names its row.

    Args:
        model: a `ReIDModel`.
        directory: folder to write to, which should not exist. `python -m keras_reid.export` also verifies
            what was written, and puts it in place only then.

    Example:
        >>> export_savedmodel(model, "served")  # doctest: +SKIP
        >>> embed = tf.saved_model.load("served").signatures["serving_default"]  # doctest: +SKIP
        >>> embed(image_bytes=tf.constant([data]))["embedding"].shape  # doctest: +SKIP
        TensorShape([1, 512])

    Source: a plain `tf.Module` that holds the variables once. `model.export` of Keras 3.15 stores every
    variable twice and so doubles the size.
    """
    with tempfile.TemporaryDirectory() as scratch:
        module = _Serving(model, pathlib.Path(scratch) / "metadata.json")
        signatures = {
            "serving_default": module.from_bytes,
            "pixels": module.from_pixels,
            "metadata": module.describe,
        }
        tf.saved_model.save(module, str(directory), signatures=signatures)


def serving_metadata(model):
    """What the artefact says of itself: the model's metadata, the length of an embedding, versions."""
    return {
        **model.metadata,
        "embedding_dim": model.embedding_dim,
        "versions": {"keras_reid": keras_reid.__version__, "tensorflow": tf.__version__},
    }


class _Serving(tf.Module):
    """Holds the variables and three functions, and no Keras object: those would be written too."""

    def __init__(self, model, metadata_file):
        super().__init__()
        metadata = serving_metadata(model)
        text = json.dumps(metadata, indent=2)
        metadata_file.write_text(text, encoding="utf-8")
        self.metadata_asset = tf.saved_model.Asset(str(metadata_file))
        self.weights = [variable.value for variable in model.variables]
        size, dim = model.image_size, metadata["embedding_dim"]

        def embed(images):
            embeddings = tf.ensure_shape(tf.cast(model(images, training=False), tf.float32), (None, dim))
            norms = tf.norm(embeddings, axis=1, keepdims=True)
            return {"embedding": embeddings / tf.maximum(norms, _EPSILON)}

        @tf.function(input_signature=[tf.TensorSpec((None, *size, 3), tf.uint8, name="images")])
        def from_pixels(images):
            return embed(images)

        @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="image_bytes")])
        def from_bytes(image_bytes):
            rows = tf.range(tf.size(image_bytes))
            images = tf.map_fn(
                lambda item: resize_image(decode_image(_checked(*item)), size),
                (rows, image_bytes),
                fn_output_signature=tf.TensorSpec((*size, 3), tf.uint8),
            )
            return embed(images)

        @tf.function(input_signature=[])
        def describe():
            return {"metadata": tf.constant(text)}

        self.from_pixels, self.from_bytes, self.describe = from_pixels, from_bytes, describe


def _checked(row, contents):
    """The same bytes, after a look at how they begin: the decoder's own errors do not know the row."""
    known = tf.reduce_any([tf.strings.substr(contents, 0, len(magic)) == magic for magic in _MAGIC])
    message = tf.strings.format(
        "image_bytes[{}] must be a JPEG, PNG or BMP file. Received: {} bytes that begin otherwise",
        (row, tf.strings.length(contents)),
    )
    with tf.control_dependencies([tf.debugging.Assert(known, [message])]):
        return tf.identity(contents)
