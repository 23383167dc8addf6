"""TensorRT: the model from pixels to embeddings, for NVIDIA's GPUs."""

import concurrent.futures
import json
import multiprocessing

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

_OF_THE_ONNX = ("map_loss", "map_loss_not_measured", "calibration_images")  # what parity.json takes over


def check(precision, options):
    """Refuses, before the model is loaded, what could not be verified or calibrated; `options` are the command's.

    Raises:
        UserError: there is no GPU, TensorRT or image, with what to do.
    """
    onnx.check(precision, options)
    _refuse_unless_allowed(options)


def write(model, folder, precision, context):
    """Writes `model.onnx`, `model.engine`, `engine.json` and their `parity.json`, as the command does. See `Format`.

    The ONNX is verified first, as in its own format; one that the same command exported before is copied. Then the
    engine is built by `tensorrt` where that is installed, else by `tensorrt_rtx`, and compared with the model on the
    first GPU. Where neither is installed, `build.sh` holds trtexec's command instead. Without a GPU nothing can be
    compared: `parity.json` says `"verified": false` and why.

    The optimisation profile goes from 1 to the largest of `context.batch_sizes`, and is tuned for the middle one.

    Args:
        model: a `ReIDModel`.
        folder: to be made.
        precision: "float32", "float16" or "int8".
        context: an `ExportContext`.

    Returns:
        The content of `parity.json`.

    Raises:
        UserError: the engine cannot be run here and `context.allow_unverified` is not set; TensorRT refuses the
            network.
        ParityError: the answers differ by more than the precision allows.
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
            # As plain values: Keras' own lists and dicts do not travel to another process.
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
    """What `onnx.write` writes and returns."""
    earlier = context.written.get(("onnx", precision))
    if earlier is None:
        return onnx.write(model, folder, precision, context)
    copy_checked(earlier, folder, known_hashes(earlier))
    return json.loads((folder / "parity.json").read_text(encoding="utf-8"))


def profile(batch_sizes):
    """`(1, the middle, the largest)` of the batches that a server will ask for.

    Example:
        >>> profile((1, 2, 4, 8, 16, 32))
        (1, 8, 32)
    """
    sizes = sorted(set(batch_sizes))
    return 1, sizes[len(sizes) // 2], sizes[-1]


def in_own_process(function, *arguments):
    """`function(*arguments)` in a new process, in which no one has yet decided which GPUs are seen."""
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def _refuse_unless_allowed(options):
    """Why an engine cannot be compared with the model here, or None."""
    reason = "neither tensorrt nor tensorrt_rtx is installed (pip install 'keras_reid[tensorrt]')"
    if find_tensorrt() is not None:
        _, _, reason = in_own_process(find_gpu)
    if reason and not options.allow_unverified:
        raise UserError(
            f"a TensorRT engine cannot be verified here: {reason}. Export on the machine with the GPU that will serve, "
            "or add --allow-unverified to put it in place as it is."
        )
    return reason
