"""What computes an `Embedder`'s embeddings: a Keras model, or an artefact of `keras-reid export`.

One file each. ONNX and LiteRT files need neither TensorFlow nor Keras.
"""

from __future__ import annotations

import os
import pathlib
from typing import Any

from keras_reid.embedding.backends.backend import Backend
from keras_reid.utils.errors import UserError

__all__ = ["Backend", "open_backend"]


def open_backend(model: Any) -> Backend:
    """The back end of a loaded Keras model, or of an artefact's path.

    Args:
        model: as of `Embedder`.

    Raises:
        UserError: it is neither, or the artefact cannot be loaded.
    """
    if not isinstance(model, (str, os.PathLike)):
        from keras_reid.embedding.backends.keras_model import KerasModel

        return KerasModel(model)
    path = pathlib.Path(model)
    if not path.exists():
        raise UserError(f"{path}: there is no such artefact. {_REMEDY}")
    if path.is_dir():
        names = [name for name in ("saved_model.pb", "model.onnx", "model.tflite") if (path / name).is_file()]
        if not names:
            raise UserError(f"{path}: the folder holds no artefact. {_REMEDY}")
        path = path / names[0]
    if path.name == "saved_model.pb":
        from keras_reid.embedding.backends.saved_model import SavedModel

        return SavedModel(path.parent)
    if path.suffix == ".onnx":
        from keras_reid.embedding.backends.onnx_file import OnnxFile

        return OnnxFile(path)
    if path.suffix == ".tflite":
        from keras_reid.embedding.backends.litert_file import LiteRTFile

        return LiteRTFile(path)
    raise UserError(f"{path}: not an artefact. {_REMEDY}")


_REMEDY = (
    "Pass the folder of a SavedModel, an .onnx or a .tflite file from `keras-reid export`; or load a run or "
    ".keras file with keras_reid.models.load_model, and pass the model."
)
