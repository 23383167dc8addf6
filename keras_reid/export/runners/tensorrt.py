"""A TensorRT engine, run on the first GPU."""

import importlib.util
import os
import pathlib

# The comparison hides the GPU, so that TensorFlow computes on the CPU; the engine needs the GPU.
os.environ.pop("CUDA_VISIBLE_DEVICES", None)


def load(artefact):
    file = pathlib.Path(__file__).parents[1] / "tensorrt_model.py"
    spec = importlib.util.spec_from_file_location("tensorrt_model", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = module.TensorRTModel(pathlib.Path(artefact) / "model.engine")

    def answer(signature, encoded, pixels):
        return model(pixels)

    return answer
