"""A process that works on a store until it is killed: `python -m tests.gallery.postgres.killed STORE LOG WHAT SEED`.

Each line of the log, which is on disk before the next step, says what is about to be done or what was acknowledged.
"""

import datetime
import json
import os
import sys

from keras_reid.gallery import ModelIdentity
from keras_reid.gallery.postgres.erasure import forget
from keras_reid.gallery.postgres.expiry import expire
from keras_reid.gallery.postgres.store import PostgresStore
from keras_reid.gallery.protocol import NewSighting
from tests.gallery.conftest import random_embeddings

DIM = 64
MODEL = ModelIdentity("runs/killed", "c" * 32, DIM)
OLD = datetime.timedelta(days=100)


def main(folder, log, what, seed):
    with open(log, "a", encoding="utf-8") as file:

        def say(event, names):
            file.write(json.dumps([event, names]) + "\n")
            file.flush()
            os.fsync(file.fileno())

        with PostgresStore(folder, MODEL) as store:
            say("ready", [])
            for turn in range(10_000):
                names = [f"identity {seed} {turn} {number}" for number in range(5)]
                if what == "enrol":
                    enrol(store, names, seed * 10_000 + turn)
                    say("enrolled", names)
                elif what == "forget":
                    enrol(store, names, seed * 10_000 + turn)
                    say("enrolled", names)
                    say("forgetting", names[:2])
                    forget(store, names[:2])
                    say("forgotten", names[:2])
                else:
                    enrol(store, names[:2], seed * 10_000 + turn, OLD)
                    say("expiring", names[:2])
                    expire(store, OLD / 2)
                    say("forgotten", names[:2])


def enrol(store, names, seed, age=datetime.timedelta()):
    time = datetime.datetime.now(datetime.UTC) - age
    rows = random_embeddings(4 * len(names), DIM, seed)
    store.add(
        [
            NewSighting(row, names[place % len(names)], "camera", time, f"/{seed}/{place}.jpg")
            for place, row in enumerate(rows)
        ]
    )


if __name__ == "__main__":
    main(*sys.argv[1:4], int(sys.argv[4]))
