"""Decides which experiment files, which are Python, may be executed, and executes them.

A file that the user names is executed. The copy in a run is executed only if it is known: `fit` ran exactly this text
on this machine and recorded its hash, or this process has executed it. Otherwise the user must allow it.
"""

from __future__ import annotations

import hashlib
import os
import sys
import types
from pathlib import Path
from typing import Any

from keras_reid.utils.errors import UserError

_NAME = (
    "<run_path>"  # module name, the same as in `runpy.run_path`: experiment.json and saved models contain it
)

_executed = []  # hashes of the texts that this process has executed, the latest last


def execute(file: str | os.PathLike[str], source: bytes | None = None) -> dict[str, Any]:
    """Executes an experiment file.

    Args:
        file: its path.
        source: its content as bytes, if already read; exactly these bytes are executed.

    Returns:
        dict of the names that it defines.

    Raises:
        any error that the file raises.
    """
    source = Path(file).read_bytes() if source is None else source
    module = types.ModuleType(_NAME)
    module.__file__ = str(file)
    before = sys.modules.get(_NAME)
    sys.modules[_NAME] = module  # dataclasses look up the module of a class there
    try:
        exec(compile(source, str(file), "exec"), module.__dict__)
    finally:
        sys.modules.pop(_NAME)
        if before is not None:
            sys.modules[_NAME] = before
    digest = _digest(source)
    if digest in _executed:
        _executed.remove(digest)
    _executed.append(digest)
    return module.__dict__


def source_of_run(file: str | os.PathLike[str], trust_code: bool = False) -> bytes:
    """Reads a run's experiment file if it may be executed, and prints a line that says so.

    Args:
        file: the path of the copy in the run.
        trust_code: whether the user allows it to be executed.

    Returns:
        bytes, for `execute`.

    Raises:
        UserError: the file is missing, or neither known nor trusted.
    """
    try:
        source = Path(file).read_bytes()
    except OSError as error:
        raise UserError(f"{file}: cannot be read: {(error.strerror or str(error)).lower()}") from error
    if not (is_known(source) or trust_code):
        raise UserError(refusal(file))
    why = "`fit` recorded its hash on this machine" if is_known(source) else "--trust-code"
    print(f"running the code of {file} ({why})", file=sys.stderr)
    return source


def refusal(file: str | os.PathLike[str]) -> str:
    """The message that says why a run's code is not executed, and what to do."""
    return (
        f"{file}: is not executed, because `fit` has not recorded its hash on this machine. Read it; if you trust it, "
        "pass --trust-code (in Python, trust_code=True)"
    )


def is_known(source: bytes) -> bool:
    """Whether `fit` recorded the hash of this text on this machine, or this process has executed it."""
    digest = _digest(source)
    return digest in _executed or digest in _noted()


def was_last(source: bytes) -> bool:
    """Whether this text was executed last, so that the classes it registers are current."""
    return _executed[-1:] == [_digest(source)]


def note(source: bytes) -> str | None:
    """Records the hash of an experiment file that the user ran.

    Returns:
        None, or the reason why it could not be recorded.
    """
    file = _file()
    if file is None:
        return "there is no home folder"
    digest = _digest(source)
    try:
        if digest in _noted():
            return None
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Appending a line in a single call is safe with several writers.
        descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            torn = size and os.pread(descriptor, 1, size - 1) != b"\n"  # a full disk cut off the last line
            line = f"{chr(10) if torn else ''}{digest}\n".encode()
            if os.write(descriptor, line) < len(line):
                return f"{file}: the disk is full"
        finally:
            os.close(descriptor)
    except OSError as error:
        return f"{error.filename or file}: {(error.strerror or str(error)).lower()}"
    return None


def _noted():
    file = _file()
    try:
        return set(file.read_text(encoding="ascii", errors="replace").split()) if file else set()
    except OSError:
        return set()


def _file():
    """The file of hashes, one per line, in the user's configuration folder; None if there is no such folder."""
    folder = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    if not folder.is_absolute():  # the XDG base directory specification says to ignore it
        folder = Path(os.path.expanduser("~")) / ".config"
    # A relative path would depend on the working directory, and might belong to a stranger.
    return folder / "keras_reid" / "noted_experiments" if folder.is_absolute() else None


def _digest(source):
    return hashlib.sha256(source).hexdigest()
