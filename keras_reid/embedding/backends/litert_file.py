"""A LiteRT file behind an `Embedder`, without TensorFlow and Keras."""

from __future__ import annotations

import json
import os
import pathlib
import threading

import numpy as np
from numpy.typing import NDArray

from keras_reid.embedding.backends.backend import Backend, fingerprint_of, names_and_contents
from keras_reid.embedding.pillow_reader import PillowReader
from keras_reid.utils.errors import UserError
from keras_reid.utils.optional import require
from keras_reid.utils.threads import cores


class LiteRTFile(Backend):
    """A file that `keras-reid export --format litert` wrote, with its `metadata.json` next to it.

    The interpreter works on one batch at a time: calls from several threads wait for one another.

    Args:
        file: its path.

    Raises:
        UserError: the file or its metadata.json is missing or damaged, or `ai-edge-litert` is missing.
    """

    def __init__(self, file: str | os.PathLike[str]) -> None:
        interpreter = require("litert", "ai_edge_litert.interpreter")
        self._file = pathlib.Path(file)
        if not self._file.is_file():
            raise UserError(f"{file}: there is no such file.")
        beside = self._file.with_name("metadata.json")
        try:
            metadata = json.loads(beside.read_text(encoding="utf-8"))
            size, dim = metadata["image_size"], metadata["embedding_dim"]
        except (OSError, ValueError, KeyError, TypeError):
            raise UserError(
                f"{beside}: must be there, as `keras-reid export --format litert` wrote it next to "
                f"{self._file.name}. It is missing or damaged."
            ) from None
        try:
            self._interpreter = interpreter.Interpreter(str(file), num_threads=cores())
            self._function = self._interpreter.get_signature_runner("pixels")
        except (ValueError, RuntimeError) as error:
            raise UserError(f"{file}: LiteRT cannot load it: {str(error).splitlines()[0]}") from None
        self._lock = threading.Lock()
        super().__init__({**metadata, "image_size": size}, dim)

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        with self._lock:
            return self._function(images=pixels)["embedding"]

    def reader(self) -> PillowReader:
        return PillowReader(self.image_size)

    def fingerprint(self) -> str:
        return fingerprint_of(names_and_contents([self._file]))
