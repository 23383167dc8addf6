import hashlib

import numpy as np
import pytest

from keras_reid.gallery import ModelIdentity
from keras_reid.gallery.images import content_hash
from keras_reid.gallery.postgres import model_switch
from keras_reid.gallery.postgres.erasure import forget
from keras_reid.gallery.postgres.model_switch import reembed
from keras_reid.gallery.postgres.store import PostgresStore
from keras_reid.gallery.protocol import KeptImage, NewSighting
from keras_reid.utils.errors import UserError
from tests.gallery.conftest import MODEL, random_embeddings, unit

pytestmark = pytest.mark.medium
NEW = ModelIdentity("runs/new", "d" * 32, 24)


def content(number):
    return b"\xff\xd8\xff\xda" + str(number).encode()


def embed(contents):
    """The new model: pictures of an identity, which are numbers with the same remainder of 3, lie close together."""
    numbers = [int(one[4:]) for one in contents]
    rows = random_embeddings(3, 24, 5)[np.array(numbers) % 3]
    return unit(rows + 0.1 * np.concatenate([random_embeddings(1, 24, number) for number in numbers]))


def sightings(count=12, kind="image"):
    for number, row in enumerate(random_embeddings(count)):
        picture = KeptImage(content_hash(content(number)), content(number), kind) if kind else None
        yield NewSighting(row, f"name {number % 3}", source=f"/nowhere/{number}.jpg", image=picture)


def test_the_switch_answers_with_the_new_model_and_says_what_changed(address):
    with PostgresStore(address, MODEL) as old:
        old.add(list(sightings()))
        with PostgresStore(address) as store:
            done = reembed(store, NEW, embed, batch_size=5)
        assert (done.sightings, done.left_out, done.queries) == (12, 0, 12)
        assert done.right_after == 12 > done.right_before
        assert len(done.changed) == done.queries - done.right_before
        assert all(one.after == one.own for one in done.changed)
        with pytest.raises(UserError, match=r"of the model runs/new .* and this is runs/tests"):
            old.search(random_embeddings(1))
    with PostgresStore(address, NEW) as store:
        assert store.search(embed([content(4)]), top=4)[0][0].source == "/nowhere/4.jpg"
        assert {one.name for one in store.search(embed([content(4)]), top=4)[0]} == {"name 1"}
        tables = "SELECT count(*) FROM pg_class WHERE relkind = 'p' AND relname LIKE 'vectors_%'"
        assert store.database.run(lambda one: one.execute(tables).fetchone()[0]) == 1
        with pytest.raises(UserError, match="are of this model already"):
            reembed(store, NEW, embed)


def test_it_continues_after_a_kill_and_follows_what_happens_meanwhile(address, tmp_path):
    calls = []

    def cut_off(contents):
        calls.append(len(contents))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return embed(contents)

    with PostgresStore(address, MODEL) as store:
        store.add(list(sightings()))
        with PostgresStore(address) as other, pytest.raises(KeyboardInterrupt):
            reembed(other, NEW, cut_off, batch_size=4)
        # Both models' vectors are there; the old one answers, a forget takes both.
        assert store.search(random_embeddings(12)[4:5], top=1)[0][0].source == "/nowhere/4.jpg"
        forget(store, ["name 0"], tmp_path / "key.pem")
        left = store.database.run(lambda one: one.execute("SELECT count(*) FROM vectors_2").fetchone()[0])
        assert left == 5
        *_, late = sightings(13)
        store.add([late])
        calls.clear()
        with PostgresStore(address) as other:
            done = reembed(other, NEW, lambda contents: calls.append(len(contents)) or embed(contents))
    assert calls == [4]
    assert done.sightings == 9


def test_what_is_enrolled_in_the_last_moment_is_embedded_too(server_url, monkeypatch):
    compare = model_switch._compare
    picture = KeptImage(content_hash(content(99)), content(99), "image")
    late = [NewSighting(random_embeddings(1)[0], "late", image=picture)]
    with PostgresStore(server_url, MODEL) as store:
        store.add(list(sightings()))

        def and_enrol(connection, *models):
            if late:
                store.add([late.pop()])
            return compare(connection, *models)

        monkeypatch.setattr(model_switch, "_compare", and_enrol)
        with PostgresStore(server_url) as other:
            assert reembed(other, NEW, embed).sightings == 13


def test_sightings_without_a_picture_are_named_before_any_work(server_url, tmp_path):
    file = tmp_path / "5.jpg"
    file.write_bytes(content(5))
    with PostgresStore(server_url, MODEL) as store:
        store.add(list(sightings(kind="thumbnail")))
        rows = random_embeddings(14, seed=9)
        digest = hashlib.sha256(content(5)).digest()
        store.add([NewSighting(rows[0], "file", source=str(file), digest=digest)])
        store.add([NewSighting(rows[1], "gone", source="/nowhere/gone.jpg")])
    with PostgresStore(server_url) as store:
        with pytest.raises(
            UserError, match=r"of 13 sightings, such as /nowhere/0\.jpg, neither the source file"
        ):
            reembed(store, NEW, None)
        with pytest.raises(UserError, match=r"of 1 sighting, such as /nowhere/gone\.jpg"):
            reembed(store, NEW, None, thumbnails=True)
        done = reembed(store, NEW, embed, thumbnails=True, leave_out=True)
    assert (done.sightings, done.left_out) == (13, 1)


def test_an_empty_store_has_nothing_to_embed(server_url):
    with PostgresStore(server_url) as store, pytest.raises(UserError, match="nothing is enrolled"):
        reembed(store, NEW, embed)
