import importlib.util
import json
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from keras_reid.export import tftrt
from keras_reid.export.hashes import file_hashes
from keras_reid.utils.errors import UserError

SCRIPT = pathlib.Path(__file__).parents[2] / "serving" / "tftrt" / "convert.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("tftrt_convert", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Decoding(tf.Module):
    """The signatures of an export; embeddings are unit vectors of the mean colour."""

    def __init__(self):
        super().__init__()
        self.weight = tf.Variable(tf.eye(3) + 0.1)

    @tf.function(input_signature=[tf.TensorSpec((None, 8, 4, 3), tf.uint8, name="images")])
    def pixels(self, images):
        colours = tf.reduce_mean(tf.cast(images, tf.float32), (1, 2)) @ self.weight
        return {"embedding": tf.linalg.l2_normalize(colours, 1)}

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="image_bytes")])
    def decode(self, image_bytes):
        def one(data):
            return tf.ensure_shape(tf.io.decode_png(data, 3), (8, 4, 3))

        return {"images": tf.map_fn(one, image_bytes, fn_output_signature=tf.TensorSpec((8, 4, 3), tf.uint8))}

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="image_bytes")])
    def serving_default(self, image_bytes):
        return self.pixels(self.decode(image_bytes)["images"])

    @tf.function(input_signature=[])
    def metadata(self):
        return {"metadata": tf.constant("{}")}


@pytest.fixture(scope="module")
def savedmodel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tftrt") / "savedmodel"
    module = Decoding()
    names = ("serving_default", "pixels", "decode", "metadata")
    tf.saved_model.save(module, str(folder), signatures={name: getattr(module, name) for name in names})
    return folder


@pytest.mark.parametrize(
    ("precision", "flag"),
    [("float32", "FP32"), ("float16", "FP16"), ("int8", "INT8 --calibration-images FOLDER")],
)
def test_the_command_says_where_it_can_be_made(precision, flag, tmp_path):
    with pytest.raises(UserError, match=rf"cannot be made here.*docker run.*--precision {flag}\. "):
        tftrt.write(None, tmp_path / "tftrt", precision, None)
    assert list(tmp_path.iterdir()) == []


def test_is_a_script_without_this_package(script):
    text = SCRIPT.read_text()
    assert "import keras" not in text
    assert "from keras_reid" not in text
    assert "COPY convert.py" in SCRIPT.with_name("Dockerfile").read_text()


@pytest.mark.medium
def test_says_in_one_line_that_this_tensorflow_has_no_tensorrt(savedmodel, tmp_path):
    done = subprocess.run(
        [sys.executable, SCRIPT, savedmodel, tmp_path / "out"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: this TensorFlow (2.")
    assert "has no TensorRT" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_checks_a_savedmodel_without_a_gpu(script, savedmodel, tmp_path, capsys):
    script.main([str(savedmodel), str(tmp_path / "out"), "--check-only"])
    assert "3 numbers per image" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"savedmodel": "missing"}, "is not a SavedModel"),
        ({"output": "."}, "exists: remove it"),
        ({"precision": "INT8"}, "INT8 needs typical images"),
    ],
)
def test_refuses_before_it_loads_anything(script, savedmodel, tmp_path, monkeypatch, changes, message):
    monkeypatch.setattr(tf.saved_model, "load", lambda *_: pytest.fail("must not get so far"))
    given = {"savedmodel": savedmodel, "output": tmp_path / "out", "precision": "FP16", **changes}
    arguments = [
        str(tmp_path / given["output"]) if name == "output" else str(given[name])
        for name in ("savedmodel", "output")
    ]
    with pytest.raises(script.Refused, match=message):
        script.main([*arguments, "--precision", given["precision"]])


def test_refuses_another_savedmodel(script, tmp_path):
    module = Decoding()
    tf.saved_model.save(module, str(tmp_path / "other"), signatures={"pixels": module.pixels})
    with pytest.raises(
        script.Refused, match="is not an export of keras_reid: it has no signature decode, serving_default"
    ):
        script.main([str(tmp_path / "other"), str(tmp_path / "out")])


def convert_by_copying(script, monkeypatch, change=lambda module: None):
    """Replaces TensorRT: returns the same network, or a changed one."""

    def convert(tf, before, source, target, options, files):
        converted = tf.saved_model.load(str(source))
        change(converted)
        script.save_all(tf, before, converted, converted.signatures["pixels"], target)

    monkeypatch.setattr(script, "need_tensorrt", lambda tf: None)
    monkeypatch.setattr(script, "tensorrt_version", lambda: "8.6.1")
    monkeypatch.setattr(script, "convert", convert)


def test_keeps_the_signatures_and_extras_and_says_how_much_it_differs(
    script, savedmodel, tmp_path, monkeypatch
):
    convert_by_copying(script, monkeypatch)
    (savedmodel / "assets.extra").mkdir(exist_ok=True)
    (savedmodel / "assets.extra" / "tf_serving_warmup_requests").write_bytes(b"requests")
    script.main([str(savedmodel), str(tmp_path / "out"), "--precision", "FP32"])
    served = tf.saved_model.load(str(tmp_path / "out")).signatures
    assert set(served) == {"serving_default", "pixels", "decode", "metadata"}
    image = tf.io.encode_png(np.full((8, 4, 3), 9, np.uint8))
    assert served["serving_default"](image_bytes=image[None])["embedding"].shape == (1, 3)
    assert (tmp_path / "out" / "assets.extra" / "tf_serving_warmup_requests").read_bytes() == b"requests"
    told = json.loads((tmp_path / "out" / "parity.json").read_text())
    assert (told["verified"], told["max_difference"], told["batch_sizes"]) == (True, 0, [1, 7, 32])
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_answers_that_differ_leave_nothing(script, savedmodel, tmp_path, monkeypatch):
    def change(converted):
        for variable in converted.signatures["pixels"].variables:
            variable.assign(variable + [[0.1], [0.0], [0.0]])

    convert_by_copying(script, monkeypatch, change)
    with pytest.raises(script.Refused, match="the answers differ after the conversion"):
        script.main([str(savedmodel), str(tmp_path / "out"), "--precision", "FP32"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("precision", "passes"), [("FP32", False), ("FP16", False), ("INT8", True)])
def test_the_limits(script, monkeypatch, precision, passes):
    monkeypatch.setattr(script, "tensorrt_version", lambda: "8.6.1")
    expected = tf.constant([[1.0, 0.0]])
    answer = tf.constant([[np.cos(0.1), np.sin(0.1)]], tf.float32)  # cosine 0.995
    if passes:
        assert script.compare(tf, expected, answer, precision)["min_cosine"] == pytest.approx(0.995, abs=1e-3)
    else:
        with pytest.raises(script.Refused):
            script.compare(tf, expected, answer, precision)
    with pytest.raises(script.Refused):
        script.compare(tf, expected, answer * np.nan, precision)


def test_an_export_that_has_changed_is_not_converted(script, savedmodel, tmp_path, capsys):
    source = tmp_path / "source"
    shutil.copytree(savedmodel, source)
    script.check_hashes(source)
    assert "has no hashes" in capsys.readouterr().out
    assert script.hashes_of(source) == file_hashes(source)  # the script runs without keras_reid
    (source / "parity.json").write_text(json.dumps({"verified": True, "sha256": file_hashes(source)}))
    script.check_hashes(source)
    assert capsys.readouterr().out == ""
    file = next((source / "variables").glob("*.data*"))
    content = bytearray(file.read_bytes())
    content[0] ^= 1
    file.write_bytes(content)
    with pytest.raises(script.Refused, match=f"{file.name} has changed since the export was verified"):
        script.main([str(source), str(tmp_path / "target"), "--check-only"])
