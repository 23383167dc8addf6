"""What only a store in PostgreSQL can do, on a private one and on a server."""

import concurrent.futures
import datetime
import threading

import numpy as np
import psycopg
import pytest

from keras_reid import gallery
from keras_reid.gallery import Filters, KeptImage, ModelIdentity, NewIdentity, NewSighting, PostgresStore
from keras_reid.gallery.postgres import store as store_module
from keras_reid.gallery.postgres import vectors
from keras_reid.utils.errors import UserError
from tests.gallery.conftest import DIM, MODEL, random_embeddings

pytestmark = pytest.mark.medium
NOON = datetime.datetime(2026, 6, 1, 12, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)


def some(count, **fields):
    """Sightings i of identity `who i % 4`, by camera `cam i % 3`, an hour after one another."""
    return [
        NewSighting(
            row,
            **{
                "identity": f"who {number % 4}",
                "camera": f"cam {number % 3}",
                "time": NOON + number * HOUR,
                "source": f"{number}.jpg",
                "digest": bytes([number]),
                **fields,
            },
        )
        for number, row in enumerate(random_embeddings(count))
    ]


def sources(store, filters, query=0):
    (found,) = store.search(random_embeddings(24)[query : query + 1], filters, top=100)
    return {int(one.source.partition(".")[0]) for one in found}


def test_filters(address):
    with gallery.open(address, MODEL) as store:
        store.add(some(24))
        store.add([NewSighting(random_embeddings(1, seed=1)[0], source="99.jpg")])  # without camera and time
        assert sources(store, Filters()) == {*range(24), 99}
        assert sources(store, Filters(cameras=("cam 1",))) == set(range(1, 24, 3))
        assert sources(store, Filters(cameras=("cam 0", "cam 2"))) == {n for n in range(24) if n % 3 != 1}
        assert sources(store, Filters(cameras=("nowhere",))) == set()
        assert sources(store, Filters(after=NOON + 20 * HOUR)) == {20, 21, 22, 23}
        assert sources(store, Filters(before=NOON + 3 * HOUR)) == {0, 1, 2}
        zone = datetime.timezone(datetime.timedelta(hours=5))
        during = Filters(("cam 0",), (NOON + 3 * HOUR).astimezone(zone), (NOON + 7 * HOUR).astimezone(zone))
        assert sources(store, during) == {3, 6}
        who = store.get("who 2").id
        assert sources(store, Filters(identities=(who,))) == set(range(2, 24, 4))


def test_filters_are_checked():
    with pytest.raises(UserError, match=r"`after` must have a time zone. Received: 2026-06-01T12:00:00"):
        Filters(after=NOON.replace(tzinfo=None))
    with pytest.raises(UserError, match="`before` must be later than `after`"):
        Filters(after=NOON, before=NOON)


def test_what_is_known_of_an_identity(address):
    zone = datetime.timezone(datetime.timedelta(hours=-3, minutes=-30))
    image = KeptImage(b"h" * 32, b"picture", "thumbnail")
    with gallery.open(address, MODEL) as store:
        row = random_embeddings(1)[0]
        (number,) = store.add(
            [NewSighting(row, "Anna", "door", NOON.astimezone(zone), "a.jpg", 0.5, "smiles", image)]
        )
        anna = store.get("Anna")
        assert store.get(anna.id) == anna
        (sighting,) = anna.sightings
        assert sighting == gallery.Sighting(number, "door", NOON, "a.jpg", 0.5, "smiles", image.hash)
        assert sighting.time.utcoffset() == datetime.timedelta(0)
        (second,) = store.add([NewSighting(row, anna.id)])
        assert [one.id for one in store.get("Anna").sightings] == [number, second]
        with pytest.raises(UserError, match="there is no identity with number 12345"):
            store.add([NewSighting(row, 12345)])
        zones = store.database.run(
            lambda connection: connection.execute("SELECT zone FROM sightings ORDER BY id").fetchall()
        )
        assert zones == [("-03:30",), (None,)]
    with gallery.open(address) as store:
        assert store.get("Anna").subject == anna.subject
        with pytest.raises(UserError, match="was opened without a model"):
            store.search(row[None])


def test_images_are_kept_once_and_as_long_as_they_are_used(address):
    image = KeptImage(b"h" * 32, b"picture", "image")
    with gallery.open(address, MODEL) as store:
        rows = random_embeddings(3)
        store.add([NewSighting(row, name, image=image) for row, name in zip(rows, "aab", strict=True)])

        def uses():
            return store.database.run(
                lambda connection: connection.execute("SELECT bytes, uses FROM images").fetchall()
            )

        assert uses() == [(b"picture", 3)]
        store.remove(["a"])
        assert uses() == [(b"picture", 1)]
        store.remove(["b"])
        assert uses() == []


ODD_NAMES = (
    "'; DROP TABLE identities; --",
    '%s %(name)s {0} \\ " $1',
    "<script>alert(1)</script>",
    "\u202eآنا\u2066 שלום",
    "x" * 10_000,
    "y" * 9_999 + "z",
    "line\nbreak\tand \x1b[2J",
    "🙂",
    " ",
)


def test_sightings_share_a_new_identity_without_a_name(address, monkeypatch):
    rows, (one, other) = random_embeddings(5), (NewIdentity(), NewIdentity())
    with gallery.open(address, MODEL) as store:
        new = [NewSighting(row, who) for row, who in zip(rows, (one, other, None, one, "Anna"), strict=True)]
        ids = store.add(new)
        assert store.count() == gallery.Counts(4, 5)
        identities = [store.search(row[None], top=1)[0][0].identity for row in rows]
        assert identities[0] == identities[3]
        assert len(set(identities)) == 4
        assert [one.id for one in store.get(identities[0]).sightings] == [ids[0], ids[3]]
        assert store.get(identities[0]).name is None
        store.add([NewSighting(rows[0], one)])  # another call makes another one
        assert store.count() == gallery.Counts(5, 6)
        monkeypatch.setattr(store_module, "_BATCH", 4)
        with pytest.raises(
            UserError, match=r"at most 4 sightings at once may share a new identity. Received: 5."
        ):
            store.add(new)
        assert store.count() == gallery.Counts(5, 6)


def test_names_are_data(address):
    """Names, cameras, notes and sources may be anything that is text."""
    names = [name for name in ODD_NAMES if name.strip()]
    with gallery.open(address, MODEL) as store:
        rows = random_embeddings(len(names))
        store.add(
            [
                NewSighting(row, name, name, None, name, None, name)
                for row, name in zip(rows, names, strict=True)
            ]
        )
        for row, name in zip(rows, names, strict=True):
            (found,) = store.search(row[None], Filters(cameras=(name,)))
            assert [(one.name, one.camera, one.source) for one in found] == [(name, name, name)]
            assert store.get(name).sightings[0].note == name
        assert store.remove(names) == len(names)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"identity": "a\0b"}, "its identity must not hold a zero byte"),
        ({"note": "\0"}, "its note must not hold a zero byte"),
        ({"identity": "\udc80"}, "its identity must be text that UTF-8 can hold"),
        ({"identity": " "}, "the name of its identity is empty"),
        ({"time": NOON.replace(tzinfo=None)}, "its time must have a time zone"),
        ({"quality": 1.5}, "its quality must be 0 to 1. Received: 1.5"),
        ({"quality": float("nan")}, "its quality must be 0 to 1. Received: nan"),
    ],
)
def test_what_cannot_be_kept_is_refused_as_a_whole(address, fields, said):
    with gallery.open(address, MODEL) as store:
        good = NewSighting(random_embeddings(1)[0], "good")
        with pytest.raises(UserError, match=said):
            store.add([good, *some(1, **fields)])
        assert store.count() == gallery.Counts(0, 0)


def test_several_at_once(address):
    """Each file once, each name once, whoever is first."""
    rows = random_embeddings(40)
    barrier = threading.Barrier(4)

    def enrol(_):
        with gallery.open(address, MODEL) as store:
            barrier.wait()
            ids = []
            for start in range(0, 40, 10):
                ids += store.add(
                    [
                        NewSighting(rows[n], f"who {n % 5}", f"cam {n % 3}", digest=bytes([n]))
                        for n in range(start, start + 10)
                    ]
                )
            return [number for number in ids if number is not None]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        ids = [number for some in pool.map(enrol, range(4)) for number in some]
    assert len(ids) == len(set(ids)) == 40
    with gallery.open(address) as store:
        assert store.count() == gallery.Counts(5, 40)


def test_a_store_of_a_newer_version_is_refused(address):
    with gallery.open(address, MODEL) as store, store.database.apart() as connection:
        connection.execute("INSERT INTO migrations (number, name) VALUES (999, 'telepathy')")
    with pytest.raises(
        UserError, match=r"a newer keras_reid made this store \(step 999, telepathy; this one knows"
    ):
        gallery.open(address, MODEL)


def test_the_same_weights_with_other_preprocessing_are_another_model(address):
    with gallery.open(address, MODEL):
        pass
    flipped = ModelIdentity(MODEL.name, MODEL.fingerprint, DIM, "1, flip")
    with pytest.raises(UserError, match="with preprocessing '1', and this is '1, flip'"):
        gallery.open(address, flipped)


def test_a_new_calibration_is_kept_and_changes_nothing_else(address):
    calibrated = ModelIdentity(MODEL.name, MODEL.fingerprint, DIM, calibration={"threshold": 0.4})
    with gallery.open(address, MODEL) as store:
        assert store.model().calibration is None
    with gallery.open(address, calibrated) as store:
        assert store.model().calibration == {"threshold": 0.4}
    with gallery.open(address, MODEL) as store:
        assert store.model().calibration == {"threshold": 0.4}


def test_a_search_never_mixes_models(address):
    """Another command has switched the model while this one had the store open."""
    with gallery.open(address, MODEL) as store:
        store.add(some(3))
        with store.database.apart() as connection:
            connection.execute("UPDATE models SET active = false")
            connection.execute(
                "INSERT INTO models (name, fingerprint, dimension, preprocessing, active) VALUES "
                "('runs/new', 'cccccccc', 16, '1', true)"
            )
        for ask in (lambda: store.search(random_embeddings(1)), lambda: store.add(some(4))):
            with pytest.raises(
                UserError, match=r"of the model runs/new \(cccccccc\), and this is runs/tests"
            ):
                ask()


@pytest.mark.parametrize("dim", [512, 2022, 2023, 2048])
def test_a_row_that_fits_a_page_lies_in_it(private_folder, dim):
    model = ModelIdentity("m", "d" * 32, dim)
    with gallery.open(private_folder, model) as store:
        rows = random_embeddings(3, dim)
        store.add([NewSighting(row, camera="c", time=NOON) for row in rows])
        (storage,) = store.database.run(
            lambda connection: connection.execute(
                "SELECT attstorage::text FROM pg_attribute WHERE attrelid = %s::regclass AND attname = 'embedding'",
                [vectors.partition(1, 0)],
            ).fetchone()
        )
        assert storage == ("p" if dim < 2023 else "e")
        found = store.search(rows, top=1)
        assert [one.distance for (one,) in found] == pytest.approx([0, 0, 0], abs=1e-6)


def test_the_index_finds_what_an_exact_search_finds(address, monkeypatch):
    monkeypatch.setattr(store_module, "INDEX_FROM", 3000)
    monkeypatch.setattr("keras_reid.gallery.postgres.search.EXACT_ROWS", 10)
    rng = np.random.default_rng(0)
    centres = random_embeddings(150)
    rows = centres[np.arange(3000) % 150] + 0.1 * rng.standard_normal((3000, DIM))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    with gallery.open(address, MODEL) as store:
        add = [
            NewSighting(row, f"who {number % 150}", f"cam {number % 10}", source=str(number))
            for number, row in enumerate(rows)
        ]
        store.add(add[:-1])
        assert store.index_if_due() is None
        assert store.recall() is None
        store.add(add[-1:])
        store.analyze()
        recall = store.index_if_due()
        assert store.recall() == pytest.approx(recall)
        assert recall > 0.98
        assert store.index_if_due() is None  # it has one
        for filters in (Filters(), Filters(cameras=("cam 3",))):
            exact = store.search(rows[:40], filters, exact=True)
            found = store.search(rows[:40], filters)
            hits = sum(len(set(one) & set(other)) for one, other in zip(exact, found, strict=True))
            assert hits > 0.98 * 400
            for one, other in zip(exact, found, strict=True):  # exact distances, to the bit, in order
                assert [one.distance for one in other] == sorted(one.distance for one in other)
                exactly = {found.sighting: found.distance for found in one}
                assert all(exactly.get(found.sighting, found.distance) == found.distance for found in other)
        with store.database.apart() as connection:
            connection.execute("SET enable_seqscan = off")
            plan = connection.execute(
                "EXPLAIN SELECT 1 FROM (SELECT * FROM vectors_1_p1 UNION ALL SELECT * FROM vectors_1_p3) half "
                f"ORDER BY embedding::halfvec({DIM}) <#> %s::halfvec({DIM}) LIMIT 10",
                [str(rows[0].tolist())],
            ).fetchall()
        assert sum("_hnsw" in line for (line,) in plan) == 2
        store.add([NewSighting(random_embeddings(1, seed=9)[0], source="later")])
        assert store.search(random_embeddings(1, seed=9), top=1)[0][0].source == "later"


def test_an_embedding_too_long_for_an_index_is_searched_exactly(private_folder):
    model = ModelIdentity("m", "e" * 32, 4001)
    with gallery.open(private_folder, model) as store:
        store.add([NewSighting(random_embeddings(1, 4001)[0])])
        with pytest.raises(UserError, match="4001 numbers are too long for an index; the search is exact"):
            store.build_index()
        assert len(store.search(random_embeddings(1, 4001))[0]) == 1


def test_the_password_is_in_no_message(server, server_url):
    store = PostgresStore(server_url, MODEL)
    assert store.name == server_url.replace(":secret", "")
    store.close()
    with pytest.raises(UserError, match=r"the database refuses: .*password authentication failed") as refused:
        PostgresStore(server.url(password="wrong"), MODEL)
    assert "wrong" not in str(refused.value)
    with pytest.raises(UserError, match='database "nowhere" does not exist'):
        PostgresStore(server.url("nowhere"), MODEL)


def test_there_must_be_a_store_to_search(server_url):
    with pytest.raises(UserError, match=r"there is no store. `keras-reid gallery enrol` makes one"):
        gallery.open(server_url, MODEL, create=False)


def test_a_server_that_forbids_making_a_store(server, server_url):
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS guest")
        connection.execute("CREATE ROLE guest LOGIN PASSWORD 'secret'")
    with pytest.raises(
        UserError, match=r"the database does not let this user make a store .*CREATE EXTENSION vector"
    ):
        PostgresStore(server_url.replace("admin", "guest"), MODEL)
