"""`python -m keras_reid.tuning.child PARENT COMMAND …`: becomes a command that does not outlive its parent process."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # of Linux' prctl


def main(parent: str, *command: str) -> None:
    # From now on the kernel sends it where the parent ends, even by SIGKILL; `exec` keeps that.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):  # it ended before
        sys.exit(128 + signal.SIGTERM)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
