"""A LiteRT model, run by LiteRT's interpreter on the CPU."""

import pathlib

from ai_edge_litert.interpreter import Interpreter


def load(artefact):
    interpreter = Interpreter(str(pathlib.Path(artefact) / "model.tflite"))

    def answer(signature, encoded, pixels):
        return interpreter.get_signature_runner(signature)(images=pixels)["embedding"]

    return answer
