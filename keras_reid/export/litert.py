"""LiteRT (TensorFlow Lite): a model from pixels to embeddings, for phones and small computers."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import pathlib
import tempfile
import warnings
from typing import TYPE_CHECKING, Any

from keras_reid.utils.optional import find, require

if TYPE_CHECKING:
    import numpy as np

    from keras_reid.export.context import ExportContext
    from keras_reid.models.reid_model import ReIDModel


def check(precision: str, options: Any) -> None:
    """Checks, before the model is loaded, that the format can be written; `options` are the command's.

    Raises:
        UserError: a package is missing.
    """
    find("litert", "ai_edge_litert")


def write(
    model: ReIDModel, folder: str | os.PathLike[str], precision: str, context: ExportContext
) -> dict[str, Any]:
    """Writes `model.tflite`, `metadata.json` and `parity.json`, as the command does. See `Format`.

    Args:
        model: a `ReIDModel`.
        folder: a new folder, which is created.
        precision: "float32", "float16" or "int8".
        context: an `ExportContext`.

    Returns:
        The content of `parity.json`.

    Raises:
        UserError: the package `ai-edge-litert` is missing, or int8 has no images to calibrate with.
        ParityError: the embeddings differ by more than the precision allows.
    """
    from keras_reid.embedding.backends.litert_file import LiteRTFile
    from keras_reid.export.pixel_artefact import write_artefact

    require("litert", "ai_edge_litert.interpreter")
    return write_artefact(
        *(model, folder, precision, context, "litert"),
        export=lambda folder, calibration: export_litert(
            model, folder / "model.tflite", precision, calibration
        ),
        load=lambda folder: LiteRTFile(folder / "model.tflite"),
        facts={"versions_of": {"ai_edge_litert": _version()}},
    )


def export_litert(
    model: ReIDModel,
    file: str | os.PathLike[str],
    precision: str = "float32",
    calibration: np.ndarray | None = None,
) -> None:
    """Writes a model as LiteRT, from pixels to embeddings of length 1, with `metadata.json` next to it.

    The signature `pixels` takes `images`, uint8 `(n, height, width, 3)`, RGB, in the model's size, with n of at least
    1. It returns `embedding`, float32 `(n, dim)`. The signature runner (`get_signature_runner`) resizes the input
    itself; if you set tensors by hand, call `resize_tensor_input` first. All operations are LiteRT's own; the model
    does not need TensorFlow's.

    | precision | |
    |---|---|
    | float32 | |
    | float16 | weights are stored in float16, half the size; a GPU computes in float16, a CPU in float32 |
    | int8 | convolutions and dense layers, with one scale per output channel; everything else in float32 |

    Args:
        model: a `ReIDModel`.
        file: path of the file to write.
        precision: "float32", "float16" or "int8".
        calibration: for int8, typical pixels, uint8 `(images, height, width, 3)`; their activations set the scales.

    Raises:
        UserError: int8 without `calibration`.

    Example:
        >>> export_litert(model, "model.tflite", "float16")  # doctest: +SKIP
    """
    import tensorflow as tf

    from keras_reid.export.deployable import deployable
    from keras_reid.export.pixel_function import pixel_function
    from keras_reid.export.quantized import check_calibration
    from keras_reid.export.savedmodel import serving_metadata

    check_calibration(precision, calibration)
    lean = deployable(model)
    module = tf.Module()
    module.kept, module.pixels = lean.variables, pixel_function(lean)
    # The converter names signatures only when it converts a SavedModel.
    with tempfile.TemporaryDirectory() as folder, _quiet():
        tf.saved_model.save(module, folder, signatures={"pixels": module.pixels})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["pixels"])
        if precision != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if precision == "float16":
            converter.target_spec.supported_types = [tf.float16]
        content = _int8(converter, calibration) if precision == "int8" else converter.convert()
    file = pathlib.Path(file)
    file.write_bytes(content)
    metadata = json.dumps(serving_metadata(model), indent=2)
    file.with_name("metadata.json").write_text(metadata + "\n", encoding="utf-8")


# All operations except convolutions and dense layers. Rounding to 256 steps hurts squares, averages and divisions most,
# but even sums of residual branches lower the cosine on noise images by 0.08.
_EXACT = (
    *(
        "ABS",
        "ADD",
        "ADD_N",
        "AVERAGE_POOL_2D",
        "BATCH_MATMUL",
        "CAST",
        "CONCATENATION",
        "DIV",
        "EXP",
        "GATHER",
        "GELU",
    ),
    *(
        "L2_NORMALIZATION",
        "LOG",
        "LOGISTIC",
        "MAXIMUM",
        "MAX_POOL_2D",
        "MEAN",
        "MINIMUM",
        "MUL",
        "PAD",
        "PADV2",
        "POW",
    ),
    *("REDUCE_MAX", "RELU", "RELU6", "RESHAPE", "RSQRT", "SOFTMAX", "SPLIT", "SPLIT_V", "SQRT", "SQUARE"),
    *("SQUARED_DIFFERENCE", "STRIDED_SLICE", "SUB", "SUM", "TRANSPOSE"),
)


def _int8(converter, pixels):
    import tensorflow as tf

    def typical():
        for image in pixels:
            yield [image[None]]

    converter.representative_dataset = typical
    converter.target_spec.supported_ops = [
        tf.lite.OpsSet.TFLITE_BUILTINS_INT8,
        tf.lite.OpsSet.TFLITE_BUILTINS,
    ]
    converter.inference_input_type, converter.inference_output_type = tf.uint8, tf.float32
    options = tf.lite.experimental.QuantizationDebugOptions(denylisted_ops=list(_EXACT))
    debugger = tf.lite.experimental.QuantizationDebugger(
        converter=converter, debug_dataset=typical, debug_options=options
    )
    return debugger.get_nondebug_quantized_model()


@contextlib.contextmanager
def _quiet():
    """Suppresses the messages that the converter prints on each call."""
    logger = logging.getLogger("tensorflow")
    level, logger.level = logger.level, logging.ERROR
    try:
        with warnings.catch_warnings():
            # About the interpreter that the converter uses for calibration.
            warnings.filterwarnings("ignore", message=r"\s*Warning: tf.lite.Interpreter is deprecated")
            # Our inputs are unscaled pixels on purpose, which the converter cannot know.
            warnings.filterwarnings("ignore", message="Statistics for quantized inputs were expected")
            yield
    finally:
        logger.level = level


def _version():
    import importlib.metadata

    return importlib.metadata.version("ai-edge-litert")
