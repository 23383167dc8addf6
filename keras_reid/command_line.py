"""What the commands share: arguments by tyro, errors in one line, exit codes."""

import os
import sys

from keras_reid.errors import UserError

USER_ERROR, INTERRUPTED = 2, 130


def run(main):
    """Runs a command's `main(arguments)` and exits: 0, 2 for a user's mistake, 130 after Ctrl-C.

    A user's mistake is one line on standard error, without a traceback.
    """
    # TensorFlow reads these when it is imported, which no command does before it has read its arguments.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    try:
        main(sys.argv[1:])
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(USER_ERROR)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # the reader of our output, such as `head`, has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
