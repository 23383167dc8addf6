import os
import subprocess
import sys

import pytest

import keras_reid
from keras_reid import __main__ as program
from tests.conftest import ROOT


def process(*arguments, cwd=None, module="keras_reid", **options):
    words = [sys.executable, "-m", module, *arguments]
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, **options)


def test_every_command_is_listed():
    """Each file of the package's root is a command, and so are rooms with a command of their name."""
    files = {file.stem for file in (ROOT / "keras_reid").glob("[a-z]*.py")}
    assert {*files, "export", "gallery", "tracks", "zoo"} == set(program.COMMANDS)


@pytest.mark.parametrize("name", program.COMMANDS)
def test_a_command_has_one_line(name, command):
    module, what = program.COMMANDS[name]
    assert len(what) < 70
    shown = command(module.removeprefix("keras_reid.").removesuffix(".__main__"), "--help").stdout
    assert shown.startswith(f"usage: keras-reid {name} ")


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_without_a_command_it_lists_them(arguments, capsys):
    program.main(list(arguments))
    printed = capsys.readouterr().out
    assert printed.count("\n") == len(program.COMMANDS) + 7
    assert "  fit          train and evaluate an experiment\n" in printed


def test_version(capsys):
    program.main(["--version"])
    assert capsys.readouterr().out == f"keras_reid {keras_reid.__version__}\n"


def test_it_is_light():
    """Neither the list nor a command's help loads Keras; the list loads not even tyro."""
    code = "import sys; from keras_reid.__main__ import main; {} print(sorted(sys.modules))"
    run = [sys.executable, "-c"]
    listed = subprocess.run(
        [*run, code.format("main([]);")], capture_output=True, text=True, check=True
    ).stdout
    assert not {"'keras'", "'tensorflow'", "'numpy'", "'tyro'"} & set(listed.replace("]", ",").split(", "))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("fti", "error: there is no command 'fti'. Did you mean fit? `keras-reid` lists all commands\n"),
        ("ranked-lists", "error: there is no command 'ranked-lists'. Did you mean ranked_list? "),
        ("zzz", "error: there is no command 'zzz'. `keras-reid` lists all commands\n"),
        ("--smoke", "error: there is no command '--smoke'. `keras-reid` lists all commands\n"),
    ],
)
def test_an_unknown_command(name, said):
    finished = process(name)
    assert finished.returncode == 2
    assert finished.stderr.startswith(said)


def test_a_name_may_have_a_dash(capsys):
    with pytest.raises(SystemExit) as stop:
        program.main(["ranked-list", "--help"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith("usage: keras-reid ranked_list ")


def test_errors_are_those_of_the_command(tmp_path):
    ours = process("fit", "missing.py", cwd=tmp_path)
    theirs = process("missing.py", cwd=tmp_path, module="keras_reid.fit")
    assert (ours.returncode, ours.stderr) == (theirs.returncode, theirs.stderr)
    assert ours.returncode == 2
    assert ours.stderr.startswith("error: experiment file 'missing.py' does not exist")


SCRIPT = "from keras_reid.__main__ import script; script()"


def script(*arguments, cwd, **environment):
    """What the installed program does: its folder, not the working directory, is on the path at first."""
    return subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:] = filter(None, sys.path); {SCRIPT}", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
    )


def test_experiment_files_import_from_the_working_directory(tmp_path):
    """As with `python -m`; `PYTHONSAFEPATH` turns it off in both."""
    (tmp_path / "beside.py").write_text("NAME = 'from_beside'\n")
    (tmp_path / "mine.py").write_text(
        "from beside import NAME\nfrom keras_reid.experiment import Experiment\nexperiment = Experiment(name=NAME)\n"
    )
    finished = script("fit", "mine.py", "--print", cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.startswith("name = from_beside\n")
    finished = script("fit", "mine.py", "--print", cwd=tmp_path, PYTHONSAFEPATH="1")
    assert finished.returncode == 2
    assert "No module named 'beside'" in finished.stderr


def test_completion_names_the_shells():
    finished = process("--completion", "fish")
    assert finished.returncode == 2
    assert finished.stderr == "error: --completion must be followed by bash or zsh. Received: 'fish'\n"
