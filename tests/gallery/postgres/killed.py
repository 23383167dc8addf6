"""A process that works on a store until it is killed: `python -m tests.gallery.postgres.killed STORE LOG WHAT SEED`.

Each line of the log, which is on disk before the next step, says what is about to be done or what was acknowledged.
"""

import datetime
import hashlib
import json
import os
import sys

import numpy as np

from keras_reid.gallery import ModelIdentity
from keras_reid.gallery.images import content_hash
from keras_reid.gallery.postgres.erasure import forget
from keras_reid.gallery.postgres.expiry import expire
from keras_reid.gallery.postgres.model_switch import reembed
from keras_reid.gallery.postgres.store import PostgresStore
from keras_reid.gallery.protocol import KeptImage, NewSighting

MODELS = (ModelIdentity("runs/one", "c" * 32, 64), ModelIdentity("runs/other", "d" * 32, 48))
OLD = datetime.timedelta(days=100)


def embed(model, contents):
    """Embeddings that follow from the model and the picture alone."""
    rows = np.empty((len(contents), model.dimension), np.float32)
    for row, content in zip(rows, contents, strict=True):
        seed = hashlib.sha256(model.fingerprint.encode() + content).digest()[:8]
        row[:] = np.random.default_rng(int.from_bytes(seed)).standard_normal(len(row))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def active(folder):
    """The model of the store; in a new one the first."""
    with PostgresStore(folder) as store:
        return store.model() or MODELS[0]


def main(folder, log, what, seed):
    with open(log, "a", encoding="utf-8") as file:

        def say(event, names):
            file.write(json.dumps([event, names]) + "\n")
            file.flush()
            os.fsync(file.fileno())

        say("ready", [])
        for turn in range(10_000):
            model = active(folder)
            names = [f"identity {seed} {turn} {number}" for number in range(5)]
            with PostgresStore(folder, model) as store:
                if what == "expire":
                    enrol(store, model, names[:2], f"{seed} {turn}", OLD)
                    say("expiring", names[:2])
                    expire(store, OLD / 2)
                    say("forgotten", names[:2])
                    continue
                enrol(store, model, names, f"{seed} {turn}")
                say("enrolled", names)
                if what == "forget":
                    say("forgetting", names[:2])
                    forget(store, names[:2])
                    say("forgotten", names[:2])
                elif what == "reembed":
                    (new,) = (one for one in MODELS if one.key != model.key)
                    with PostgresStore(folder) as other:
                        reembed(other, new, lambda contents, new=new: embed(new, contents), batch_size=16)


def enrol(store, model, names, word, age=datetime.timedelta()):
    time = datetime.datetime.now(datetime.UTC) - age
    contents = [f"{word} {place}".encode() for place in range(4 * len(names))]
    store.add(
        [
            NewSighting(
                row,
                names[place % len(names)],
                "camera",
                time,
                f"/{word}/{place}.jpg",
                image=KeptImage(content_hash(content), content, "image"),
            )
            for place, (row, content) in enumerate(zip(embed(model, contents), contents, strict=True))
        ]
    )


if __name__ == "__main__":
    main(*sys.argv[1:4], int(sys.argv[4]))
