import datetime
import json
import os

import numpy as np
import psycopg
import pytest

from keras_reid.gallery import ModelIdentity
from keras_reid.gallery.byte_scan import files_below
from keras_reid.gallery.images import content_hash
from keras_reid.gallery.postgres import audit, erasure, expiry, rewriting, vectors
from keras_reid.gallery.postgres.erasure import finish_pending, forget
from keras_reid.gallery.postgres.expiry import expire
from keras_reid.gallery.postgres.store import PostgresStore
from keras_reid.gallery.protocol import KeptImage, NewSighting
from keras_reid.gallery.receipts import check_receipt, key_files, public_key
from keras_reid.utils.errors import UserError
from tests.gallery.conftest import random_embeddings

medium = pytest.mark.medium
NAME = "Anna Łukasiewicz <script> ' OR 1=1 --"
LONG_NOTE = "seen at the northern gate with a green bag, asked for the way to platform seven. "


def model(dim):
    return ModelIdentity("runs/erasure", f"{dim:032x}", dim)


def picture(seed):
    content = b"\xff\xd8\xff\xda" + np.random.default_rng(seed).bytes(700)
    return KeptImage(content_hash(content), content, "image")


def sightings(dim, count=60, identities=6):
    rows = random_embeddings(count, dim, seed=dim)
    for number, row in enumerate(rows):
        name = NAME if number % identities == 0 else f"somebody else {number % identities}"
        yield NewSighting(
            row,
            name,
            f"camera {number % 3}",
            datetime.datetime(2026, 1, 1 + number % 28, tzinfo=datetime.UTC),
            f"/pictures/of/the/year/{number:06d}.jpg",
            note=f"{number} {LONG_NOTE}",
            image=picture(number),
            digest=content_hash(str(number).encode()),
        )


def files_with(folder, one):
    """The files that hold pieces of a sighting, found by Python alone. `tests/gallery/test_byte_scan.py` is about runs
    at any place; a row that stayed somewhere would show these pieces too."""
    pieces = [one.source.encode(), one.digest]
    for content in (
        one.embedding.tobytes(),
        one.embedding.astype(np.float16).tobytes(),
        one.image.content[4:],
    ):
        pieces += [content[start : start + 32] for start in range(0, len(content) - 31, 256)]
    found = set()
    for file in files_below(folder):
        data = file.read_bytes() if file.exists() else b""
        if any(piece in data for piece in pieces):
            found.add(file.relative_to(folder).parts[1])
    return found


def to_disk(store):
    with store.database.apart() as connection:
        connection.execute("CHECKPOINT")


@pytest.mark.parametrize(
    ("dim", "indexed"),
    [
        pytest.param(512, True, id="hnsw", marks=medium),
        pytest.param(2048, False, id="toast", marks=pytest.mark.slow),
    ],
)
def test_nothing_of_a_forgotten_identity_stays_in_any_file(private_folder, dim, indexed):
    kept = list(sightings(dim))
    with PostgresStore(private_folder, model(dim)) as store:
        store.add(kept)
        if indexed:
            store.build_index()
        found = files_with(private_folder, kept[0])  # before the checkpoint, which may remove the log
        to_disk(store)
        assert {"base", "pg_wal"} <= found | files_with(private_folder, kept[0])
        receipt = forget(store, [NAME])
        assert not files_with(private_folder, kept[0])
        assert receipt["counts"] == {"identities": 1, "sightings": 10, "vectors": 10, "images": 10}
        assert receipt["scan"]["traces"] == 0
        assert receipt["scan"]["bytes"] > 1e6
        assert (store.count().identities, store.count().sightings) == (5, 50)
        found = store.search(kept[0].embedding[None], top=60)[0]
        assert len(found) == 50
        assert NAME not in {one.name for one in found}
        assert store.search(kept[1].embedding[None], top=1)[0][0].distance < 1e-6
        with pytest.raises(UserError, match="there is no identity"):
            forget(store, [NAME])
        text = json.dumps(receipt)
        assert "Anna" not in text
        assert "pictures" not in text
        if indexed:
            assert store.database.run(indexes) == vectors.PARTITIONS
    check_receipt(receipt, public_key(key_files(private_folder)[1]))
    assert f"{receipt['erasure']}.json" in os.listdir(private_folder / erasure.RECEIPTS)


def indexes(connection):
    query = "SELECT count(*) FROM pg_index JOIN pg_class ON oid = indexrelid WHERE relname LIKE '%_hnsw' AND indisvalid"
    return connection.execute(query).fetchone()[0]


@medium
def test_what_others_share_stays_and_is_no_trace(private_folder):
    anna, other, *_ = sightings(16)
    shared = {"source": anna.source, "note": anna.note, "image": anna.image, "embedding": anna.embedding}
    twin = NewSighting(identity="twin", **shared)
    with PostgresStore(private_folder, model(16)) as store:
        store.add([anna, other, twin])
        receipt = forget(store, [NAME])
        assert receipt["counts"] == {"identities": 1, "sightings": 1, "vectors": 1, "images": 0}
        assert store.get("twin").sightings[0].image == anna.image.hash
        assert forget(store, ["twin"])["counts"]["images"] == 1
        assert not files_with(private_folder, anna)


@medium
def test_a_copy_in_a_foreign_file_keeps_the_receipt_back(private_folder, monkeypatch):
    monkeypatch.setattr(erasure, "_TRIES", 1)
    anna, other, *_ = sightings(512)
    copy = private_folder / "copy.bin"
    with PostgresStore(private_folder, model(512)) as store:
        store.add([anna, other])
        copy.write_bytes(bytes(77) + anna.embedding.tobytes()[100:200])
        with pytest.raises(UserError, match=r"copy\.bin still holds bytes .* no receipt is issued"):
            forget(store, [NAME])
        assert store.count().identities == 1
        copy.unlink()
        before = len(list((private_folder / erasure.RECEIPTS).glob("*")))
    with PostgresStore(private_folder, model(512)) as store:
        assert len(os.listdir(private_folder / erasure.RECEIPTS)) == before + 1
        assert not (private_folder / "erasing").exists()
        assert finish_pending(store) == []


@medium
def test_an_erasure_that_was_cut_off_is_finished_by_the_next_command(private_folder, monkeypatch, capsys):
    anna, other, *_ = sightings(512)
    with PostgresStore(private_folder, model(512)) as store:
        store.add([anna, other])
        with monkeypatch.context() as patched:
            patched.setattr(erasure, "_finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                forget(store, [NAME])
        assert store.count().identities == 1
        to_disk(store)
        assert files_with(private_folder, anna)
    with PostgresStore(private_folder, model(512)) as store:
        assert "finishing the erasure" in capsys.readouterr().err
        assert not files_with(private_folder, anna)
        with store.database.apart() as connection, connection.transaction():
            actions = [one.action for one in audit.verified(audit.entries(connection))]
        assert actions[-2:] == ["forget", "erased"]


@medium
def test_files_that_no_table_owns_are_removed(private_folder):
    anna, other, *_ = sightings(512)
    with PostgresStore(private_folder, model(512)) as store:
        store.add([anna, other])
        with store.database.apart() as connection:
            (path,) = connection.execute("SELECT pg_relation_filepath('sightings')").fetchone()
        orphan = private_folder / "data" / path
        orphan = orphan.with_name("99999999.1")
        orphan.write_bytes(anna.embedding.tobytes())
        forget(store, [NAME])
        assert not orphan.exists()


@medium
def test_a_transaction_that_may_still_read_the_rows_is_waited_for(private_folder, monkeypatch):
    monkeypatch.setattr(rewriting, "_PATIENCE", 0.3)
    anna, other, *_ = sightings(16)
    with PostgresStore(private_folder, model(16)) as store:
        store.add([anna, other])
        with store.database.apart() as reader:
            reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            reader.execute("SELECT count(*) FROM sightings")
            with pytest.raises(UserError, match="may still read erased rows"):
                forget(store, [NAME])
        assert len(finish_pending(store)) == 1


@medium
def test_old_sightings_expire_and_identities_with_their_last_one(private_folder, monkeypatch):
    now = datetime.datetime.now(datetime.UTC)
    rows = random_embeddings(4)

    def one(place, name, camera, days):
        return NewSighting(rows[place], name, camera, now - datetime.timedelta(days=days), f"{place}.jpg")

    with PostgresStore(private_folder, model(16)) as store:
        store.add(
            [
                one(0, "a", "door", 40),
                one(1, "a", "door", 1),
                one(2, "b", "door", 40),
                one(3, "c", "hall", 40),
            ]
        )
        assert expire(store, datetime.timedelta(days=50)) is None
        with pytest.raises(UserError, match="no camera 'roof'"):
            expire(store, datetime.timedelta(days=30), ["roof"])
        receipt = expire(store, datetime.timedelta(days=30), ["door"])
        assert receipt["counts"] == {"identities": 1, "sightings": 2, "vectors": 2, "images": 0}
        assert receipt["action"] == "expire"
        assert len(store.get("a").sightings) == 1
        assert store.count().identities == 2
        monkeypatch.setattr(expiry, "MOST_LOOKED_FOR", 1)
        store.add([one(3, "c", "hall", 50)])
        assert expire(store, datetime.timedelta(days=30))["counts"] == {
            "identities": 1,
            "sightings": 2,
            "vectors": 2,
            "images": 0,
            "sightings_looked_for": 1,
        }


@medium
def test_on_a_server_rows_go_and_the_receipt_says_what_remains(server_url, tmp_path):
    anna, other, *_ = sightings(16)
    with PostgresStore(server_url, model(16)) as store:
        store.add([anna, other])
        with pytest.raises(UserError, match="name a file with --key"):
            forget(store, [NAME])
        assert store.count().identities == 2
        receipt = forget(store, [NAME], tmp_path / "key.pem")
        assert store.count().identities == 1
    assert receipt["scan"] is None
    assert "replicas, backups" in receipt["limits"]
    check_receipt(receipt, public_key(tmp_path / "key.pub.pem"))


@medium
def test_the_audit_only_grows(private_folder):
    anna, *_ = sightings(16)
    with PostgresStore(private_folder, model(16)) as store:
        store.add([anna])
        subject = store.get(NAME).subject
        forget(store, [NAME])
        with store.database.apart() as connection:
            for statement in ("UPDATE audit SET action = 'x'", "DELETE FROM audit", "TRUNCATE audit"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege, match="only grows"):
                    connection.execute(statement)
            with connection.transaction():
                rows = list(audit.verified(audit.entries(connection)))
            assert [str(one) for one in rows[-1].subjects] == [subject]
            assert "Anna" not in json.dumps([row.to_dict() for row in rows])
            # The owner can switch the trigger off; then the chain tells.
            connection.execute("ALTER TABLE audit DISABLE TRIGGER append_only")
            connection.execute("UPDATE audit SET action = 'export' WHERE number = 1")
            with connection.transaction(), pytest.raises(UserError, match="row 1 does not fit"):
                list(audit.verified(audit.entries(connection)))
