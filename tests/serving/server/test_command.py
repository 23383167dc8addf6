"""Messages and exit codes of the command."""

import re
import socket
import subprocess

import pytest

from keras_reid.serving.server.command import main
from keras_reid.utils.errors import UserError
from tests.serving.running import ROOT, command


def ended(*arguments):
    """Runs the server, which must end by itself; returns its exit code and standard error."""
    process = subprocess.run(command(*arguments), cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert process.stdout == ""
    return process.returncode, process.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "either MODEL_DIR or --model-config-file"),
        (["missing"], "missing: no such folder"),
        (["MODELS", "--batching-config", "missing"], "missing: no such file"),
        (["MODELS", "--model-config-file", "setup.cfg"], "not both"),
        (
            ["MODELS", "--batching-config", "setup.cfg"],
            "setup.cfg: not a file of TensorFlow Serving's batching parameters",
        ),
        (["MODELS", "--name", "a/b"], "--name must be a word"),
        (["MODELS", "--rest-port", "70000"], "--rest-port must be 0 to 65535"),
        (["MODELS", "--max-rows", "0"], "--max-rows must be above 0"),
        (["MODELS", "--poll-seconds", "-1"], "--poll-seconds must not be negative"),
        (["MODELS", "--host", "256.1.1.1"], "--rest-port: cannot listen on 256.1.1.1"),
        (["MODELS", "--host", "a..b"], "--rest-port: cannot listen on a..b"),
        (
            ["MODELS", "--models-folder", "MODELS"],
            "--models-folder replaces /models in --model-config-file",
        ),
        (
            ["--model-config-file", "setup.cfg", "--models-folder", "missing"],
            "missing: no such folder. --models-folder holds one sub-folder per model",
        ),
        (["MODELS", "--load-seconds", "0"], "--load-seconds must be above 0"),
        (["MODELS", "--max-request-megapixels", "nan"], "--max-request-megapixels must be above 0"),
        (["MODELS", "--idle-seconds", "0"], "--idle-seconds must be above 0"),
    ],
)
def test_mistakes(tmp_path, arguments, words):
    (tmp_path / "1").mkdir()
    with pytest.raises(UserError, match=re.escape(words)):
        main([str(tmp_path if argument == "MODELS" else argument) for argument in arguments])


@pytest.mark.parametrize("option", ["--rest-port", "--grpc-port"])
def test_a_port_in_use(tmp_path, option):
    (tmp_path / "1").mkdir()
    other_option = {"--rest-port": "--grpc-port", "--grpc-port": "--rest-port"}[option]
    with socket.create_server(("127.0.0.1", 0)) as other:
        arguments = [str(tmp_path), option, str(other.getsockname()[1]), other_option, "0"]
        said = f"{option}: cannot listen on 127.0.0.1.* Stop what listens there, or choose another {option}$"
        with pytest.raises(UserError, match=said):
            main(arguments)


def test_nothing_to_serve(tmp_path):
    code, text = ended(tmp_path, "--rest-port", 0, "--grpc-port", 0)
    assert code == 2
    assert text.startswith("error: ")
    assert text.endswith("keras-reid publish creates them\n")
    assert text.count("\n") == 1


def test_nothing_that_can_be_loaded(tmp_path):
    (tmp_path / "1").mkdir()
    code, text = ended(tmp_path, "--rest-port", 0, "--grpc-port", 0)
    assert code == 2
    assert f"{tmp_path}: no version can be served: reid 1:" in text.splitlines()[-1]
    assert "Traceback" not in text


def test_help_does_not_import_tensorflow():
    code = "import sys, keras_reid.serving.server.__main__; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([*command()[:1], "-c", code], cwd=ROOT).returncode == 0
