"""A TensorRT engine, run on the first GPU."""

from __future__ import annotations

import importlib.util
import os
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

# The comparison hides the GPU, so that TensorFlow computes on the CPU; the engine needs the GPU.
os.environ.pop("CUDA_VISIBLE_DEVICES", None)


def load(artefact: str) -> Callable[[str, list[bytes], np.ndarray], np.ndarray]:
    file = pathlib.Path(__file__).parents[1] / "tensorrt_model.py"
    spec = importlib.util.spec_from_file_location("tensorrt_model", file)
    assert spec is not None  # as of any file that ends in .py
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = module.TensorRTModel(pathlib.Path(artefact) / "model.engine")

    def answer(signature, encoded, pixels):
        return model(pixels)

    return answer
