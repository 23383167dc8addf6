"""Every backbone survives every format: the fused RepVGG, IBN, non-local blocks, GeM."""

import functools

import pytest

from keras_reid.export import parity
from keras_reid.export.context import ExportContext
from keras_reid.export.formats import FORMATS
from tests.export.models import BACKBONES, model_of

# The formats that run on any machine, in the precisions that need no calibration.
CHECKED = [
    (form, precision)
    for form in ("savedmodel", "onnx", "litert")
    if form in FORMATS
    for precision in FORMATS[form].precisions
    if precision != "int8"
]
QUICK = {("composite", form, "float32") for form in FORMATS}


def cases():
    for name in BACKBONES:
        for form, precision in CHECKED:
            marks = () if (name, form, precision) in QUICK else pytest.mark.slow
            yield pytest.param(name, form, precision, marks=marks, id=f"{name}-{form}-{precision}")


@functools.lru_cache(maxsize=1)
def prepared(name):
    """The model and its embeddings, shared by all formats, because no export changes the model."""
    model = model_of(name)
    return model, ExportContext(parity.test_images(model))


@pytest.mark.medium
@pytest.mark.parametrize(("name", "form", "precision"), list(cases()))
def test_survives(name, form, precision, tmp_path):
    model, context = prepared(name)
    told = FORMATS[form].write(model, tmp_path / "artefact", precision, context)
    assert told["verified"] is True
    assert {batch["batch_size"] for batch in told["batches"]} == {1, 7, 32}
    # In float32, rounding stays far below the tolerance.
    assert told["max_difference"] < (2e-5 if precision == "float32" else 0.1)
