"""A LiteRT model, run by LiteRT's interpreter on the CPU."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from ai_edge_litert.interpreter import Interpreter

if TYPE_CHECKING:
    import numpy as np


def load(artefact: str) -> Callable[[str, list[bytes], np.ndarray], np.ndarray]:
    interpreter = Interpreter(str(pathlib.Path(artefact) / "model.tflite"))

    def answer(signature, encoded, pixels):
        return interpreter.get_signature_runner(signature)(images=pixels)["embedding"]

    return answer
