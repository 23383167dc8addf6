"""ONNX: a model from pixels to embeddings, for ONNX Runtime, OpenVINO, TensorRT and others."""

from __future__ import annotations

import json
import logging
import os
from typing import TYPE_CHECKING, Any

import keras_reid
from keras_reid.utils.optional import find, require

if TYPE_CHECKING:
    import numpy as np

    from keras_reid.export.context import ExportContext
    from keras_reid.models.reid_model import ReIDModel

OPSET = 17


def check(precision: str, options: Any) -> None:
    """Checks, before the model is loaded, that the format can be written; `options` are the command's.

    Raises:
        UserError: a package is missing.
    """
    find("onnx", "onnx", "tf2onnx", "onnxslim", "onnxruntime")


def write(
    model: ReIDModel, folder: str | os.PathLike[str], precision: str, context: ExportContext
) -> dict[str, Any]:
    """Writes `model.onnx` and `parity.json`, as the command does. See `Format`.

    Args:
        model: a `ReIDModel`.
        folder: a new folder, which is created.
        precision: "float32", "float16" or "int8".
        context: an `ExportContext`.

    Returns:
        The content of `parity.json`.

    Raises:
        UserError: a package is missing, or int8 has no images to calibrate with.
        ParityError: the embeddings differ by more than the precision allows.
    """
    from keras_reid.embedding.backends.onnx_file import OnnxFile
    from keras_reid.export.pixel_artefact import write_artefact

    return write_artefact(
        *(model, folder, precision, context, "onnx"),
        export=lambda folder, calibration: export_onnx(model, folder / "model.onnx", precision, calibration),
        load=lambda folder: OnnxFile(folder / "model.onnx"),
        facts={"versions_of": _versions()},
    )


def export_onnx(
    model: ReIDModel,
    file: str | os.PathLike[str],
    precision: str = "float32",
    calibration: np.ndarray | None = None,
) -> None:
    """Writes a model as ONNX, opset 17, from pixels to embeddings of length 1.

    The input is `images`, uint8 `(n, height, width, 3)`, RGB, in the model's size, with n of at least 1. The output is
    `embedding`, float32 `(n, dim)`. The file normalises pixels, but does not decode or resize. `metadata_props` holds
    the model's metadata: `metadata` (JSON) and `threshold` (a number, or "nan" if the model is not calibrated).

    | precision | |
    |---|---|
    | float32 | |
    | float16 | weights, convolutions and the operations between them; everything else in float32: see `to_float16` |
    | int8 | convolutions and dense layers except the first one, as QDQ nodes: see `to_int8` |

    Args:
        model: a `ReIDModel`.
        file: path of the file to write.
        precision: "float32", "float16" or "int8".
        calibration: for int8, typical pixels, uint8 `(images, height, width, 3)`; their activations set the scales.

    Raises:
        UserError: a package is missing, or int8 has no `calibration`.

    Example:
        >>> export_onnx(model, "model.onnx", "float16")  # doctest: +SKIP
    """
    from keras_reid.export.quantized import check_calibration

    check_calibration(precision, calibration)
    onnx, tf2onnx, onnxslim = require("onnx", "onnx", "tf2onnx", "onnxslim")
    from keras_reid.export.deployable import deployable
    from keras_reid.export.pixel_function import pixel_function

    function = pixel_function(deployable(model))
    converted = _converted(tf2onnx, function)
    program = onnxslim.slim(converted)
    if precision == "float16":
        from keras_reid.export.onnx_float16 import to_float16

        program = to_float16(program)
    elif precision == "int8":
        from keras_reid.export.onnx_int8 import to_int8

        program = to_int8(program, calibration)  # type: ignore[arg-type]
    _stamp(program, model)
    onnx.checker.check_model(program, full_check=True)
    onnx.save(program, str(file))


def _converted(tf2onnx, function):
    # tf2onnx logs every step, and changes TensorFlow's log level.
    logger = logging.getLogger("tf2onnx")
    level, logger.level = logger.level, logging.ERROR
    try:
        program, _ = tf2onnx.convert.from_function(
            function,
            input_signature=function.input_signature,
            opset=OPSET,
            custom_op_handlers={"Erfc": (_erfc, [])},
        )
        return program
    finally:
        logger.level = level


def _erfc(context, node, name, _):
    """`1 − erf(x)`, which Keras' GELU needs and the converter does not support."""
    import numpy as np

    output = node.output[0]
    shape, dtype = context.get_shape(output), context.get_dtype(output)
    erf = context.make_node("Erf", [node.input[0]], shapes=[shape], dtypes=[dtype]).output[0]
    one = context.make_const(f"{name}/one", np.float32(1.0)).output[0]
    context.remove_node(name)
    context.make_node("Sub", [one, erf], name=name, outputs=[output], shapes=[shape], dtypes=[dtype])


def _stamp(program, model):
    """Stores the producer, the model's metadata and how to use the file."""
    import onnx

    from keras_reid.export.savedmodel import serving_metadata

    metadata = serving_metadata(model)
    threshold = metadata.get("threshold")
    program.producer_name, program.producer_version = "keras_reid", keras_reid.__version__
    program.graph.name = model.name
    program.doc_string = (
        "Re-identification. images: uint8 RGB, decoded and resized as the metadata says; embedding: L2-normalised, "
        "compare by cosine similarity."
    )
    texts = {
        "metadata": json.dumps(metadata),
        "threshold": str(float("nan") if threshold is None else threshold),
    }
    onnx.helper.set_model_props(program, texts)
    (images,), (embedding,) = program.graph.input, program.graph.output
    for value in (images, embedding):
        value.type.tensor_type.shape.dim[0].dim_param = "n"


def _versions():
    return {name: require("onnx", name).__version__ for name in ("tf2onnx", "onnx", "onnxruntime")}
