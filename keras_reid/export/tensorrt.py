"""TensorRT: a model from pixels to embeddings, for NVIDIA GPUs."""

from __future__ import annotations

import concurrent.futures
import json
import multiprocessing
import pathlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from keras_reid.export import onnx
from keras_reid.export.hashes import copy_checked, file_hashes, known_hashes
from keras_reid.export.tensorrt_builder import (
    build_engine,
    find_gpu,
    find_tensorrt,
    is_typed,
    trtexec_command,
)
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import write_json

if TYPE_CHECKING:
    from keras_reid.export.context import ExportContext
    from keras_reid.models.reid_model import ReIDModel

_OF_THE_ONNX = ("map_loss", "map_loss_not_measured", "calibration_images")  # entries that parity.json copies


def check(precision: str, options: Any) -> None:
    """Checks, before the model is loaded, that an engine can be verified and calibrated; `options` are the command's.

    Raises:
        UserError: there is no GPU, no TensorRT or no image; the message says what to do.
    """
    onnx.check(precision, options)
    _refuse_unless_allowed(options)


def write(model: ReIDModel, folder: pathlib.Path, precision: str, context: ExportContext) -> dict[str, Any]:
    """Writes `model.onnx`, `model.engine`, `engine.json` and `parity.json`, as the command does. See `Format`.

    The ONNX file is verified first, as in its own format; if the same command has already exported one, it is copied.
    Then the engine is built by `tensorrt` if installed, otherwise by `tensorrt_rtx`, and compared with the model on the
    first GPU. If neither is installed, `build.sh` contains the trtexec command instead. Without a GPU nothing can be
    compared, and `parity.json` says `"verified": false` and why.

    The optimisation profile ranges from 1 to the largest of `context.batch_sizes`, and is tuned for the middle one.

    Args:
        model: a `ReIDModel`.
        folder: a new folder, which is created.
        precision: "float32", "float16" or "int8".
        context: an `ExportContext`.

    Returns:
        The content of `parity.json`.

    Raises:
        UserError: the engine cannot run here and `context.allow_unverified` is not set, or TensorRT rejects the
            network.
        ParityError: the embeddings differ by more than the precision allows.
    """
    from keras_reid.export import quantized
    from keras_reid.export.parity import verify, versions
    from keras_reid.export.savedmodel import serving_metadata

    trt = find_tensorrt()
    reason = _refuse_unless_allowed(context)
    batches = profile(context.batch_sizes)
    # Before version 10, TensorRT finds the scales of int8 itself.
    calibrates = trt is not None and not is_typed(trt) and precision == "int8"
    parity = _write_onnx(model, folder, "float32" if calibrates else precision, context)
    engine = None
    if trt is None:
        command = trtexec_command(model.image_size, precision, batches)
        (folder / "build.sh").write_text(
            f"#!/bin/sh\n# TensorRT 10 or later, on the GPU that will serve.\n{command}\n"
        )
    else:
        pixels = None
        if calibrates:
            pixels = quantized.calibration_pixels(context.training_images, model.image_size)
        engine = in_own_process(
            build_engine,
            *(folder / "model.onnx", folder / "model.engine", precision, batches, pixels, None),
            # As plain values: Keras' own lists and dicts cannot be sent to another process.
            {"model": json.loads(json.dumps(serving_metadata(model)))},
        )
    if reason:
        parity = {
            "verified": False,
            "reason": reason,
            "precision": precision,
            "engine": engine,
            "onnx": parity,
            "versions": versions(),
            "sha256": file_hashes(folder),
        }
        write_json(folder / "parity.json", parity)
        return parity
    return verify(
        context.images,
        folder,
        "tensorrt",
        precision,
        signatures=("pixels",),
        facts={"engine": engine, **{name: parity[name] for name in _OF_THE_ONNX if name in parity}},
    )


def _write_onnx(model, folder, precision, context):
    """Writes and returns what `onnx.write` does, copying an earlier export if there is one."""
    earlier = context.written.get(("onnx", precision))
    if earlier is None:
        return onnx.write(model, folder, precision, context)
    copy_checked(earlier, folder, known_hashes(earlier))
    return json.loads((folder / "parity.json").read_text(encoding="utf-8"))


def profile(batch_sizes: Iterable[int]) -> tuple[int, int, int]:
    """`(1, middle, largest)` of the batch sizes that a server will use.

    Example:
        >>> profile((1, 2, 4, 8, 16, 32))
        (1, 8, 32)
    """
    sizes = sorted(set(batch_sizes))
    return 1, sizes[len(sizes) // 2], sizes[-1]


def in_own_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Calls `function(*arguments)` in a new process, which can still choose the visible GPUs."""
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def _refuse_unless_allowed(options):
    """Returns why an engine cannot be compared with the model here, or None; raises unless that is allowed."""
    reason = "neither tensorrt nor tensorrt_rtx is installed (pip install 'keras_reid[tensorrt]')"
    if find_tensorrt() is not None:
        _, _, reason = in_own_process(find_gpu)
    if reason and not options.allow_unverified:
        raise UserError(
            f"a TensorRT engine cannot be verified here: {reason}. Export on the machine with the GPU that will serve "
            "it, or add --allow-unverified to export without verification."
        )
    return reason
