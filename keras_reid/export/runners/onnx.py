"""An ONNX model, run by ONNX Runtime on the CPU."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import onnxruntime

if TYPE_CHECKING:
    import numpy as np


def load(artefact: str) -> Callable[[str, list[bytes], np.ndarray], np.ndarray]:
    session = onnxruntime.InferenceSession(
        str(pathlib.Path(artefact) / "model.onnx"), providers=["CPUExecutionProvider"]
    )

    def answer(signature, encoded, pixels):
        return session.run(["embedding"], {"images": pixels})[0]

    return answer
