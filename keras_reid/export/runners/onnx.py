"""An ONNX model, run by ONNX Runtime on the CPU."""

import pathlib

import onnxruntime


def load(artefact):
    session = onnxruntime.InferenceSession(
        str(pathlib.Path(artefact) / "model.onnx"), providers=["CPUExecutionProvider"]
    )

    def answer(signature, encoded, pixels):
        return session.run(["embedding"], {"images": pixels})[0]

    return answer
