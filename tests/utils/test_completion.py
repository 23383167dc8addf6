import dataclasses
import shutil
import subprocess
from typing import Annotated, Literal

import pytest
import tyro

from keras_reid.utils.completion import completion_script, options_of


@dataclasses.dataclass
class Limits:
    most_rows: int = 256


@dataclasses.dataclass
class Write:
    source: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")]
    format: tuple[Literal["onnx", "savedmodel"], ...] = ("onnx",)
    version: Literal[1, 2] | None = None
    batch_size: Annotated[int, tyro.conf.arg(metavar="N")] = 1
    limits: Annotated[Limits, tyro.conf.arg(name="")] = dataclasses.field(default_factory=Limits)


OPTIONS = {"--format": ("onnx", "savedmodel"), "--version": ("1", "2"), "--batch-size": (), "--most-rows": ()}
COMMANDS = {"write": OPTIONS, "read": {"": ("slowly", "fast"), "--all": ()}}


@dataclasses.dataclass
class Read:
    speed: Annotated[Literal["slowly", "fast"], tyro.conf.Positional]
    all: bool = False


def test_options():
    assert options_of(Write) == OPTIONS
    assert options_of(Read) == COMMANDS["read"]


def complete_in_bash(script, words, folder):
    """What bash offers for the last word: the function's answers or, where there are none, file names."""
    (folder / "complete.bash").write_text(script)
    code = """
    source complete.bash
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
    _tool
    printf '%s\\n' "${COMPREPLY[@]}"
    complete -p tool
    """
    process = subprocess.run(
        ["bash", "-uc", code, "bash", *words], cwd=folder, capture_output=True, text=True, check=True
    )
    *offered, registered = process.stdout.split("\n")[:-1]
    assert registered == "complete -o default -F _tool tool"
    return [word for word in offered if word]


CASES = [
    (["tool", ""], ["write", "read"]),
    (["tool", "wr"], ["write"]),
    (["tool", "write", "--"], [*OPTIONS, "--help"]),
    (["tool", "write", "model", "--b"], ["--batch-size"]),
    (["tool", "read", "-"], ["--all", "--help"]),
    (["tool", "write", "--format", ""], ["onnx", "savedmodel"]),
    (["tool", "write", "--format", "onnx", "s"], ["savedmodel"]),
    (["tool", "write", "--format", "onnx", "--version", ""], ["1", "2"]),
    (["tool", "read", "s"], ["slowly"]),
    (["tool", "read", "slowly", ""], []),
    (["tool", "write", ""], []),
    (["tool", "write", "--batch-size", ""], []),
    (["tool", "other", "--"], []),
]


@pytest.mark.parametrize(("words", "offered"), CASES)
def test_bash(words, offered, tmp_path):
    assert complete_in_bash(completion_script("bash", "tool", COMMANDS), words, tmp_path) == offered


def test_the_script_of_the_program(command, tmp_path, capsys):
    from keras_reid.__main__ import main

    main(["--completion", "bash"])
    (tmp_path / "script").write_text(capsys.readouterr().out)
    code = """
    source ./script
    for line in "" "export --format o" "fit mine.py --training.ep" "init " "serve --rest-p"; do
      COMP_WORDS=(keras-reid $line); case $line in *" "|"") COMP_WORDS+=("") ;; esac
      COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _keras_reid; echo "$line: ${COMPREPLY[*]}"
    done
    """
    process = subprocess.run(["bash", "-uc", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert process.stdout.splitlines()[0].startswith(": init doctor fit ")
    assert process.stdout.splitlines()[1:] == [
        "export --format o: onnx",
        "fit mine.py --training.ep: --training.epochs",
        "init : person vehicle folder csv",
        "serve --rest-p: --rest-port",
    ]


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
def test_zsh_reads_the_script(tmp_path):
    (tmp_path / "script").write_text(completion_script("zsh", "tool", COMMANDS))
    code = "source ./script; print $_comps[tool]"
    process = subprocess.run(["zsh", "-fc", code], cwd=tmp_path, capture_output=True, text=True)
    assert "_tool" in process.stdout, process.stderr
