import types

import pytest

from tests.export.conftest import small_model


@pytest.fixture(scope="session")
def artefacts(once):
    """A model in each form that an `Embedder` takes: `keras` is a file, the others are artefacts. Read-only."""

    def make(folder):
        from keras_reid.export.litert import export_litert
        from keras_reid.export.onnx import export_onnx
        from keras_reid.export.savedmodel import export_savedmodel

        model = small_model()
        model.save(folder / "model.keras")
        export_savedmodel(model, folder / "savedmodel", batch_sizes=())
        for name in ("onnx", "litert"):
            (folder / name).mkdir()
        export_onnx(model, folder / "onnx" / "model.onnx")
        export_litert(model, folder / "litert" / "model.tflite")

    folder = once("embedder", make)
    return types.SimpleNamespace(
        keras=folder / "model.keras",
        savedmodel=folder / "savedmodel",
        onnx=folder / "onnx" / "model.onnx",
        litert=folder / "litert" / "model.tflite",
    )


@pytest.fixture(scope="session")
def model(artefacts):
    from keras_reid.models import load_model

    return load_model(artefacts.keras)
