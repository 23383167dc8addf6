"""The private PostgreSQL of a store: what it refuses, who may reach it, and what it survives."""

import os
import pwd
import signal
import stat
import subprocess
import sys
import time

import psycopg
import pytest

from keras_reid import gallery
from keras_reid.gallery import NewSighting
from keras_reid.gallery.postgres import private_server as server_module
from keras_reid.gallery.postgres.private_server import PrivateServer
from keras_reid.gallery.postgres.programs import programs
from keras_reid.utils.errors import UserError
from tests.conftest import ROOT
from tests.gallery import servers
from tests.gallery.conftest import MODEL, random_embeddings

medium = pytest.mark.medium


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts PostgreSQL as another user")
def test_as_root_the_other_user_must_be_able_to_enter(tmp_path):
    tmp_path.chmod(0o700)
    with pytest.raises(
        UserError, match=rf"{tmp_path}: as root, PostgreSQL runs as the user \w+, who cannot enter"
    ):
        PrivateServer(tmp_path / "store")
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700  # no permission of an existing folder is changed
    assert not (tmp_path / "store").exists()


@medium
def test_nobody_else_gets_in(private_server):
    data = private_server.folder / "data"
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert stat.S_IMODE((private_server.folder / "socket").stat().st_mode) == 0o700
    rules = [line for line in (data / "pg_hba.conf").read_text().splitlines() if line.strip()]
    assert rules == ["local all all peer map=gallery"]
    with psycopg.connect(private_server.address) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        settings = {
            "fsync": "on",
            "synchronous_commit": "on",
            "wal_recycle": "off",
            "data_checksums": "on",
            "log_statement": "none",
            "log_error_verbosity": "terse",
            "log_min_error_statement": "panic",
            "TimeZone": "UTC",
        }
        for name, value in settings.items():
            assert connection.execute(f"SHOW {name}").fetchone() == (value,), name
    if os.geteuid() == 0:
        stranger = pwd.getpwnam("daemon")
        program = [programs() / "psql", private_server.address, "-c", "SELECT 1"]
        asked = subprocess.run(
            program,
            capture_output=True,
            user=stranger.pw_uid,
            group=stranger.pw_gid,
            extra_groups=[],
            cwd="/",
        )
        assert asked.returncode != 0


@medium
def test_what_a_store_is_asked_is_not_in_its_log(private_folder):
    with gallery.open(private_folder, MODEL) as store:
        store.add([NewSighting(random_embeddings(1)[0], "Secret Name")])
        with store.database.apart() as connection, pytest.raises(psycopg.Error):
            connection.execute("INSERT INTO identities (name) VALUES ('Secret Name')")
        with store.database.apart() as connection, pytest.raises(psycopg.Error):
            connection.execute("SELECT 'Secret Name'::integer")
    assert "Secret" not in (private_folder / "log" / "server.log").read_text()


@medium
def test_the_last_user_stops_the_server_and_a_killed_one_is_started_again():
    with servers.open_folder() as folder:
        store = gallery.open(folder / "store", MODEL)
        store.add([NewSighting(random_embeddings(1)[0], "Anna")])
        second = gallery.open(folder / "store", MODEL)
        store.close()
        process = second._server._process()
        os.kill(process, signal.SIGKILL)
        end = time.monotonic() + 30
        while second._server._process() in (
            process,
            None,
        ):  # what serves a connection outlives it for a moment
            assert second.get("Anna").name == "Anna"
            assert time.monotonic() < end
        second.add([NewSighting(random_embeddings(1)[0], "Berta")])
        second.close()
        second.close()
        assert second._server._process() is None
        assert not (folder / "store" / "data" / "postmaster.pid").exists()

        # A command is killed, and so its server stays; the next one uses it and stops it.
        code = (
            f"from keras_reid import gallery; store = gallery.open({str(folder / 'store')!r}); "
            "print(store.count(), flush=True); import time; time.sleep(60)"
        )
        command = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert command.stdout.readline() == "Counts(identities=2, sightings=2)\n"
        command.kill()
        command.communicate()
        process = second._server._process()
        assert process is not None
        with gallery.open(folder / "store") as third:
            assert third._server._process() == process
            assert third.count().sightings == 2
        assert second._server._process() is None


@medium
def test_a_path_may_be_anything():
    with servers.open_folder() as folder:
        place = folder / f'it\'s, a "{"long " * 20}" $HOME `x` path'
        with gallery.open(place, MODEL) as store:
            assert store.count().sightings == 0
            socket_folder = store._server._socket_folder()
            assert socket_folder.parent != place
            assert stat.S_IMODE(socket_folder.stat().st_mode) == 0o700
        assert not socket_folder.exists()


@medium
@pytest.mark.skipif(os.geteuid() != 0, reason="needs to become another user")
def test_as_an_ordinary_user():
    """Who is not root runs the server himself; root's store is closed to him, and his is open to root."""
    if servers.closed(ROOT / "keras_reid"):
        pytest.skip("the checkout is closed to other users")
    user = pwd.getpwnam("daemon")
    # The process becomes that user once Python has read its modules: these may lie where only root can read.
    code = f"""
import os, sys
import numpy as np, psycopg, psycopg_pool, difflib, uuid
from keras_reid import gallery
from keras_reid.gallery.postgres import migrate, private_server
private_server.programs(), migrate.steps()
os.setgroups([]), os.setgid({user.pw_gid}), os.setuid({user.pw_uid})
model = gallery.ModelIdentity("runs/tests", "a" * 32, 16)
with gallery.open(sys.argv[1], model) as store:
    store.add([gallery.NewSighting(np.eye(16, dtype=np.float32)[0], "Anna")])
    print(store.count())
"""
    with servers.open_folder() as folder:
        os.chown(folder, user.pw_uid, user.pw_gid)

        def run():
            words = [sys.executable, "-c", code, str(folder / "store")]
            environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": "/nonexistent"}
            return subprocess.run(words, cwd="/", env=environment, capture_output=True, text=True)

        made = run()
        assert made.stdout == "Counts(identities=1, sightings=1)\n", made.stderr
        assert (folder / "store" / "data").stat().st_uid == user.pw_uid
        with gallery.open(folder / "store") as store:
            assert store.get("Anna").name == "Anna"
        assert run().stdout == "Counts(identities=1, sightings=2)\n"


@medium
def test_a_failed_start_leaves_nothing(monkeypatch):
    with servers.open_folder() as folder:
        monkeypatch.setattr(server_module, "_SETTINGS", "no_such_setting = 1\n")
        with pytest.raises(UserError, match=r"pg_ctl failed: .* configuration file .* contains errors"):
            gallery.open(folder / "store", MODEL)
        assert not (folder / "store").exists()
