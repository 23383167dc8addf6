import contextlib
import dataclasses
import errno
import signal
import subprocess
import sys
import time
import warnings
from typing import Annotated, Literal

import numpy as np
import pytest
import tensorflow as tf
import tyro

from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError


@pytest.mark.parametrize(
    ("category", "said"),
    [(UserWarning, "warning: cameras look like dates\n"), (FutureWarning, "FutureWarning: cameras look")],
)
def test_a_warning_to_the_user_is_said_without_a_place_in_the_code(category, said, capsys):
    def main(arguments):
        warnings.simplefilter("always")
        warnings.warn("cameras look\nlike dates", category, stacklevel=1)

    with warnings.catch_warnings():
        command_line.run(main)
    shown = capsys.readouterr().err
    assert said in shown
    assert (".py" in shown) == (category is FutureWarning)


def outcome(main, capsys):
    """Exit code and printed lines."""
    try:
        command_line.run(main)
        code = 0
    except SystemExit as stop:
        code = stop.code
    printed = capsys.readouterr()
    return code, printed.err.splitlines()


def raising(error):
    def main(arguments):
        raise error

    return main


def test_a_full_disk_is_a_line_with_the_file_and_what_is_free(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        command_line, "free_bytes", lambda folder: 1_500_000 if folder == str(tmp_path) else 0
    )
    file = str(tmp_path / "a.npz")
    code, lines = outcome(raising(OSError(errno.ENOSPC, "No space left on device", file)), capsys)
    assert code == 2
    assert lines == [
        f"error: {file}: no room to write it: no space left on device; 1.5 MB are free on that disk. "
        "An earlier file there is untouched. Make room, and repeat the command"
    ]


@pytest.mark.parametrize(
    "error",
    [
        tf.errors.ResourceExhaustedError(None, None, "/x;\nNo space left on device [Op:SaveV2]"),
        tf.errors.OutOfRangeError(None, None, "/x; File too large"),
        tf.errors.UnknownError(None, None, "/x; Disk quota exceeded"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
    ],
)
def test_so_it_is_where_nobody_names_a_file(error, capsys):
    code, (line,) = outcome(raising(error), capsys)
    assert code == 2
    assert line.startswith("error: the disk is full: ")
    assert line.endswith("Make room, and repeat the command")


def test_so_it_is_where_it_is_the_cause_of_another_error(capsys):
    def main(arguments):
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        finally:
            raise ValueError("cannot close the archive")

    assert outcome(main, capsys)[0] == 2


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EIO, "Input/output error"),
        tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"),
        ValueError("a defect"),
    ],
)
def test_a_defect_keeps_its_traceback(error):
    with pytest.raises(type(error)) as caught:
        command_line.run(raising(error))
    assert caught.value is error


@pytest.mark.medium
@pytest.mark.parametrize(
    "words", ["print('x' * 100)", "print('x', flush=True)", "sys.stdout.write('x' * 10**6)"]
)
def test_output_to_a_full_disk_is_a_line_too(words):
    code = (
        f"import sys\nfrom keras_reid.utils import command_line\ncommand_line.run(lambda arguments: {words})"
    )
    with open("/dev/full", "w") as full:
        process = subprocess.run([sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True)
    assert process.returncode == 2
    (line,) = process.stderr.splitlines()
    assert line.startswith("error: the disk is full: [Errno 28]")


def interrupt():
    signal.raise_signal(signal.SIGINT)


def test_an_interrupt_is_130_and_afterwards_python_has_its_own_again(capsys):
    hook = sys.unraisablehook
    assert outcome(lambda arguments: interrupt(), capsys) == (130, ["interrupted"])
    assert outcome(raising(KeyboardInterrupt()), capsys) == (130, ["interrupted"])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert sys.unraisablehook is hook
    with pytest.raises(KeyboardInterrupt):
        interrupt()


def test_an_interrupt_says_which_command_continues(capsys):
    def main(arguments):
        command_line.continue_with("fit", ["my file.py", "--training.epochs", "3"], "--resume")
        interrupt()

    said = "interrupted; to continue: keras-reid fit 'my file.py' --training.epochs 3 --resume"
    assert outcome(main, capsys) == (130, [said])
    assert outcome(lambda arguments: interrupt(), capsys) == (130, ["interrupted"])


def test_an_interrupt_in_native_code_is_130(capsys):
    """TensorFlow turns it into its own error."""
    told = []

    def main(arguments):
        try:
            tf.numpy_function(lambda: interrupt() or np.float32(0), [], tf.float32)
        except BaseException as error:
            told.append(type(error))
            raise

    assert outcome(main, capsys) == (130, ["interrupted"])
    assert len(told) == 1


@pytest.mark.parametrize(
    "error", [UserError("the artefact does not run: KeyboardInterrupt"), RuntimeError("a child died")]
)
def test_an_interrupt_that_became_another_error_is_130(error, capsys):
    def main(arguments):
        try:
            interrupt()
        except KeyboardInterrupt:
            raise error from None

    assert outcome(main, capsys) == (130, ["interrupted"])


def test_an_interrupt_that_was_dropped_comes_again(capsys):
    class Dropping:
        def __del__(self):
            interrupt()

    went_on = []

    def main(arguments):
        Dropping()
        end = time.monotonic() + 5
        while time.monotonic() < end:
            time.sleep(0.01)
        went_on.append(1)

    assert outcome(main, capsys) == (130, ["interrupted"])
    assert went_on == []


def test_while_it_makes_its_way_out_it_does_not_come_again(capsys, monkeypatch):
    monkeypatch.setattr(command_line, "_WATCH_SECONDS", 0.01)
    cleaned = []

    def main(arguments):
        try:
            try:
                interrupt()
            except KeyboardInterrupt:
                raise RuntimeError("what native code makes of it") from None
        finally:
            time.sleep(0.1)
            cleaned.append(1)

    assert outcome(main, capsys) == (130, ["interrupted"])
    assert cleaned == [1]


def test_a_second_one_interrupts_the_cleaning_up(capsys):
    cleaned = []

    def main(arguments):
        try:
            interrupt()
        finally:
            interrupt()
            cleaned.append(1)

    assert outcome(main, capsys) == (130, ["interrupted"])
    assert cleaned == []


def test_one_that_was_handled_by_the_command_is_130_at_its_end(capsys):
    def main(arguments):
        with contextlib.suppress(KeyboardInterrupt):
            interrupt()

    assert outcome(main, capsys) == (130, ["interrupted"])


def test_ignored_interrupts_stay_ignored(capsys):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert outcome(lambda arguments: interrupt(), capsys) == (0, [])
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.medium
def test_tensorflow_is_loaded_without_scikit_learn_and_jax_and_both_can_be_imported_afterwards():
    code = """
import sys
from keras_reid.utils.command_line import load_tensorflow
load_tensorflow()
assert {"tensorflow", "keras"} < set(sys.modules)
assert not {"sklearn", "jax"} & set(sys.modules)
import jax, sklearn
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.medium
@pytest.mark.parametrize("before", ["enable", "disable"])
def test_the_garbage_collector_leaves_tensorflow_alone_and_is_as_it_was(before):
    code = f"""
import gc
from keras_reid.utils.command_line import load_tensorflow
gc.{before}()
passes = []
gc.callbacks.append(lambda phase, info: passes.append(info["generation"]))
load_tensorflow()
assert 2 not in passes and gc.isenabled() == ({before!r} == "enable")
assert gc.get_freeze_count() > 100_000
gc.enable()
loop = [gc]
loop.append(loop)
del loop
assert gc.collect() > 0
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@dataclasses.dataclass
class Options:
    model: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="MODEL")]
    """where it is,
    at length"""
    output: str
    """the file to write"""
    format: Literal["b", "a"] | None = None
    """of the file"""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("", "Missing from keras-reid x: MODEL, --output"),
        ("m --device gpu", "Missing from keras-reid x: --output. Unrecognized options: --device gpu"),
        ("m --output o --ouput p", "Unrecognized options: --ouput, p. Perhaps you meant: --output"),
        ("m --output o --format c", "invalid choice 'c' for argument '--format'. Expected one of a, b"),
    ],
)
def test_a_mistake_in_the_arguments_is_one_line_without_the_help(arguments, said):
    with pytest.raises(UserError) as caught:
        command_line.parse(Options, arguments.split(), prog="keras-reid x")
    assert str(caught.value) == f"{said}; --help lists every option"
