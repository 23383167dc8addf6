import json
import os

import psycopg
import pytest

from keras_reid.gallery.postgres.audit import entries, verified
from keras_reid.gallery.postgres.backup import backup, restore
from keras_reid.gallery.postgres.erasure import forget
from keras_reid.gallery.postgres.store import PostgresStore
from keras_reid.gallery.protocol import NewSighting
from keras_reid.utils.errors import UserError
from tests.gallery import servers
from tests.gallery.conftest import MODEL, random_embeddings


@pytest.mark.slow
def test_a_restored_store_is_the_same_without_those_who_were_erased_since(private_folder, tmp_path):
    rows = random_embeddings(4)
    with PostgresStore(private_folder, MODEL) as store:
        store.add([NewSighting(row, name) for row, name in zip(rows, "aabc", strict=True)])
        assert backup(store, tmp_path / "backup") == os.path.getsize(tmp_path / "backup")
        assert os.stat(tmp_path / "backup").st_mode & 0o777 == 0o600
        with pytest.raises(UserError, match="overwrites nothing"):
            backup(store, tmp_path / "backup")
        receipt = forget(store, ["b"])
        (tmp_path / "receipts").mkdir()
        (tmp_path / "receipts" / "b.json").write_text(json.dumps(receipt))
        (tmp_path / "other.json").write_text("{}")
        number = store.id()
    with servers.open_folder() as place:
        with pytest.raises(UserError, match=r"other\.json is not a receipt"):
            restore(tmp_path / "backup", place / "new", [tmp_path / "other.json"])
        assert restore(tmp_path / "backup", place / "new", [tmp_path / "receipts"]) == receipt["subjects"]
        with pytest.raises(UserError, match="must be new or empty"):
            restore(tmp_path / "backup", place / "new")
        with PostgresStore(place / "new", MODEL) as store:
            assert store.id() == number
            assert store.count().sightings == 3
            assert store.search(rows[1:2], top=1)[0][0].name == "a"
            with pytest.raises(UserError, match="there is no identity"):
                store.get("b")
            store.add([NewSighting(random_embeddings(5)[4], "d")])
            refused = pytest.raises(psycopg.errors.InsufficientPrivilege, match="only grows")
            with store.database.apart() as connection, refused:
                connection.execute("DELETE FROM audit")


@pytest.mark.slow
def test_damaged_backups_leave_nothing_behind(private_folder, tmp_path):
    with PostgresStore(private_folder, MODEL) as store:
        store.add([NewSighting(row, "a") for row in random_embeddings(40)])
        backup(store, tmp_path / "backup")
    content = (tmp_path / "backup").read_bytes()
    with servers.open_folder() as place:
        (tmp_path / "text").write_text("something else")
        with pytest.raises(UserError, match="is not a backup"):
            restore(tmp_path / "text", place / "new")
        (tmp_path / "half").write_bytes(content[: len(content) // 2])
        with pytest.raises(UserError, match="pg_restore failed"):
            restore(tmp_path / "half", place / "new")
        assert list((place / "new").iterdir()) == []


@pytest.mark.medium
def test_a_server_has_its_own_backups(server_url, tmp_path):
    with (
        PostgresStore(server_url, MODEL) as store,
        pytest.raises(UserError, match="by the means of that server"),
    ):
        backup(store, tmp_path / "backup")


@pytest.mark.medium
def test_a_dump_of_a_server_is_a_store_again(server, server_url):
    """As docs/gallery.md says: the schema and the extension by pg_dump, into an empty database."""
    rows = random_embeddings(3)
    with PostgresStore(server_url, MODEL) as store:
        store.add([NewSighting(row, name) for row, name in zip(rows, "aab", strict=True)])
    what = ("--schema=gallery", "--extension=vector")
    server.run("pg_dump", "--format=custom", *what, "--file=monday.dump", server_url)
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE restored")
    try:
        server.run("pg_restore", f"--dbname={server.url('restored')}", "--exit-on-error", "monday.dump")
        with PostgresStore(server.url("restored"), MODEL) as store:
            assert store.search(rows[2:], top=1)[0][0].name == "b"
            store.add([NewSighting(random_embeddings(4)[3], "c")])
            with store.database.apart() as connection, connection.transaction():
                assert [row.action for row in verified(entries(connection))] == ["enrol", "enrol"]
    finally:
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute("DROP DATABASE restored WITH (FORCE)")
