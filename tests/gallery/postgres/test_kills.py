import contextlib
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import pytest

from keras_reid.gallery.postgres import audit
from keras_reid.gallery.postgres.store import PostgresStore
from tests.gallery import servers
from tests.gallery.postgres.killed import MODELS, active, embed

pytestmark = pytest.mark.slow
WHAT = ("enrol", "forget", "expire", "reembed")
KILLS = int(os.environ.get("KERAS_REID_KILLS", "50"))


def test_kills_lose_nothing_acknowledged_and_bring_nothing_erased_back():
    choice = random.Random(0)
    with servers.open_folder() as place:
        folder, log = place / "store", place / "log.jsonl"
        with PostgresStore(folder, MODELS[0]):
            pass
        for kill in range(KILLS):
            run_and_kill(folder, log, WHAT[kill % len(WHAT)], kill, choice)
            model = active(folder)
            with PostgresStore(folder, model) as store:
                check(store, model, log)
        with PostgresStore(folder) as store:
            assert not (folder / "erasing").exists()
            assert not store.database.run(
                lambda one: one.execute("SELECT 1 FROM pending_erasures").fetchone()
            )


def run_and_kill(folder, log, what, seed, choice):
    before = log.stat().st_size if log.exists() else 0
    words = [sys.executable, "-m", "tests.gallery.postgres.killed", str(folder), str(log), what, str(seed)]
    child = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    while not (log.exists() and log.stat().st_size > before):
        assert child.poll() is None, "the process ended before it was ready"
        time.sleep(0.02)
    time.sleep(choice.uniform(0.05, 6))
    if choice.random() < 0.3:  # the server too, and first
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # between two openings none runs
            number = int(pathlib.Path(folder, "data", "postmaster.pid").read_text().split()[0])
            os.kill(number, signal.SIGKILL)
    child.kill()
    child.wait()


def check(store, model, log):
    enrolled, unknown, gone = set(), set(), set()
    for line in log.read_text().splitlines():
        event, names = json.loads(line)
        if event == "enrolled":
            enrolled |= set(names)
        elif event in ("forgetting", "expiring"):
            unknown |= set(names)
        elif event == "forgotten":
            gone |= set(names)
    number = store.database.run(lambda one: one.execute("SELECT id FROM models WHERE active").fetchone()[0])
    rows = store.database.run(
        lambda one: one.execute(
            "SELECT i.name, count(s.id), count(v.sighting) FROM identities i JOIN sightings s ON s.identity = i.id "
            f"LEFT JOIN vectors_{number} v ON v.sighting = s.id GROUP BY 1"
        ).fetchall()
    )
    present = {name for name, _, _ in rows}
    assert enrolled - unknown - gone <= present
    assert not present & gone
    assert all(sightings == vectors == 4 for _, sightings, vectors in rows)
    # A picture is found by its embedding of the store's model: no other model's is among them.
    pictures = store.database.run(
        lambda one: one.execute("SELECT bytes FROM images ORDER BY md5(hash) LIMIT 20").fetchall()
    )
    for found in store.search(embed(model, [bytes(one) for (one,) in pictures]), top=1):
        assert found[0].distance < 1e-5
    with store.database.apart() as connection, connection.transaction():
        list(audit.verified(audit.entries(connection)))
