"""`model.export(…)`: Keras' call, answered by the verified exporters where they apply."""

from __future__ import annotations

import os
import pathlib
from typing import Any

import keras
from keras import ops

from keras_reid.export.context import ExportContext
from keras_reid.export.formats import FORMATS
from keras_reid.export.parity_images import test_images
from keras_reid.export.pixel_function import EPSILON
from keras_reid.export.placing import made_aside, put_in_place
from keras_reid.utils.errors import UserError

# Keras' names of the formats that this package writes itself.
_OURS = {"tf_saved_model": "savedmodel", "onnx": "onnx", "litert": "litert"}
_SUFFIX = ".tflite"  # as Keras asks for


def export_model(
    model: Any,
    filepath: str | os.PathLike[str],
    format: str = "tf_saved_model",
    verbose: bool | None = None,
    input_signature: Any = None,
    **kwargs: Any,
) -> None:
    """Writes a model for inference, as `ReIDModel.export` describes.

    Args:
        model: a `ReIDModel`.
        filepath: folder of the SavedModel, otherwise a file.
        format: a format of `keras.Model.export`.
        verbose: False to print nothing.
        input_signature, kwargs: as for `keras.Model.export`. With either, Keras' own exporter writes, and nothing is
            compared.

    Raises:
        UserError: the place is taken by something else, or a package is missing.
        ParityError: the artefact's embeddings differ from the model's.

    Example:
        >>> export_model(model, "model.onnx", format="onnx")  # doctest: +SKIP
    """
    if format not in _OURS or input_signature is not None or kwargs:
        unit_length = _UnitLength(model)
        return unit_length.export(filepath, format, verbose, input_signature, **kwargs)
    path, form = pathlib.Path(filepath), FORMATS[_OURS[format]]
    if format == "tf_saved_model":
        with put_in_place(path, form.marker) as folder:
            parity = form.write(model, folder, "float32", _context(model))
    else:
        form.check("float32", None)
        _check_file(path, format)
        with made_aside(path) as aside:
            parity = form.write(model, aside / "new", "float32", _context(model))
            os.replace(aside / "new" / form.marker, path)
    if verbose is not False:
        print(f"Saved artifact at '{path}': its embeddings differ by at most {parity['max_difference']:.1g}")


def _context(model):
    # Warm-up requests are for TensorFlow Serving, and need its package: the command writes them.
    return ExportContext(images=test_images(model), batch_sizes=())


def _check_file(path, format):
    if format == "litert" and path.suffix != _SUFFIX:
        raise UserError(f"{path}: the name of a LiteRT file must end with {_SUFFIX}.")
    if path.is_dir():
        raise UserError(f"{path}: is a folder, and {format} writes one file. Name the file in it.")


class _UnitLength(keras.Model):
    """What Keras' own exporters write: the model, with embeddings of length 1 as in every export."""

    def __init__(self, model):
        super().__init__(autocast=False, dtype="float32", name=model.name)
        self.model = model
        self(keras.Input((*model.image_size, 3)))  # Keras exports what has been called

    def call(self, images, training=False):
        embeddings = self.model(images, training=training)
        return embeddings / ops.maximum(ops.norm(embeddings, axis=-1, keepdims=True), EPSILON)
