"""The formats, with the module that writes each one and its precisions. Does not import TensorFlow."""

from __future__ import annotations

import dataclasses
import importlib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.export.context import ExportContext
    from keras_reid.models.reid_model import ReIDModel


@dataclasses.dataclass(frozen=True)
class Format:
    """How a format is written.

    Attributes:
        module: a module of this package. Its `write(model, folder, precision, context)` makes the folder, writes the
            artefact and parity.json into it, and returns the content of parity.json. `context` is an `ExportContext`.
        precisions: the supported precisions.
        marker: a file that every folder of this format holds; an existing folder without it is not replaced.
        only_there: why other precisions are impossible, and what to do instead.
        early: a module of this package that loads without TensorFlow. Its `check(precision, options)` raises a
            UserError, before the model is loaded, for what cannot work on this machine; `options` are the command's.
        int8_needs_images: whether int8 cannot be written without typical images.
    """

    module: str
    precisions: tuple[str, ...]
    marker: str
    only_there: str
    early: str | None = None
    int8_needs_images: bool = False

    def check(self, precision: str, options: Any) -> None:
        if self.early:
            importlib.import_module(f"keras_reid.export.{self.early}").check(precision, options)

    def write(
        self, model: ReIDModel, folder: str | os.PathLike[str], precision: str, context: ExportContext
    ) -> dict[str, Any]:
        module = importlib.import_module(f"keras_reid.export.{self.module}")
        return module.write(model, folder, precision, context)


FORMATS = {
    "savedmodel": Format(
        "savedmodel",
        ("float32", "bfloat16"),
        "saved_model.pb",
        "TensorFlow Serving computes in these on CPUs; for float16 and int8, use tensorrt on a GPU, litert on a device",
        early="warmup",
    ),
    "onnx": Format(
        "onnx",
        ("float32", "float16", "int8"),
        "model.onnx",
        "few ONNX runtimes compute convolutions in bfloat16; use float16",
        early="onnx",
        int8_needs_images=True,
    ),
    "litert": Format(
        "litert",
        ("float32", "float16", "int8"),
        "model.tflite",
        "LiteRT has no bfloat16; use float16",
        early="litert",
        int8_needs_images=True,
    ),
    "tensorrt": Format(
        "tensorrt",
        ("float32", "float16", "int8"),
        "model.onnx",
        "float16 is as fast on a GPU, and closer to the model",
        early="tensorrt",
    ),
    "tftrt": Format(
        "tftrt",
        ("float32", "float16", "int8"),
        "saved_model.pb",
        "TF-TRT has no bfloat16; use float16",
        early="tftrt",
    ),
}


def check_combinations(formats: Sequence[str], precisions: Sequence[str]) -> None:
    """Raises an error that names each precision that a format does not support.

    Raises:
        UserError: one line for all of them.
    """
    problems = [
        f"{name} has no {precision}, only {', '.join(FORMATS[name].precisions)} ({FORMATS[name].only_there})"
        for name in formats
        for precision in precisions
        if precision not in FORMATS[name].precisions
    ]
    if problems:
        raise UserError(f"--format and --precision do not go together: {'; '.join(problems)}")
