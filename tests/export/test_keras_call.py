"""`model.export(…)`, Keras' own call."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_reid.embedding import l2_normalize
from keras_reid.export import keras_call, parity
from keras_reid.export.parity_error import ParityError
from keras_reid.export.parity_images import test_images as images_of
from keras_reid.models import Distiller, load_model
from keras_reid.utils.errors import UserError
from tests.export.conftest import small_model

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 32, 16, 3), np.uint8)
FILES = {"tf_saved_model": "saved", "onnx": "model.onnx", "litert": "model.tflite"}
# Loads an artefact where this package is not imported, and embeds all images, and one.
ELSEWHERE = """
import json, sys
import numpy as np
form, path, images, answers = sys.argv[1:]
images = np.load(images)
if form == "tf_saved_model":
    import tensorflow as tf
    artefact = tf.saved_model.load(path)
    embed = artefact.serve
elif form == "onnx":
    import onnxruntime
    session = onnxruntime.InferenceSession(path)
    embed = lambda images: session.run(None, {session.get_inputs()[0].name: images})[0]
else:
    from ai_edge_litert.interpreter import Interpreter
    runner = Interpreter(path).get_signature_runner()
    embed = lambda images: list(runner(images=images).values())[0]
assert "keras_reid" not in sys.modules
np.savez(answers, all=embed(images), one=embed(images[:1]))
"""


def expected(model):
    return l2_normalize(model.predict(IMAGES, verbose=0))


def embedded_elsewhere(form, path, folder, images=IMAGES):
    np.save(folder / "images.npy", images)
    words = [sys.executable, "-P", "-c", ELSEWHERE, form, path, folder / "images.npy", folder / "answers.npz"]
    process = subprocess.run(words, env={**os.environ, **parity.ENVIRONMENT}, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr[-2000:]
    with np.load(folder / "answers.npz") as answers:
        return dict(answers)


def loaded_with_keras(tmp_path):
    small_model().save(tmp_path / "one.keras")
    return keras.saving.load_model(tmp_path / "one.keras")


def loaded(tmp_path):
    small_model().save(tmp_path / "one.keras")
    return load_model(tmp_path / "one.keras")


def distiller(tmp_path):
    return Distiller(small_model(), [small_model(seed=1)])


@pytest.mark.parametrize("make", [lambda tmp_path: small_model(), loaded_with_keras, loaded, distiller])
@pytest.mark.medium
def test_a_saved_model_of_any_of_our_models(make, tmp_path, capsys):
    model = make(tmp_path)
    model.export(tmp_path / "saved")
    artefact = tf.saved_model.load(tmp_path / "saved")
    for images in (IMAGES, IMAGES[:1], IMAGES.astype("float32")):
        np.testing.assert_allclose(artefact.serve(images), expected(model)[: len(images)], atol=1e-6)
    assert set(artefact.signatures) == {"serving_default", "pixels", "decode", "metadata"}
    assert json.loads((tmp_path / "saved" / "parity.json").read_text())["verified"]
    assert capsys.readouterr().out.startswith(
        f"Saved artifact at '{tmp_path / 'saved'}': its embeddings differ"
    )


def test_a_layer_of_keras_reads_it(tmp_path):
    model = small_model()
    model.export(tmp_path / "saved", verbose=False)
    layer = keras.layers.TFSMLayer(tmp_path / "saved", call_endpoint="serve")
    np.testing.assert_allclose(layer(IMAGES.astype("float32")), expected(model), atol=1e-6)


@pytest.mark.medium
@pytest.mark.parametrize("form", FILES)
@pytest.mark.parametrize("make", [loaded, distiller])
def test_embeds_the_same_in_another_process(form, make, tmp_path):
    model = make(tmp_path)
    model.export(str(tmp_path / FILES[form]), format=form)
    answers = embedded_elsewhere(form, tmp_path / FILES[form], tmp_path)
    np.testing.assert_allclose(answers["all"], expected(model), atol=1e-5)
    np.testing.assert_allclose(answers["one"], expected(model)[:1], atol=1e-5)
    left = {path.name for path in tmp_path.iterdir()} - {"one.keras", "images.npy", "answers.npz"}
    assert left == {FILES[form]}


@pytest.mark.medium
@pytest.mark.filterwarnings("ignore:In the future `np.object`")  # how Keras makes tf2onnx work with NumPy 2
@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("tf_saved_model", {"input_signature": [keras.InputSpec(shape=(None, 32, 16, 3), dtype="float32")]}),
        ("onnx", {"opset_version": 18}),
        (
            "litert",
            {"input_signature": [keras.InputSpec(shape=(None, 32, 16, 3), dtype="float32", name="images")]},
        ),
    ],
)
def test_what_only_keras_exporters_know_goes_to_them(form, options, tmp_path):
    model = small_model()
    path = tmp_path / FILES[form]
    model.export(str(path), format=form, verbose=False, **options)
    assert not (path / "parity.json").exists()
    if form == "litert":
        from ai_edge_litert.interpreter import Interpreter

        runner = Interpreter(str(path)).get_signature_runner()
        (name,) = runner.get_input_details()
        (answer,) = runner(**{name: IMAGES.astype("float32")}).values()
        np.testing.assert_allclose(answer, expected(model), atol=1e-5)
        return
    answers = embedded_elsewhere(form, path, tmp_path, IMAGES.astype("float32"))
    np.testing.assert_allclose(answers["all"], expected(model), atol=1e-5)
    np.testing.assert_allclose(answers["one"], expected(model)[:1], atol=1e-5)


def test_keras_knows_the_shape_of_the_images(tmp_path):
    model = small_model()
    expected = model.predict(IMAGES, verbose=0)
    keras.Model.export(model, tmp_path / "raw", verbose=False)
    raw = tf.saved_model.load(tmp_path / "raw")
    for count in (5, 1):
        found = raw.serve(IMAGES[:count].astype("float32"))
        np.testing.assert_allclose(found, expected[:count], rtol=1e-4, atol=1e-5)
    assert model.get_build_config() is None, "what is saved is as before"


@pytest.mark.medium
def test_what_is_there_stays_until_the_new_one_is_verified(tmp_path, monkeypatch):
    model = small_model()
    (tmp_path / "saved").mkdir()
    model.export(tmp_path / "saved", verbose=False)  # an empty folder is free
    model.export(tmp_path / "saved", verbose=False)
    (tmp_path / "model.tflite").write_text("old")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    monkeypatch.setattr(parity.verify, "__defaults__", (*parity.verify.__defaults__[:-1], -1.0))
    for form in ("tf_saved_model", "litert"):
        with pytest.raises(ParityError, match="differ from the model's"):
            model.export(tmp_path / FILES[form], format=form)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("form", "name", "message"),
    [
        ("litert", "model.lite", "must end with .tflite"),
        ("onnx", "folder", "is a folder, and onnx writes one file"),
        ("tf_saved_model", "folder", "is not an earlier export"),
        ("coreml", "model", "Unrecognized format=coreml"),
    ],
)
def test_places_and_formats_that_cannot_be(form, name, message, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.tex").write_text("years of work")
    with pytest.raises((UserError, ValueError), match=message):
        small_model().export(tmp_path / name, format=form)
    assert [path.name for path in tmp_path.rglob("*")] == ["folder", "thesis.tex"]


def test_a_missing_package_is_named_first(tmp_path, monkeypatch):
    monkeypatch.setattr(keras_call, "_context", lambda model: pytest.fail("long work"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs ai_edge_litert, .*pip install 'keras_reid\[litert\]'"):
        small_model().export(tmp_path / "model.tflite", format="litert")


def test_beside_a_gpu_the_model_is_asked_on_the_cpu(monkeypatch):
    model = small_model()
    usual = images_of(model)
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [kind])
    monkeypatch.setattr(model, "predict", None)
    np.testing.assert_allclose(images_of(model).expected, usual.expected, atol=1e-6)
