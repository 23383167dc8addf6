"""What a run says when it must stop early."""

import contextlib
import sys

from keras_reid.utils.errors import UserError
from keras_reid.utils.full_disk import free_bytes, is_full, megabytes

TERMINATED = 128 + 15  # as a shell says of a process that SIGTERM ended


@contextlib.contextmanager
def said_in_words(directory):
    """Says what a full disk and SIGTERM mean for the run."""
    from keras_reid.training.callbacks import Terminated

    try:
        yield
    except Terminated as stop:
        print(
            f"SIGTERM: {stop}, with a checkpoint in {directory / 'checkpoints'}; repeat the command with --resume "
            "to continue",
            file=sys.stderr,
        )
        sys.exit(TERMINATED)
    except Exception as error:
        if isinstance(error, UserError) or not is_full(error) or directory is None:
            raise
        raise UserError(
            f"no room in {directory.path}: {megabytes(free_bytes(directory.path))} are free or allowed. The "
            "checkpoints are intact: make room, and repeat the command with --resume"
        ) from error
