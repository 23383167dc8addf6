"""SavedModel: the model as a TensorFlow program, from the bytes of an image to its embedding."""

import json
import pathlib
import tempfile

import numpy as np
import tensorflow as tf

import keras_reid
from keras_reid.data.decoding import decode_image
from keras_reid.data.resizing import resize_image
from keras_reid.export.context import ExportContext
from keras_reid.export.deployable import deployable
from keras_reid.export.image_checks import checked_images
from keras_reid.export.parity import verify
from keras_reid.export.pixel_function import pixel_function
from keras_reid.export.warmup import write_warmup


def export_savedmodel(
    model,
    directory,
    precision="float32",
    batch_sizes=ExportContext.batch_sizes,
    max_image_bytes=ExportContext.max_image_bytes,
    max_megapixels=ExportContext.max_megapixels,
):
    """Writes a model as a SavedModel that needs neither Keras nor this package.

    | signature | input | output |
    |---|---|---|
    | `serving_default` | `image_bytes`, string `(n,)`: JPEG, PNG or BMP files of any size | `embedding` |
    | `pixels` | `images`, uint8 `(n, height, width, 3)`, RGB, of the model's size | `embedding` |
    | `decode` | `image_bytes` | `images`: for a front that decodes each request by itself and batches pixels |
    | `metadata` | `rows`, uint8 `(n,)`, of any values | `metadata`: JSON, also in `assets/metadata.json`; `threshold` |

    `embedding` is float32 `(n, dim)`, L2-normalised: `x / max(|x|, 1e-12)`. Of n times the same, `metadata`
    is string `(n,)` and `threshold` float32 `(n,)`: the calibrated distance below which two images count as the
    same, NaN where the model is not calibrated. TensorFlow Serving answers no signature without inputs over
    REST, hence the rows.
    Every n works, 0 included. Images are decoded and resized by `keras_reid.data.decoding`, as in training. What
    `keras_reid.export.image_checks` refuses is refused before anything is decoded; the error names the row.

    The model is what `deployable` makes of it: batch normalisations folded, no class weights.

    Args:
        model: a `ReIDModel`.
        directory: folder to write to, which should not exist. `python -m keras_reid.export` also verifies
            what was written, and puts it in place only then.
        precision: "float32" or "bfloat16"; the latter is half as large.
        batch_sizes: for each, TensorFlow Serving is given requests to warm up with, so that the first request of a
            client does not wait; none for no such file.
        max_image_bytes: largest file that is decoded.
        max_megapixels: largest image that is decoded, in millions of pixels.

    Example:
        >>> export_savedmodel(model, "served")  # doctest: +SKIP
        >>> embed = tf.saved_model.load("served").signatures["serving_default"]  # doctest: +SKIP
        >>> embed(image_bytes=tf.constant([data]))["embedding"].shape  # doctest: +SKIP
        TensorShape([1, 512])

    Source: a plain `tf.Module` that holds the variables once. `model.export` of Keras 3.15 stores every
    variable twice and so doubles the size.
    """
    with tempfile.TemporaryDirectory() as scratch:
        asset = pathlib.Path(scratch) / "metadata.json"
        module = _Serving(deployable(model, precision), precision, asset, max_image_bytes, max_megapixels)
        tf.saved_model.save(module, str(directory), signatures=module.signatures())
    if batch_sizes:
        write_warmup(directory, model.image_size, batch_sizes)


def write(model, folder, precision, context):
    """Writes and verifies, as `keras_reid.export.formats` describes it."""
    export_savedmodel(
        model, folder, precision, context.batch_sizes, context.max_image_bytes, context.max_megapixels
    )
    return verify(context.images, folder, precision=precision)


def serving_metadata(model):
    """What the artefact says of itself: the model's metadata, the length of an embedding, versions."""
    return {
        **model.metadata,
        "embedding_dim": model.embedding_dim,
        "versions": {"keras_reid": keras_reid.__version__, "tensorflow": tf.__version__},
    }


class _Serving(tf.Module):
    """Holds the variables and the functions, and no Keras object: those would be written too."""

    def __init__(self, model, precision, metadata_file, max_image_bytes, max_megapixels):
        super().__init__()
        metadata = {
            **serving_metadata(model),
            "precision": precision,
            "max_image_bytes": max_image_bytes,
            "max_megapixels": max_megapixels,
        }
        text = json.dumps(metadata, indent=2)
        metadata_file.write_text(text, encoding="utf-8")
        self.metadata_asset = tf.saved_model.Asset(str(metadata_file))
        self.weights = model.variables
        size = model.image_size
        threshold = np.float32(np.nan if metadata["threshold"] is None else metadata["threshold"])
        from_bytes = [tf.TensorSpec((None,), tf.string, name="image_bytes")]

        @tf.function(input_signature=from_bytes)
        def decode(image_bytes):
            images = tf.map_fn(
                lambda data: resize_image(decode_image(data), size),
                checked_images(image_bytes, max_image_bytes, max_megapixels),
                fn_output_signature=tf.TensorSpec((*size, 3), tf.uint8),
            )
            return {"images": images}

        # One traced copy of the network, which both signatures call.
        network = pixel_function(model)

        @tf.function(input_signature=[tf.TensorSpec((None, *size, 3), tf.uint8, name="images")])
        def embed_pixels(images):
            # oneDNN's convolution gives no images a wrong shape (TensorFlow 2.21): one is computed in their place.
            count = tf.shape(images)[0]
            in_place = tf.zeros((tf.cast(count == 0, tf.int32), *size, 3), tf.uint8)
            return {"embedding": network(tf.concat([images, in_place], axis=0))["embedding"][:count]}

        @tf.function(input_signature=from_bytes)
        def embed_bytes(image_bytes):
            return embed_pixels(decode(image_bytes)["images"])

        @tf.function(input_signature=[tf.TensorSpec((None,), tf.uint8, name="rows")])
        def describe(rows):
            return {
                "metadata": tf.fill(tf.shape(rows), text),
                "threshold": tf.fill(tf.shape(rows), threshold),
            }

        self.decode, self.embed_pixels, self.embed_bytes, self.describe = (
            decode,
            embed_pixels,
            embed_bytes,
            describe,
        )

    def signatures(self):
        return {
            "serving_default": self.embed_bytes,
            "pixels": self.embed_pixels,
            "decode": self.decode,
            "metadata": self.describe,
        }
