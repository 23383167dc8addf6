"""TF-TRT: explains where to convert, because this package cannot."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NoReturn

from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.export.context import ExportContext
    from keras_reid.models.reid_model import ReIDModel

_FLAGS = {"float32": "FP32", "float16": "FP16", "int8": "INT8 --calibration-images FOLDER"}


def check(precision: str, options: Any) -> NoReturn:
    """Always raises an error: this package needs TensorFlow 2.21, but 2.17 was the last version with TensorRT.

    A container with TensorFlow 2.17 converts the exported SavedModel instead, with `serving/tftrt/convert.py`, which
    needs neither this package nor Keras.

    Raises:
        UserError: always; the message says what to do.
    """
    raise UserError(
        "tftrt cannot be made here: TensorFlow 2.17 was the last version with TensorRT, and this package needs a later "
        "one. Export a SavedModel (--format savedmodel) and convert it in the container of serving/tftrt, on a machine "
        "with a GPU: docker build -t keras-reid-tftrt serving/tftrt && docker run --rm --gpus all "
        f'-v "$PWD/exports:/exports" keras-reid-tftrt /exports/savedmodel/float32 /exports/tftrt/{precision} '
        f"--precision {_FLAGS[precision]}. For a GPU without TensorFlow use --format tensorrt."
    )


def write(
    model: ReIDModel, folder: str | os.PathLike[str], precision: str, context: ExportContext
) -> NoReturn:
    """Always raises an error, as `check` does."""
    check(precision, None)
