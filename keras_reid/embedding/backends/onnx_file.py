"""An ONNX file behind an `Embedder`, without TensorFlow and Keras."""

from __future__ import annotations

import json
import os
import pathlib

import numpy as np
from numpy.typing import NDArray

from keras_reid.embedding.backends.backend import Backend, fingerprint_of, names_and_contents
from keras_reid.embedding.pillow_reader import PillowReader
from keras_reid.utils.errors import UserError
from keras_reid.utils.optional import require


class OnnxFile(Backend):
    """A file that `keras-reid export --format onnx` wrote, on the CPU by ONNX Runtime.

    Args:
        file: its path.

    Raises:
        UserError: the file is missing or damaged, something else wrote it, or ONNX Runtime is missing.
    """

    def __init__(self, file: str | os.PathLike[str]) -> None:
        onnxruntime = require("onnx", "onnxruntime")
        self._file = pathlib.Path(file)
        if not self._file.is_file():
            raise UserError(f"{file}: there is no such file.")
        options = onnxruntime.SessionOptions()
        # Otherwise its threads wait for the next call without sleeping, and decoding and resizing lack a core.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        try:
            self._session = onnxruntime.InferenceSession(
                str(file), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's own have no common class
            raise UserError(f"{file}: ONNX Runtime cannot load it: {str(error).splitlines()[0]}") from None
        described = self._session.get_modelmeta().custom_metadata_map
        if "metadata" not in described:
            raise UserError(
                f"{file}: must be a file from `keras-reid export --format onnx`. Received: one without its "
                "metadata."
            )
        metadata = json.loads(described["metadata"])
        super().__init__(metadata, metadata["embedding_dim"])

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._session.run(["embedding"], {"images": pixels})[0]

    def reader(self) -> PillowReader:
        return PillowReader(self.image_size)

    def fingerprint(self) -> str:
        return fingerprint_of(names_and_contents([self._file]))
