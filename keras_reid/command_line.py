"""What the commands share: arguments by tyro, errors in one line, exit codes."""

import contextlib
import io
import os
import re
import sys
import tempfile
import warnings

from keras_reid.allocator import keep_freed_memory
from keras_reid.errors import UserError

USER_ERROR, INTERRUPTED = 2, 130


def run(main):
    """Runs a command's `main(arguments)` and exits: 0, 2 for a user's mistake, 130 after Ctrl-C.

    A user's mistake is one line on standard error, without a traceback, and a warning to the user one without a place
    in the code.
    """
    warnings.showwarning = _show_warning
    try:
        main(sys.argv[1:])
    except UserError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(USER_ERROR)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # the reader of our output, such as `head`, has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        if error.filename is None:
            raise
        # Not writable, no space left and the like.
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        sys.exit(USER_ERROR)


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
