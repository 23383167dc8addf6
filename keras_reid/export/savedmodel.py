"""SavedModel: a model as a TensorFlow program, from the bytes of an image to its embedding."""

from __future__ import annotations

import json
import os
import pathlib
import tempfile
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from keras_reid.models.reid_model import ReIDModel


def export_savedmodel(
    model: ReIDModel,
    directory: str | os.PathLike[str],
    precision: str = "float32",
    batch_sizes: Sequence[int] = ExportContext.batch_sizes,
    max_image_bytes: int = ExportContext.max_image_bytes,
    max_megapixels: float = ExportContext.max_megapixels,
    fingerprint: str = "",
) -> None:
    """Writes a model as a SavedModel that needs neither Keras nor this package.

    | signature | input | output |
    |---|---|---|
    | `serving_default` | `image_bytes`, string `(n,)`: JPEG, PNG or BMP files of any size | `embedding` |
    | `pixels` | `images`, uint8 `(n, height, width, 3)`, RGB, in the model's size | `embedding` |
    | `decode` | `image_bytes` | `images`, for a front end that decodes each request separately and batches pixels |
    | `metadata` | `rows`, uint8 `(n,)`, with any values | `metadata`: JSON, as in `assets/metadata.json`; `threshold` |

    As Keras' own artefacts, it also has `serve`, a function of the loaded object: images, uint8 or float32 0–255
    `(n, height, width, 3)` → embeddings. Keep that object: its variables go with it.

    `embedding` is float32 `(n, dim)`, L2-normalised: `x / max(|x|, 1e-12)`. `metadata` is string `(n,)` and
    `threshold` float32 `(n,)`, both with the same value n times. The threshold is the calibrated distance below which
    two images count as the same identity, or NaN if the model is not calibrated. `metadata` takes rows because
    TensorFlow Serving does not answer signatures without inputs over REST.
    Any n works, including 0. Images are decoded and resized by `keras_reid.data.decoding`, as in training. Files that
    fail `keras_reid.export.image_checks` are rejected before anything is decoded; the error names the row.

    The model is prepared by `deployable`: batch normalisations are folded, and class weights are removed.

    Args:
        model: a `ReIDModel`.
        directory: folder to write to, which should not exist. `keras-reid export` also verifies the artefact
            before it moves it into place.
        precision: "float32" or "bfloat16"; the latter is half as large.
        batch_sizes: batch sizes for which TensorFlow Serving gets warm-up requests, so that a client's first request is
            not slow; empty: no warm-up requests.
        max_image_bytes: size of the largest file that is decoded.
        max_megapixels: size of the largest image that is decoded, in millions of pixels.
        fingerprint: of the model file, for the metadata, so that a client knows whose embeddings these are. Defaults to
            "": it is left out.

    Example:
        >>> export_savedmodel(model, "served")  # doctest: +SKIP
        >>> embed = tf.saved_model.load("served").signatures["serving_default"]  # doctest: +SKIP
        >>> embed(image_bytes=tf.constant([data]))["embedding"].shape  # doctest: +SKIP
        TensorShape([1, 512])

    Source: a plain `tf.Module` that holds each variable once. `model.export` in Keras 3.15 stores every variable twice,
    which doubles the size.
    """
    with tempfile.TemporaryDirectory() as scratch:
        asset = pathlib.Path(scratch) / "metadata.json"
        module = _Serving(
            deployable(model, precision), precision, asset, max_image_bytes, max_megapixels, fingerprint
        )
        tf.saved_model.save(module, str(directory), signatures=module.signatures())
    if batch_sizes:
        write_warmup(directory, model.image_size, batch_sizes)


def write(
    model: ReIDModel, folder: str | os.PathLike[str], precision: str, context: ExportContext
) -> dict[str, Any]:
    """Writes and verifies a SavedModel, as `keras_reid.export.formats` describes."""
    export_savedmodel(
        *(model, folder, precision, context.batch_sizes, context.max_image_bytes, context.max_megapixels),
        fingerprint=context.fingerprint,
    )
    return verify(context.images, folder, precision=precision)


def serving_metadata(model: Any) -> dict[str, Any]:
    """How the artefact describes itself: the model's metadata, the length of an embedding, versions."""
    return {
        **model.metadata,
        "embedding_dim": model.embedding_dim,
        "versions": {"keras_reid": keras_reid.__version__, "tensorflow": tf.__version__},
    }


class _Serving(tf.Module):
    """Holds the variables and functions but no Keras objects, because these would be saved too."""

    def __init__(self, model, precision, metadata_file, max_image_bytes, max_megapixels, fingerprint):
        super().__init__()
        metadata = {
            **serving_metadata(model),
            "precision": precision,
            "max_image_bytes": max_image_bytes,
            "max_megapixels": max_megapixels,
        }
        if fingerprint:
            metadata["fingerprint"] = fingerprint
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

        # The network is traced once; all functions call it.
        network = pixel_function(model, tf.float32)

        @tf.function
        def serve(images):
            # oneDNN's convolution returns a wrong shape for zero images (TensorFlow 2.21), so compute one instead.
            count = tf.shape(images)[0]
            in_place = tf.zeros((tf.cast(count == 0, tf.int32), *size, 3), images.dtype)
            images = tf.concat([images, in_place], axis=0)
            return network(tf.cast(images, tf.float32))["embedding"][:count]

        for dtype in (tf.uint8, tf.float32):  # those that are saved
            serve.get_concrete_function(tf.TensorSpec((None, *size, 3), dtype, name="images"))

        @tf.function(input_signature=[tf.TensorSpec((None, *size, 3), tf.uint8, name="images")])
        def embed_pixels(images):
            return {"embedding": serve(images)}

        @tf.function(input_signature=from_bytes)
        def embed_bytes(image_bytes):
            return embed_pixels(decode(image_bytes)["images"])

        @tf.function(input_signature=[tf.TensorSpec((None,), tf.uint8, name="rows")])
        def describe(rows):
            return {
                "metadata": tf.fill(tf.shape(rows), text),
                "threshold": tf.fill(tf.shape(rows), threshold),
            }

        self.serve, self.decode, self.embed_pixels, self.embed_bytes, self.describe = (
            serve,
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
