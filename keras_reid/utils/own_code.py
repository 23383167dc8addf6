"""Experiment files are Python: which of them may be executed, and executing them.

A file that the user names himself is executed as told. The copy in a run is executed only if it is known: `fit` ran
this very text on this machine and noted its hash, or this process has executed it; otherwise only if the user says so.
"""

import hashlib
import os
import sys
import types
from pathlib import Path

from keras_reid.utils.errors import UserError

_NAME = "<run_path>"  # of the module, as `runpy.run_path` calls it: experiment.json and saved models hold it

_executed = []  # hashes of what this process has executed, the last one at the end


def execute(file, source=None):
    """Executes an experiment file.

    Args:
        file: its path.
        source: its bytes, where they have been read already; those are what is executed.

    Returns:
        dict of what it defines.

    Raises:
        whatever the file raises.
    """
    source = Path(file).read_bytes() if source is None else source
    module = types.ModuleType(_NAME)
    module.__file__ = str(file)
    before = sys.modules.get(_NAME)
    sys.modules[_NAME] = module  # dataclasses look for the module of a class there
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


def source_of_run(file, trust_code=False):
    """The text of a run's experiment file, if it may be executed; says in one line that it will be.

    Args:
        file: the path of the copy in the run.
        trust_code: whether the user takes responsibility for it.

    Returns:
        bytes, for `execute`.

    Raises:
        UserError: the file is not there, or not known and not trusted.
    """
    try:
        source = Path(file).read_bytes()
    except OSError as error:
        raise UserError(f"{file}: cannot be read: {error.strerror.lower()}") from error
    if not (is_known(source) or trust_code):
        raise UserError(refusal(file))
    why = "its hash was noted by `fit` on this machine" if is_known(source) else "--trust-code"
    print(f"running the code of {file} ({why})", file=sys.stderr)
    return source


def refusal(file):
    """Why the code of a run is not executed, and what to do."""
    return (
        f"{file}: is not executed, for `fit` on this machine has not noted its hash. Read it; if you trust it, pass "
        "--trust-code (in Python trust_code=True)"
    )


def is_known(source):
    """Whether `fit` noted the hash of this text on this machine, or this process has executed it."""
    digest = _digest(source)
    return digest in _executed or digest in _noted()


def was_last(source):
    """Whether nothing else was executed since this text was: what it registers counts as it is."""
    return _executed[-1:] == [_digest(source)]


def note(source):
    """Notes the hash of an experiment file that the user ran.

    Returns:
        None, or in words why it could not be noted.
    """
    file = _file()
    if file is None:
        return "there is no home folder"
    digest = _digest(source)
    try:
        if digest in _noted():
            return None
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Appending a line in one call is what writers at the same time may do.
        descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            torn = size and os.pread(descriptor, 1, size - 1) != b"\n"  # a full disk cut off the last one
            line = f"{chr(10) if torn else ''}{digest}\n".encode()
            if os.write(descriptor, line) < len(line):
                return f"{file}: the disk is full"
        finally:
            os.close(descriptor)
    except OSError as error:
        return f"{error.filename or file}: {error.strerror.lower()}"
    return None


def _noted():
    file = _file()
    try:
        return set(file.read_text(encoding="ascii", errors="replace").split()) if file else set()
    except OSError:
        return set()


def _file():
    """Hashes of experiment files, one a line, in the user's configuration folder; None if there is no such folder."""
    folder = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    if not folder.is_absolute():  # to be ignored, by the XDG base directory specification
        folder = Path(os.path.expanduser("~")) / ".config"
    # A relative one would be another in each working directory, and might be a stranger's.
    return folder / "keras_reid" / "noted_experiments" if folder.is_absolute() else None


def _digest(source):
    return hashlib.sha256(source).hexdigest()
