"""The files of TensorFlow Serving that the server reads."""

import pathlib
import re

import pytest

from keras_reid.serving.server.batching_config import BatchingParameters, read_batching_config
from keras_reid.serving.server.model_config import ModelConfig, read_model_config
from keras_reid.serving.server.options import Serve
from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError

ROOT = pathlib.Path(__file__).parents[3]


def written(tmp_path, text):
    path = tmp_path / "file.config"
    path.write_text(text)
    return path


def test_batching_parameters(tmp_path):
    text = """
        max_batch_size { value: 6 }  # rows
        batch_timeout_micros { value: 0 }
        max_enqueued_batches { value: 3 }
        num_batch_threads { value: 2 }
        allowed_batch_sizes: 2
        allowed_batch_sizes: 6
        thread_pool_name { value: "embeddings" }
        enable_large_batch_splitting { value: false }
        pad_variable_length_inputs: false
    """
    parameters = read_batching_config(written(tmp_path, text))
    assert parameters == BatchingParameters(6, 0, 3, 2, (2, 6), "embeddings", False)
    assert [parameters.padded(rows) for rows in (1, 2, 3, 6)] == [2, 2, 6, 6]
    assert read_batching_config(written(tmp_path, "")) == BatchingParameters()


def test_without_allowed_sizes_batches_are_powers_of_two():
    assert [BatchingParameters(max_batch_size=12).padded(rows) for rows in (1, 2, 3, 5, 9, 12)] == [
        1,
        2,
        4,
        8,
        12,
        12,
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("max_batch_size { value: 0 }", "max_batch_size must be at least 1"),
        ("batch_timeout_micros { value: -1 }", "must not be negative"),
        ("max_batch_size { value: 8 } allowed_batch_sizes: 4", r"end with max_batch_size \(8\). Received: 4"),
        ("max_batch_size { value: 8 } allowed_batch_sizes: 9 allowed_batch_sizes: 8", "must increase"),
        ("pad_variable_length_inputs: true", "not supported"),
        ("max_batch_sizes { value: 8 }", "2?:?1.*max_batch_sizes"),
        ("max_batch_size: 8 }", "not a file of TensorFlow Serving's batching parameters"),
    ],
)
def test_mistakes_in_batching_parameters(tmp_path, text, words):
    with pytest.raises(UserError, match=words) as raised:
        read_batching_config(written(tmp_path, text))
    assert "file.config" in str(raised.value)


def test_models(tmp_path):
    text = """model_config_list {
      config { name: "a" base_path: "models/a" model_platform: "tensorflow" version_labels { key: "stable" value: 4 } }
      config { name: "b" base_path: "/b" model_version_policy { latest { num_versions: 2 } } }
      config { name: "c" base_path: "c" model_version_policy { all {} } }
      config { name: "d" base_path: "d" model_version_policy { specific { versions: 2 versions: 9 } } }
    }"""
    a, b, c, d = read_model_config(written(tmp_path, text))
    assert a == ModelConfig("a", tmp_path / "models" / "a", 1, (), {"stable": 4})
    assert str(b.base_path) == "/b"
    assert [model.wanted([1, 2, 10]) for model in (a, b, c, d)] == [[10], [2, 10], [1, 2, 10], [2]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "at least one model"),
        ("model_config_list { config { name: 'a' } }", "needs a name and a base_path"),
        ("model_config_list { config { nam: 'a' } }", "not a valid ModelServerConfig"),
        (
            "model_config_list { config { name: 'a' base_path: 'a' model_platform: 'torch' } }",
            "must be tensorflow",
        ),
        (
            "model_config_list { config { name: 'a' base_path: 'a' model_version_policy { specific {} } } }",
            "must name versions",
        ),
        (
            "model_config_list { config { name: 'a' base_path: 'a' } config { name: 'a' base_path: 'b' } }",
            "a different name",
        ),
    ],
)
def test_mistakes_in_the_models(tmp_path, text, words):
    with pytest.raises(UserError, match=words) as raised:
        read_model_config(written(tmp_path, text))
    assert "file.config" in str(raised.value)


def test_versions_are_numbered_folders_or_the_savedmodel_itself(tmp_path):
    for name in ("1", "2", "10", "x", "١", ".3", "9" * 30):
        (tmp_path / name).mkdir()
    (tmp_path / "4").write_text("a file")
    assert list(ModelConfig("a", tmp_path).find()) == [1, 2, 10]
    (tmp_path / "saved_model.pb").touch()
    assert ModelConfig("a", tmp_path).find() == {1: tmp_path}
    assert ModelConfig("a", tmp_path / "missing").find() == {}


def test_where_models_lie_here(tmp_path):
    text = "".join(
        f'config {{ name: "{name}" base_path: "{path}" }} '
        for name, path in (("a", "/models/a"), ("b", "/models"), ("c", "/modelsc"), ("d", "d"))
    )
    path = written(tmp_path, f"model_config_list {{ {text} }}")

    def base_paths(folder=None):
        return [str(config.base_path) for config in read_model_config(path, folder)]

    assert base_paths() == ["/models/a", "/models", "/modelsc", f"{tmp_path}/d"]
    here = [f"{tmp_path}/x/a", f"{tmp_path}/x", "/modelsc", f"{tmp_path}/d"]
    assert base_paths(tmp_path / "x") == here


def test_make_serve_keeps_the_version_before_and_knows_labels():
    """The Makefile starts the server with the options that going back to the previous version needs."""
    (command,) = re.findall(r"keras-reid serve ([^;]*);", (ROOT / "Makefile").read_text())
    command = command.replace("\\\n", "")
    words = command.split()
    options = command_line.parse(Serve, words, prog="serve")
    (model,) = read_model_config(ROOT / options.model_config_file, options.models_folder)
    assert model.base_path == pathlib.Path("models/reid")
    assert model.latest == 2
    assert model.labels == {"stable": 1, "canary": 1}
    assert " ".join(words[:4]) in (ROOT / "serving" / "README.md").read_text()
