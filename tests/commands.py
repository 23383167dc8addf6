"""A command of keras_reid, in this process, as nearly as can be what it is in one of its own, or in one."""

import contextlib
import dataclasses
import importlib
import importlib.util
import io
import os
import subprocess
import sys
import traceback
import warnings

from keras_reid.utils import command_line


@dataclasses.dataclass(frozen=True)
class Finished:
    """What a command left, named as in `subprocess.CompletedProcess`."""

    returncode: int
    stdout: str
    stderr: str


def run_command(name, arguments, cwd):
    """Runs `python -m keras_reid.NAME ARGUMENTS` with `cwd` as working directory, without starting a process.

    TensorFlow is loaded once for all of them (5 s of processor time each otherwise). What the process itself does,
    such as signals, light imports or what native code prints, needs a process: `command.process`.
    """
    out, err = io.StringIO(), io.StringIO()
    arguments = [str(argument) for argument in arguments]
    with (
        _as_in_a_new_process(f"keras_reid.{name}", arguments, cwd),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        warnings.catch_warnings(record=True) as warned,
    ):
        warnings.simplefilter("default")  # as errors they would change what a command does
        try:
            command_line.run(_main(name))
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        except Exception:
            traceback.print_exc()
            code = 1
    for warning in warned:
        err.write(warnings.formatwarning(warning.message, warning.category, warning.filename, warning.lineno))
    return Finished(code, out.getvalue(), err.getvalue())


def run_process(name, arguments, cwd):
    """The same in a process of its own."""
    words = [sys.executable, "-m", f"keras_reid.{name}", *map(str, arguments)]
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True)


def _main(name):
    module = f"keras_reid.{name}"
    if importlib.util.find_spec(module).submodule_search_locations:
        module += ".__main__"
    return importlib.import_module(module).main


@contextlib.contextmanager
def _as_in_a_new_process(module, arguments, cwd):
    """Afterwards everything of the process is as it was before."""
    import keras

    argv, path, environment = sys.argv, list(sys.path), dict(os.environ)
    modules, policy = set(sys.modules), keras.config.dtype_policy()
    try:
        with contextlib.chdir(cwd):
            sys.argv = [module, *arguments]
            sys.path.insert(0, os.getcwd())
            yield
    finally:
        sys.argv, sys.path[:] = argv, path
        os.environ.clear()
        os.environ.update(environment)
        keras.config.set_dtype_policy(policy)
        for name in set(sys.modules) - modules:  # modules beside an experiment file: another test has its own
            file = getattr(sys.modules[name], "__file__", None)
            if file and os.path.realpath(file).startswith(os.path.realpath(cwd) + os.sep):
                del sys.modules[name]
