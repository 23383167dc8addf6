"""Code that all commands share: arguments with tyro, one-line errors, exit codes."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import re
import shlex
import signal
import sys
import tempfile
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from keras_reid.utils import help_text
from keras_reid.utils.allocator import keep_freed_memory
from keras_reid.utils.errors import UserError, reason
from keras_reid.utils.full_disk import free_bytes, is_full, megabytes

USER_ERROR, INTERRUPTED = 2, 130
_WATCH_SECONDS = 0.1
_LISTED = (
    r"^ {5}(\S+)"  # the name of an option in the box in which tyro complains; its help is indented further
)
_continuing = []  # the command that continues this one


def run(main: Callable[[list[str]], Any]) -> None:
    """Runs a command's `main(arguments)` and exits with 0, with 2 (user's mistake, full disk), or 130 (Ctrl-C).

    Errors are one line on standard error, without a traceback; warnings to the user are one line without a code
    location. Commands write files under temporary names (`keras_reid.utils.files`), so that nothing is left half
    written.
    """
    warnings.showwarning = _show_warning
    _continuing.clear()
    with _Interrupts() as interrupts:
        try:
            main(sys.argv[1:])
            sys.stdout.flush()
            code = INTERRUPTED if interrupts.came else 0
        except BaseException as error:
            interrupts.let_go()
            # An interrupt in native code or in a child process comes back as another error.
            interrupted = interrupts.came or isinstance(error, KeyboardInterrupt)
            code = INTERRUPTED if interrupted else _said(error)
    if code == INTERRUPTED:
        print(
            "interrupted", *(f"to continue: {command}" for command in _continuing), sep="; ", file=sys.stderr
        )
    if code:
        _let_go_of_output()
        sys.exit(code)


def check_counts(options: Any, *names: str) -> None:
    """Checks options that count something.

    Raises:
        UserError: one of them is below 1.
    """
    for name in names:
        if getattr(options, name) < 1:
            option = name.replace("_", "-")
            raise UserError(f"--{option} must be at least 1. Received: {getattr(options, name)}")


def _said(error):
    """Prints an error as one line and returns the exit code; raises errors that are not the user's mistake."""
    if isinstance(error, UserError):
        text = str(error)
    elif isinstance(error, BrokenPipeError):  # the reader of our output, such as `head`, has stopped reading
        _let_go_of_output()
        return 0
    elif isinstance(error, Exception) and is_full(error):
        text = _full(error)
    elif isinstance(error, OSError) and error.filename is not None:  # such as a file that is not writable
        text = f"{error.filename2 or error.filename}: {error.strerror}"
    else:
        raise error
    print(f"error: {' '.join(text.split())}", file=sys.stderr)
    return USER_ERROR


def _full(error):
    """The message for a full disk, with the remedy."""
    where = getattr(error, "filename2", None) or getattr(error, "filename", None)
    if where is None:
        return f"the disk is full: {reason(error)[:300]}. Make room, and repeat the command"
    folder = os.path.dirname(os.path.abspath(str(where)))
    return (
        f"{where}: no room to write it: {error.strerror.lower()}; {megabytes(free_bytes(folder))} are free "
        "on that disk. An earlier file there is untouched. Make room, and repeat the command"
    )


class _Interrupts:
    """Inside the block, Ctrl-C ends the command wherever it arrives; `came` says whether it did.

    Libraries that call Python from native code turn `KeyboardInterrupt` into their own error, or drop it. Python drops
    it in a `__del__` or a callback, for example during an import. A dropped interrupt is raised again, but not while
    it, or the error that replaced it, is still propagating: cleaning up takes time.
    """

    def __init__(self):
        self.came, self._watching, self._again = False, False, False

    def __enter__(self):
        # Otherwise the signal is ignored (`nohup`) or somebody else handles it. Only the main thread gets signals.
        if (
            signal.getsignal(signal.SIGINT) is signal.default_int_handler
            and threading.current_thread() is threading.main_thread()
        ):
            self._watching = True
            signal.signal(signal.SIGINT, self._interrupt)
            self._unraisable, sys.unraisablehook = sys.unraisablehook, self._say_unraisable
        return self

    def __exit__(self, *_):
        self.let_go()

    def let_go(self):
        """Restores the earlier behaviour of Ctrl-C."""
        if self._watching:
            self._watching = False
            signal.signal(signal.SIGINT, signal.default_int_handler)
            sys.unraisablehook = self._unraisable

    def _interrupt(self, number, frame):
        again, self._again = self._again, False
        if again and sys.exception() is not None:
            return
        if not self.came:
            self.came = True
            threading.Thread(target=self._watch, daemon=True).start()
        stop = _Interrupt()
        self._raised = weakref.ref(stop)
        try:
            raise stop
        finally:
            del stop  # otherwise this frame, which its traceback holds, would keep it alive

    def _say_unraisable(self, dropped):
        if not issubclass(dropped.exc_type, _Interrupt):
            self._unraisable(dropped)

    def _watch(self):
        while self._watching:
            time.sleep(_WATCH_SECONDS)
            if self._watching and self._raised() is None:  # it was dropped, and the command is still running
                self._again = True
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)


class _Interrupt(KeyboardInterrupt):
    """A `KeyboardInterrupt` that a weak reference can watch."""


def _let_go_of_output():
    """Discards unwritten output that cannot be written, so that Python does not complain at exit."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def continue_with(name: str, arguments: Sequence[str], *more: str) -> None:
    """From now on, Ctrl-C also says which command continues the work. Only where it does not begin again.

    Args:
        name: of the command, such as `"fit"`.
        arguments: what it was called with.
        more: options to add, unless they are there.
    """
    words = [*arguments, *(option for option in more if option not in arguments)]
    _continuing[:] = [f"keras-reid {name} {shlex.join(map(str, words))}"]


def load_tensorflow() -> None:
    """Imports TensorFlow without its messages about missing GPUs; commands call it after checking their arguments.

    Native code prints these messages before the log level takes effect, and they would bury the command's own output.
    They are shown if the import fails. Also sets how memory is freed, which speeds up the input pipeline.

    Where scikit-learn and JAX are installed, Keras would load the one for `keras.wrappers`, and TensorFlow the other
    for its converter. Nothing here needs them so early, and both together take a third of the whole import.

    The cyclic garbage collector waits meanwhile, and leaves alone for good what was imported: looking through the half
    million objects that stay anyway would take a fifth of the import, and more later.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    keep_freed_memory()
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            with (
                _as_if_not_installed("sklearn", *(["jax"] if os.environ["KERAS_BACKEND"] != "jax" else [])),
                _without_garbage_collection(),
            ):
                import tensorflow  # noqa: F401, I001
                import keras  # noqa: F401
        except BaseException:
            aside.seek(0)
            os.write(terminal, aside.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)


@contextlib.contextmanager
def _as_if_not_installed(*packages):
    """Within the block an import of these packages fails, unless they are loaded already."""
    hidden = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextlib.contextmanager
def _without_garbage_collection():
    """Within the block, the cyclic garbage collector does not run; later it leaves alone what is there at its end."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if was_on:
            gc.enable()


def parse(target: Any, arguments: Sequence[str], **options: Any) -> Any:
    """`tyro.cli`, but mistakes in the arguments raise a `UserError` with one line."""
    import tyro

    if {"-h", "--help"} & set(arguments):
        help_text.join_lines(target, options.get("default"))
        with help_text.wrapped():
            return tyro.cli(target, args=arguments, **options)
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(target, args=arguments, **options)
    except SystemExit as stop:
        if not stop.code:
            raise
        raise UserError(_one_line(complaint.getvalue())) from None


def _show_warning(message, category, filename, lineno, file=None, line=None):
    if category is UserWarning:
        text = f"warning: {' '.join(str(message).split())}\n"
    else:
        text = warnings.formatwarning(message, category, filename, lineno, line)
    (file or sys.stderr).write(text)


def _one_line(box):
    """Turns tyro's error box into one line. Of options that it lists, their names alone, not their help."""
    content = "\n".join(line.strip("╭╮╰╯│").rstrip() for line in box.splitlines()[1:])
    said = []
    for part in re.split(r"^ ?─+$", content, flags=re.M):
        heading, _, listed = part.strip().partition(":\n")
        if heading.startswith(("Missing from", "Perhaps you meant")):
            part = f"{heading}: {', '.join(re.findall(_LISTED, listed, re.M))}"
        if not heading.startswith("For full helptext"):
            said.append(re.sub(r"\s+", " ", part).strip(" ."))
    text = re.sub(r"(?<=Expected one of )\(([^()]*)\)", _choices, ". ".join(filter(None, said)))
    return f"{text}; --help lists every option"


def _choices(match):
    """The choices that tyro lists, without the None of an option that may be left out, which is no word to type."""
    return ", ".join(sorted(set(re.findall(r"'([^']*)'", match[1])) - {"None"}))
