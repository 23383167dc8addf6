import json

import numpy as np
import pytest
import tensorflow as tf

from keras_reid.errors import UserError
from keras_reid.evaluation import l2_normalize
from keras_reid.export import parity, savedmodel
from keras_reid.export.__main__ import main
from keras_reid.models import load_model


@pytest.fixture(autouse=True)
def keep_environment(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")


def test_exports_a_run_and_replaces_an_earlier_export(model_file, tmp_path, capsys):
    target = tmp_path / "out" / "savedmodel" / "float32"
    target.mkdir(parents=True)
    (target / "saved_model.pb").write_text("an earlier one")
    main([str(model_file.parent), "--format", "savedmodel", "--output", str(tmp_path / "out")])
    told = json.loads((target / "parity.json").read_text())
    assert told["verified"] is True
    assert sorted(path.name for path in (tmp_path / "out").rglob("*") if path.name.startswith(".")) == []
    images = np.random.default_rng(0).integers(0, 256, (7, 32, 16, 3), np.uint8)
    answer = tf.saved_model.load(target).signatures["pixels"](images=tf.constant(images))["embedding"]
    expected = l2_normalize(load_model(model_file).predict(images, verbose=0))
    np.testing.assert_allclose(answer, expected, atol=1e-5)
    said = capsys.readouterr().out
    assert f"{target}: " in said
    assert "in place of the earlier export" in said
    assert "batches of 1, 7, 32 differ by at most" in said


def test_an_artefact_that_differs_leaves_nothing(model_file, tmp_path, monkeypatch):
    export = savedmodel.export_savedmodel

    def export_another_model(model, directory):
        kernel = model.backbone.layers[0].kernel
        right = kernel.numpy()
        kernel.assign(right * 1.01)
        export(model, directory)
        kernel.assign(right)

    monkeypatch.setattr(savedmodel, "export_savedmodel", export_another_model)
    with pytest.raises(UserError, match="differ from the model's by up to"):
        main([str(model_file), "--output", str(tmp_path / "out")])
    assert list(tmp_path.iterdir()) == []


def test_says_what_is_wrong(model_file, tmp_path, monkeypatch):
    with pytest.raises(UserError, match="there is no such run directory or model file"):
        main([str(tmp_path / "missing"), "--output", str(tmp_path)])
    with pytest.raises(UserError, match="onnx"):
        main([str(model_file), "--format", "onnx", "--output", str(tmp_path)])
    with pytest.raises(UserError, match="name at least one format"):
        main([str(model_file), "--output", str(tmp_path), "--format"])
    with pytest.raises(UserError, match="output"):
        main([str(model_file)])
    monkeypatch.setattr(parity, "_answers", lambda *_: pytest.fail("must not get so far"))
    (tmp_path / "savedmodel" / "float32").mkdir(parents=True)
    with pytest.raises(UserError, match="is no earlier export"):
        main([str(model_file), "--output", str(tmp_path)])
