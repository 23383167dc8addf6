"""What the commands share: arguments by tyro, errors in one line, exit codes."""

import contextlib
import io
import os
import re
import signal
import sys
import tempfile
import threading
import time
import warnings
import weakref

from keras_reid.utils.allocator import keep_freed_memory
from keras_reid.utils.errors import UserError, reason
from keras_reid.utils.full_disk import free_bytes, is_full, megabytes

USER_ERROR, INTERRUPTED = 2, 130
_WATCH_SECONDS = 0.1


def run(main):
    """Runs a command's `main(arguments)` and exits: 0, 2 for a user's mistake or a full disk, 130 after Ctrl-C.

    Either is one line on standard error, without a traceback, and a warning to the user one without a place in the
    code. What a command writes it writes aside (`keras_reid.utils.files`), so that nothing is half there.
    """
    warnings.showwarning = _show_warning
    with _Interrupts() as interrupts:
        try:
            main(sys.argv[1:])
            sys.stdout.flush()
            code = INTERRUPTED if interrupts.came else 0
        except BaseException as error:
            interrupts.let_go()
            # An interrupt in the middle of native code, or in a child process, comes back as an error of its own.
            interrupted = interrupts.came or isinstance(error, KeyboardInterrupt)
            code = INTERRUPTED if interrupted else _said(error)
    if code == INTERRUPTED:
        print("interrupted", file=sys.stderr)
    if code:
        _let_go_of_output()
        sys.exit(code)


def _said(error):
    """Says an error in a line; returns the exit code. What is no mistake of the user's is raised again."""
    if isinstance(error, UserError):
        text = str(error)
    elif isinstance(error, BrokenPipeError):  # the reader of our output, such as `head`, has what it wanted
        _let_go_of_output()
        return 0
    elif isinstance(error, Exception) and is_full(error):
        text = _full(error)
    elif isinstance(error, OSError) and error.filename is not None:  # not writable and the like
        text = f"{error.filename2 or error.filename}: {error.strerror}"
    else:
        raise error
    print(f"error: {' '.join(text.split())}", file=sys.stderr)
    return USER_ERROR


def _full(error):
    """What is to be done about a full disk."""
    where = getattr(error, "filename2", None) or getattr(error, "filename", None)
    if where is None:
        return f"the disk is full: {reason(error)[:300]}. Make room, and repeat the command"
    folder = os.path.dirname(os.path.abspath(str(where)))
    return (
        f"{where}: no room to write it: {error.strerror.lower()}; {megabytes(free_bytes(folder))} are free "
        "on that disk. What stood there before is untouched. Make room, and repeat the command"
    )


class _Interrupts:
    """Within it Ctrl-C ends the command wherever it comes; `came` says whether it did.

    Libraries that call Python from native code turn `KeyboardInterrupt` into an error of theirs, or drop it, and so
    does Python where it comes in a `__del__` or a callback, as in an import. Then it is raised again, but not while it,
    or what it was turned into, makes its way out: cleaning up takes its time.
    """

    def __init__(self):
        self.came, self._watching, self._again = False, False, False

    def __enter__(self):
        # Else it is ignored, as by `nohup`, or somebody's own. Other threads get no signals.
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
        """From here on Ctrl-C is what it was before."""
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
            del stop  # else this frame, which belongs to it, would keep it

    def _say_unraisable(self, dropped):
        if not issubclass(dropped.exc_type, _Interrupt):
            self._unraisable(dropped)

    def _watch(self):
        while self._watching:
            time.sleep(_WATCH_SECONDS)
            if self._watching and self._raised() is None:  # it was dropped, and the command runs on
                self._again = True
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)


class _Interrupt(KeyboardInterrupt):
    """One that can be watched."""


def _let_go_of_output():
    """Python writes out what is left when it ends, and complains if it cannot: a full disk, a reader that is gone."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def load_tensorflow():
    """Imports TensorFlow, which a command does once it has checked its arguments, without its lines about missing GPUs.

    They come from native code before its log level counts, and would bury what the command says. If the import fails,
    they are shown. Also sets how memory is freed, which counts for the input pipeline.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    keep_freed_memory()
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            import tensorflow  # noqa: F401
        except BaseException:
            aside.seek(0)
            os.write(terminal, aside.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)


def parse(target, arguments, **options):
    """`tyro.cli` whose complaint about the arguments is one line, a `UserError`."""
    import tyro

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
    """What tyro says in a box on several lines, as one line."""
    lines = [line.strip("╭╮╰╯│─ \n") for line in box.splitlines()[1:]]
    text = re.sub(r"\s+", " ", " ".join(lines)).partition("For full helptext")[0]
    return f"{text.strip(' .')}; --help lists every option"
