"""Databases for the tests of stores: a private one in a folder, and another server that is reached by its URL."""

import contextlib
import os
import pathlib
import pwd
import shutil
import socket
import stat
import subprocess
import tempfile

import psycopg

from keras_reid.gallery.postgres.migrate import SCHEMA
from keras_reid.gallery.postgres.private_server import PrivateServer
from keras_reid.gallery.postgres.programs import programs


@contextlib.contextmanager
def open_folder(prefix="keras-reid-test-"):
    """A new folder that the server's user can enter, also when the tests run as root; pytest's own are closed."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def closed(place):
    """Whether a folder above a place keeps other users out."""
    return not all(folder.stat().st_mode & stat.S_IXOTH for folder in place.resolve().parents)


@contextlib.contextmanager
def programs_for_all():
    """A copy of PostgreSQL's programs where root's checkout is closed to the user of the server, else None."""
    place = programs() if os.geteuid() == 0 else None
    if not place or not closed(place):
        yield None
        return
    with open_folder("keras-reid-programs-") as folder:
        package = place.parents[1]
        shutil.copytree(place.parent, folder / package.name / place.parent.name)
        if (libraries := package.with_name(f"{package.name}.libs")).exists():  # which the programs seek there
            shutil.copytree(libraries, folder / libraries.name)
        yield folder / package.name / place.parent.name / place.name


@contextlib.contextmanager
def private_store():
    """The folder of a private store, whose server runs throughout, so that opening the store is fast."""
    with open_folder() as folder:
        server = PrivateServer(folder / "store")
        try:
            yield server
        finally:
            server.close()


class Server:
    """A server of its own on a loopback port, as an administrator might run it."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.user = {}
        if os.geteuid() == 0:
            name = next(one for one in ("postgres", "nobody") if _exists(one))
            user = pwd.getpwnam(name)
            self.user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            os.chown(folder, user.pw_uid, user.pw_gid)
        (folder / "password").write_text("secret\n")
        (folder / "password").chmod(0o644)
        self.run(
            "initdb",
            "-D",
            "data",
            "-U",
            "admin",
            "-A",
            "scram-sha-256",
            "--pwfile=password",
            "--locale=C",
            "-E",
            "UTF8",
            "-N",
        )
        self.start()
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE gallery")

    def url(self, database="gallery", password="secret"):
        return f"postgresql://admin:{password}@127.0.0.1:{self.port}/{database}"

    def start(self):
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        self.run("pg_ctl", "start", "-w", "-s", "-D", "data", "-l", "data/log", "-o", options)

    def stop(self, mode="fast"):
        self.run("pg_ctl", "stop", "-w", "-s", "-m", mode, "-D", "data")

    def run(self, program, *arguments):
        with tempfile.TemporaryFile() as said:
            finished = subprocess.run(
                [programs() / program, *arguments], cwd=self.folder, stdout=said, stderr=said, **self.user
            )
            said.seek(0)
            assert finished.returncode == 0, said.read().decode()


def emptied(address):
    """Drops the schema of a store, so that the next test finds none."""
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("SET client_min_messages = error")
        connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def _exists(name):
    try:
        return bool(pwd.getpwnam(name))
    except KeyError:
        return False
