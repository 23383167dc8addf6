"""Builds a TensorRT engine from an ONNX file. Imports neither TensorFlow nor Keras."""

from __future__ import annotations

import hashlib
import importlib
import os
import pathlib
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from keras_reid.export.tensorrt_calibrator import image_calibrator, keep
from keras_reid.export.tensorrt_model import Cuda, quiet_logger
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import write_json

if TYPE_CHECKING:
    import numpy as np

# TensorRT for servers and data centres; TensorRT for RTX, which can also build without a GPU.
PACKAGES = ("tensorrt", "tensorrt_rtx")

# Turing cannot multiply float32 matrices in TensorRT for RTX, which rejects networks that need it.
_TURING = "SM75"


def find_tensorrt() -> Any:
    """The module `tensorrt`, or `tensorrt_rtx`, or None."""
    for package in PACKAGES:
        try:
            return importlib.import_module(package)
        except (ImportError, OSError):  # OSError: a library that the module loads is missing
            continue
    return None


def is_typed(trt: Any) -> bool:
    """Whether networks are strongly typed (the ONNX file alone sets all types), as from version 10 on."""
    return trt.__name__ == "tensorrt_rtx" or int(trt.__version__.partition(".")[0]) >= 10


def find_gpu() -> tuple[str | None, tuple[int, ...] | None, str | None]:
    """`(name, compute capability, None)` of the first GPU, or `(None, None, reason)` if there is none.

    Call it in a separate process if CUDA_VISIBLE_DEVICES hides the GPU from TensorFlow.
    """
    os.environ.pop("CUDA_VISIBLE_DEVICES", None)
    try:
        cuda = Cuda()
    except RuntimeError as error:
        return None, None, str(error)
    return cuda.name, cuda.compute_capability, None


def build_engine(
    onnx_file: str | os.PathLike[str],
    engine_file: str | os.PathLike[str],
    precision: str,
    batches: tuple[int, int, int],
    pixels: np.ndarray | None = None,
    trt: Any = None,
    facts: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Builds an engine and writes it, with `engine.json` next to it: versions, GPU, batches, layers.

    - TensorRT 10 and later, and TensorRT for RTX: the network is strongly typed, so the ONNX file sets the precision.
    - TensorRT 8 and 9: a flag allows float16; int8 is calibrated on the pixels, from a float32 ONNX file.
    - float32 is exact: TF32, which rounds products to 11 bits, is switched off.
    - TensorRT for RTX without a GPU builds for every generation that it knows from Ampere on. Otherwise the engine is
      built for this GPU.
    - TensorRT stores its measurements (the timing cache) under ~/.cache/keras_reid, so that a second build is faster.

    Args:
        onnx_file: path of a file from `export_onnx`.
        engine_file: path to write to.
        precision: "float32", "float16" or "int8", the precision of the ONNX file.
        batches: `(smallest, most frequent, largest)` number of images, the optimisation profile.
        pixels: for int8 before TensorRT 10, uint8 `(images, height, width, 3)`.
        trt: the module to build with; None: the one that is installed.
        facts: dict of further entries for `engine.json`.

    Returns:
        dict, the content of `engine.json`.

    Raises:
        UserError: TensorRT rejects the network; the message is from TensorRT.

    Example:
        >>> build_engine("model.onnx", "model.engine", "float16", (1, 8, 32))["layers"]  # doctest: +SKIP
        151
    """
    start = time.perf_counter()
    trt = trt or find_tensorrt()
    messages = []
    gpu, capability, _ = find_gpu()
    builder = trt.Builder(quiet_logger(trt, messages))
    kind = trt.NetworkDefinitionCreationFlag
    typed = is_typed(trt)
    network = builder.create_network(1 << int(kind.STRONGLY_TYPED if typed else kind.EXPLICIT_BATCH))
    parser = trt.OnnxParser(network, quiet_logger(trt, messages))
    if not parser.parse_from_file(str(onnx_file)):
        errors = [parser.get_error(index).desc() for index in range(parser.num_errors)]
        raise UserError(
            f"{trt.__name__} {trt.__version__} cannot read {onnx_file}: {' '.join(errors or messages)}"
        )
    config = builder.create_builder_config()
    profile = builder.create_optimization_profile()
    images = network.get_input(0)
    profile.set_shape(images.name, *((count, *tuple(images.shape)[1:]) for count in batches))
    config.add_optimization_profile(profile)
    if precision == "float32":
        config.clear_flag(trt.BuilderFlag.TF32)
    if not typed:
        _allow(trt, config, precision, profile, pixels, onnx_file)
    targets = _target(trt, config, gpu)
    cache = None if _is_rtx(trt) else _use_timing_cache(trt, config, gpu)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise UserError(
            f"{trt.__name__} {trt.__version__} cannot build an engine from {onnx_file}: {' '.join(messages)}"
        )
    pathlib.Path(engine_file).write_bytes(bytes(engine))
    if cache is not None:
        keep(cache, bytes(config.get_timing_cache().serialize()))
    told = {
        "package": trt.__name__,
        "version": trt.__version__,
        "precision": precision,
        "typed": typed,
        "batches": dict(zip(("min", "opt", "max"), batches, strict=True)),
        "built_for": targets or f"{gpu}, compute capability {'.'.join(map(str, capability or ()))}",
        "built_on": gpu,
        "layers": network.num_layers,
        "seconds": round(time.perf_counter() - start, 1),
        **(facts or {}),
    }
    write_json(pathlib.Path(engine_file).with_name("engine.json"), told)
    return told


def trtexec_command(image_size: tuple[int, int], precision: str, batches: tuple[int, int, int]) -> str:
    """The command that builds the same engine from `model.onnx` with TensorRT 10 or later.

    Example:
        >>> trtexec_command((256, 128), "float32", (1, 8, 32)).split()[-2:]
        ['--stronglyTyped', '--noTF32']
    """
    shapes = " ".join(
        f"--{name}Shapes=images:{count}x{image_size[0]}x{image_size[1]}x3"
        for name, count in zip(("min", "opt", "max"), batches, strict=True)
    )
    exact = " --noTF32" if precision == "float32" else ""
    return (
        f"trtexec --onnx=model.onnx --saveEngine=model.engine {shapes} --timingCacheFile=timing.cache "
        f"--stronglyTyped{exact}"
    )


def _is_rtx(trt):
    return trt.__name__ == "tensorrt_rtx"


def _allow(trt, config, precision, profile, pixels, onnx_file):
    """Sets the precision before version 10, where flags allow it and TensorRT finds the int8 scales itself."""
    if precision == "float16":
        config.set_flag(trt.BuilderFlag.FP16)
    if precision == "int8":
        config.set_flag(trt.BuilderFlag.INT8)
        what = hashlib.sha256(pathlib.Path(onnx_file).read_bytes() + pixels.tobytes()).hexdigest()[:16]
        file = _cache_folder() / f"calibration-{trt.__version__}-{what}.cache"
        config.int8_calibrator = image_calibrator(trt, pixels, file, Cuda())
        config.set_calibration_profile(profile)


def _target(trt, config, gpu):
    """Names of the GPU generations to build for; empty: the GPU of this machine."""
    if not _is_rtx(trt):
        return []
    known = trt.ComputeCapability.__members__
    if gpu:
        config.num_compute_capabilities = 1
        config.set_compute_capability(known["CURRENT"], 0)
        return []
    names = [name for name in known if name not in ("NONE", "CURRENT", _TURING)]
    config.num_compute_capabilities = len(names)
    for index, name in enumerate(names):
        config.set_compute_capability(known[name], index)
    return names


def _use_timing_cache(trt, config, gpu):
    device = "".join(letter if letter.isalnum() else "-" for letter in gpu or "no-gpu")
    file = _cache_folder() / f"timing-{trt.__version__}-{device}.cache"
    content = file.read_bytes() if file.is_file() else b""
    config.set_timing_cache(config.create_timing_cache(content), False)
    return file


def _cache_folder():
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "keras_reid" / "tensorrt"
