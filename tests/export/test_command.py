import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_reid.embedding import l2_normalize
from keras_reid.export import savedmodel
from keras_reid.export.__main__ import main
from keras_reid.export.formats import FORMATS
from keras_reid.fit import main as fit
from keras_reid.models import load_model
from keras_reid.utils.errors import UserError
from keras_reid.utils.model_file import fingerprint


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
    assert "(replaced the earlier export)" in said
    assert "batches of 1, 7, 32 differ by at most" in said
    assert (target / "assets.extra" / "tf_serving_warmup_requests").is_file()


def test_an_artefact_that_differs_leaves_nothing(model_file, tmp_path, monkeypatch):
    export = savedmodel.export_savedmodel

    def export_another_model(model, directory, *arguments, **named):
        kernel = model.backbone.layers[0].kernel
        right = kernel.numpy()
        kernel.assign(right * 1.01)
        export(model, directory, *arguments, **named)
        kernel.assign(right)

    monkeypatch.setattr(savedmodel, "export_savedmodel", export_another_model)
    with pytest.raises(UserError, match="differ from the model's by up to"):
        main([str(model_file), "--output", str(tmp_path / "out")])
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def no_work(monkeypatch):
    """Mistakes are reported before the model is loaded."""
    monkeypatch.setattr(
        "keras_reid.utils.command_line.load_tensorflow", lambda: pytest.fail("must not get so far")
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "paper"], "paper"),
        (["--format"], "name at least one format"),
        (["--precision"], "name at least one precision"),
        (["--batch-sizes"], "name at least one size after --batch-sizes"),
        (["--precision", "float64"], "float64"),
        (
            ["--precision", "int8"],
            r"savedmodel has no int8, only float32, bfloat16 \(.*for float16 and int8, use tensorrt",
        ),
        (["--precision", "float32", "float16"], "savedmodel has no float16"),
        (["--batch-sizes", "1", "0"], "--batch-sizes must be from 1 to 4096 images. Received: 0"),
        (["--batch-sizes", "5000"], "Received: 5000"),
        (["--max-image-bytes", "0"], "--max-image-bytes must be above 0 and below 2147483648. Received: 0"),
        (["--max-megapixels", "-1"], "--max-megapixels must be above 0 and below .*Received: -1"),
        (["--calibration-images", "nowhere"], "nowhere: there is no such file or folder"),
    ],
)
@pytest.mark.usefixtures("no_work")
def test_says_what_is_wrong_with_the_options(model_file, tmp_path, arguments, message):
    with pytest.raises(UserError, match=message):
        main([str(model_file), "--output", str(tmp_path), *arguments])


@pytest.mark.usefixtures("no_work")
def test_says_what_is_wrong_with_the_folders(model_file, tmp_path):
    with pytest.raises(UserError, match="there is no such run directory or model file"):
        main([str(tmp_path / "missing"), "--output", str(tmp_path)])
    with pytest.raises(UserError, match="output"):
        main([str(model_file)])
    (tmp_path / "savedmodel" / "bfloat16").mkdir(parents=True)
    (tmp_path / "savedmodel" / "bfloat16" / "letters.txt").touch()
    with pytest.raises(UserError, match="is not an earlier export"):
        main([str(model_file), "--output", str(tmp_path), "--precision", "float32", "bfloat16"])


def test_options_reach_the_writer(model_file, tmp_path, monkeypatch, capsys):
    asked = []

    def write(self, model, folder, precision, context):
        asked.append((precision, context))
        folder.mkdir()
        (folder / self.marker).touch()
        (folder / "parity.json").write_text("{}")
        return {"verified": False, "reason": "there is no GPU"}

    monkeypatch.setattr(FORMATS["savedmodel"].__class__, "write", write)
    Image.new("RGB", (9, 9)).save(tmp_path / "typical.png")
    words = "--precision bfloat16 float32 --allow-unverified --batch-sizes 2 5 --max-image-bytes 7 --max-megapixels 0.5"
    main(
        [str(model_file), "--output", str(tmp_path / "out"), *words.split()]
        + ["--calibration-images", str(tmp_path)]
    )
    assert [precision for precision, _ in asked] == ["bfloat16", "float32"]
    context = asked[0][1]
    assert context.images.real == 0
    assert (context.allow_unverified, context.batch_sizes) == (True, (2, 5))
    assert (context.max_image_bytes, context.max_megapixels) == (7, 0.5)
    assert context.training_images == (str(tmp_path / "typical.png"),)
    assert context.test_sets == ()
    assert context.written == {
        ("savedmodel", precision): tmp_path / "out" / "savedmodel" / precision for precision, _ in asked
    }
    assert "not verified: there is no GPU" in capsys.readouterr().out
    parity = (tmp_path / "out" / "savedmodel" / "float32" / "parity.json").read_text()
    assert json.loads(parity) == {"model": fingerprint(model_file)}


@pytest.mark.slow
def test_a_run_is_compared_on_its_own_images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    experiment = Path(__file__).parents[2] / "experiments" / "quickstart.py"
    fit([str(experiment), "--smoke"])
    main(["runs/quickstart-smoke", "--output", "out"])
    told = json.loads((tmp_path / "out" / "savedmodel" / "float32" / "parity.json").read_text())
    assert told["images"]["real"] == 21


@pytest.mark.medium
@pytest.mark.parametrize("moment", ["loaded a model", "writing, and comparing"])
def test_ctrl_c_is_130_and_leaves_nothing(model_file, tmp_path, moment):
    """Sends Ctrl-C as a terminal does, to the command and the process of the parity check at once."""
    words = [
        sys.executable,
        "-u",
        "-m",
        "keras_reid.export",
        str(model_file),
        "--output",
        str(tmp_path / "out"),
    ]
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    for line in process.stdout:
        if moment in line:
            break
    if moment.startswith("writing"):  # the parity check has started its process
        end = time.monotonic() + 60
        while not children_of(process.pid) and time.monotonic() < end:
            time.sleep(0.05)
        assert children_of(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert errors.splitlines()[-1] == "interrupted"
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


def children_of(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
