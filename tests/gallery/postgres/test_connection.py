"""A database that goes away, comes back, is full, or refuses."""

import contextlib
import subprocess
import threading
import time

import psycopg
import pytest
from psycopg import errors

from keras_reid import gallery
from keras_reid.gallery import NewSighting, PostgresStore
from keras_reid.gallery.postgres.connection import Database, StoreAway, _is_away, _line
from keras_reid.utils.errors import UserError
from tests.gallery import servers
from tests.gallery.conftest import MODEL, random_embeddings

medium = pytest.mark.medium


def test_an_address_that_is_none():
    with pytest.raises(UserError, match=r"nowhere: is not the address of a database: "):
        Database("postgresql://[", "nowhere")


def test_a_database_that_is_not_there():
    url = f"postgresql://u@127.0.0.1:{servers.free_port()}/x"
    start = time.monotonic()
    with pytest.raises(
        UserError, match=r"does not answer: connection failed: .* Repeat the command once"
    ) as refused:
        PostgresStore(url, MODEL, patience=0.3)
    assert time.monotonic() - start < 5
    assert "\n" not in str(refused.value)


def test_what_still_runs_in_threads_does_not_start_a_private_server_again():
    """Once the store is closed; before, it does."""
    started = []
    address = f"postgresql://u@127.0.0.1:{servers.free_port()}/x"
    database = Database(address, "store", revive=lambda: started.append(1), patience=0.1)
    with pytest.raises(StoreAway):
        database.apart()
    assert started
    started.clear()
    database.close()
    with pytest.raises(StoreAway):
        database.apart()
    assert not started


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (errors.AdminShutdown("terminating connection"), True),
        (errors.CannotConnectNow("the database system is starting up"), True),
        (psycopg.OperationalError("server closed the connection unexpectedly"), True),
        (psycopg.OperationalError('connection failed: FATAL: database "x" does not exist'), False),
        (psycopg.OperationalError("FATAL: password authentication failed for user"), False),
        (psycopg.OperationalError("could not write file: No space left on device"), False),
    ],
)
def test_waiting_may_help_or_not(error, away):
    assert _is_away(error) is away


def test_a_message_is_one_line():
    assert _line(psycopg.OperationalError("a\n\tb  c")) == "a b c"


@pytest.mark.parametrize("seconds", [pytest.param(3, marks=medium), pytest.param(30, marks=pytest.mark.slow)])
def test_a_restart_is_waited_for(server, server_url, capsys, seconds):
    """Searches and enrolments that come while the database is away are done once it is back, each once."""
    with gallery.open(server_url, MODEL) as store:
        rows = random_embeddings(3)
        store.add([NewSighting(rows[0], "before")])
        server.stop("immediate")
        back = threading.Timer(seconds, server.start)
        back.start()
        try:
            (number,) = store.add([NewSighting(rows[1], "during")])
            assert isinstance(number, int)
            assert store.search(rows[:1])[0][0].name == "before"
        finally:
            back.join()
        assert store.count().sightings == 2
    assert "the database is away (connection failed: " in capsys.readouterr().err


@medium
def test_a_lost_acknowledgement_is_looked_up(server_url):
    """The transaction was committed, and the connection is lost before the answer comes: it is not done again."""
    with gallery.open(server_url, MODEL) as store:
        real, lost = store.database._transaction, []

        def losing(work):
            result = real(work)
            if not lost:
                lost.append(True)
                raise errors.AdminShutdown("terminating connection due to administrator command")
            return result

        store.database._transaction = losing
        ids = store.add([NewSighting(row, "Anna") for row in random_embeddings(5)])
        assert lost
        assert store.count().sightings == 5
        assert [one.id for one in store.get("Anna").sightings] == ids


@medium
def test_a_full_disk_is_one_line(server_url):
    with gallery.open(server_url, MODEL) as store:

        def full(connection):
            raise errors.DiskFull('could not extend file "base/1": No space left on device')

        with pytest.raises(
            UserError, match=r"the disk of the database is full: could not extend file .* Make room"
        ):
            store.database.run(full)


@pytest.mark.slow
def test_a_disk_that_fills_up():
    """On a real small disk: one line, nothing acknowledged is lost, and with more room the store goes on."""
    with servers.open_folder() as folder:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=150m", "tmpfs", folder], capture_output=True
        )
        if mounted.returncode:
            pytest.skip(f"needs to mount a small disk: {mounted.stderr.decode().strip()}")
        try:
            folder.chmod(0o711)
            model = gallery.ModelIdentity("m", "a" * 32, 512)
            kept = 0
            with PostgresStore(folder / "store", model, patience=5) as store:
                with contextlib.suppress(UserError):
                    while kept < 200_000:
                        store.add([NewSighting(row) for row in random_embeddings(2000, 512, kept)])
                        kept += 2000
                with pytest.raises(
                    UserError, match=r"disk .*is full.*What was acknowledged is kept. Make room"
                ) as full:
                    store.add([NewSighting(row) for row in random_embeddings(20_000, 512, 1)])
                assert "\n" not in str(full.value)
            assert 0 < kept < 200_000
            subprocess.run(["mount", "-o", "remount,size=400m", folder], check=True)
            with PostgresStore(folder / "store", model) as store:
                assert store.count().sightings == kept
                store.add([NewSighting(row) for row in random_embeddings(2000, 512, 2)])
                assert store.count().sightings == kept + 2000
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


@medium
def test_away_for_too_long(server, server_url):
    with PostgresStore(server_url, MODEL, patience=1) as store:
        server.stop("immediate")
        try:
            start = time.monotonic()
            with pytest.raises(UserError, match=r"the database does not answer: .* Repeat the command"):
                store.count()
            assert time.monotonic() - start < 20
        finally:
            server.start()
        assert store.count().sightings == 0
