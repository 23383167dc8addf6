"""`keras-reid gallery forget`, `expire`, `audit`, `verify-receipt`, `check`, `export`, `import`, `backup`, …"""

import datetime
import json

import pytest

from keras_reid.gallery import __main__ as program
from keras_reid.gallery.postgres.store import PostgresStore
from keras_reid.gallery.protocol import NewSighting
from keras_reid.utils.errors import UserError
from tests.gallery import servers
from tests.gallery.conftest import MODEL, random_embeddings

medium = pytest.mark.medium
NAME = "'; DROP TABLE sightings; --\u202e<b>"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["forget"], "name at least one identity to erase"),
        (["forget", "a", "--receipt", "there"], "there exists: a receipt overwrites nothing"),
        (["forget", "a", "--receipt", "no/r.json"], "the folder no does not exist"),
        (["forget", "a"], "gallery-store: there is no store"),
        (
            ["expire", "--older-than", "soon"],
            r"must be a whole number above 0 with h, d or w.* Received: 'soon'",
        ),
        (["expire", "--older-than", "0d"], "must be a whole number above 0"),
        (["expire", "--older-than", "30d"], "there is no store"),
        (["audit"], "there is no store"),
        (["check"], "there is no store"),
        (["verify-receipt", "r.json"], r"r\.json: there is no such receipt"),
        (["verify-receipt", "there"], "there is no public key"),
        (["export", "out"], "there is no store"),
        (["import", "there"], "there must be a folder that `keras-reid gallery export` wrote"),
        (["backup", "out"], "there is no store"),
        (["restore", "out"], "there is no such backup"),
        (["restore", "there", "--store", "postgresql://x/y"], "is restored into a folder"),
        (["restore", "there"], "there is not a backup"),
        (["reembed", "--model", "m", "--batch-size", "0"], "--batch-size must be at least 1"),
    ],
)
def test_mistakes_are_told_in_one_line_and_leave_nothing(tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").write_text("{}")
    with pytest.raises(UserError, match=said):
        program.main(words)
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


@pytest.fixture
def store(private_folder):
    now = datetime.datetime.now(datetime.UTC)
    with PostgresStore(private_folder, MODEL) as store:
        store.add(
            [
                NewSighting(row, name, "door", now - datetime.timedelta(days=age), f"{name}.jpg")
                for row, name, age in zip(
                    random_embeddings(4), (NAME, "b", "c", "c"), (1, 1, 50, 1), strict=True
                )
            ]
        )
    return str(private_folder)


@medium
def test_forget_says_whom_it_erases_and_needs_yes(store, tmp_path, capsys):
    with pytest.raises(UserError, match="nothing was erased"):
        program.main(["forget", NAME, "--store", store])
    said = capsys.readouterr().err
    assert "DROP TABLE sightings; --·<b>: 1 sighting, subject " in said
    subject = said.split("subject ")[1].strip()
    with pytest.raises(UserError, match=r"there is no identity with the name, number .* 'nobody'"):
        program.main(["forget", NAME, "nobody", "--store", store, "--yes"])
    receipt = tmp_path / "receipt.json"
    program.main(["forget", subject, "--store", store, "--receipt", str(receipt), "--yes"])
    said = capsys.readouterr().out
    assert "erased 1 identity, 1 sighting, 1 embedding, 0 pictures\nno trace of them in " in said
    assert f"receipt: {receipt}" in said
    program.main(["verify-receipt", str(receipt), "--store", store])
    said = capsys.readouterr().out
    assert said.startswith(f"genuine: {receipt}\n")
    assert "\n1 identity, 1 sighting, 1 embedding, 0 pictures\n" in said
    assert f"subject {subject}\n" in said
    receipt.write_text(receipt.read_text().replace('"sightings": 1', '"sightings": 2'))
    with pytest.raises(UserError, match="is not genuine"):
        program.main(["verify-receipt", str(receipt), "--store", store])
    program.main(["audit", "--store", store])
    said = capsys.readouterr().out
    assert subject in said
    assert "DROP" not in said
    assert "the chain of 3 rows is whole" in said
    program.main(["audit", "--store", store, "--json"])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["action"] for row in rows] == ["enrol", "forget", "erased"]


@medium
def test_expire_check_export_and_import(store, tmp_path, capsys, server_url):
    program.main(["check", "--store", store])
    assert capsys.readouterr().out == "0 of 4 pictures should be looked at\n"
    program.main(["export", str(tmp_path / "out"), "--store", store])
    program.main(["import", str(tmp_path / "out"), "--store", server_url])
    assert "4 sightings enrolled, 0 were enrolled already" in capsys.readouterr().out
    program.main(["expire", "--older-than", "30d", "--store", store])
    assert "erased 0 identities, 1 sighting" in capsys.readouterr().out
    program.main(["expire", "--older-than", "30d", "--store", store])
    assert capsys.readouterr().out == f"nothing in {store} is older than 30d\n"
    key = tmp_path / "key.pem"
    program.main(["forget", "b", "--store", server_url, "--key", str(key), "--yes"])
    said = capsys.readouterr().out
    assert "replicas, backups" in said
    assert '"kind": "keras_reid erasure receipt"' in said


@pytest.mark.slow
def test_backup_and_restore(store, tmp_path, capsys):
    program.main(["backup", str(tmp_path / "backup"), "--store", store])
    with servers.open_folder() as place:
        program.main(["restore", str(tmp_path / "backup"), "--store", str(place / "new")])
    assert capsys.readouterr().out.endswith(f"{place / 'new'}: restored\n")


@medium
def test_check_names_the_picture_and_strict_exits_with_1(private_folder, capsys):
    rows = random_embeddings(60, seed=3)
    centres = random_embeddings(15, seed=4)
    rows = rows * 0.3 + centres[[number // 4 for number in range(60)]]
    rows[0] = 0.3 * rows[1] + centres[9]
    rows /= (rows**2).sum(axis=1, keepdims=True) ** 0.5
    with PostgresStore(private_folder, MODEL) as store:
        store.add(
            [NewSighting(row, f"n{place // 4}", source=f"{place}.jpg") for place, row in enumerate(rows)]
        )
    with pytest.raises(SystemExit) as stop:
        program.main(["check", "--store", str(private_folder), "--strict"])
    assert stop.value.code == 1
    assert capsys.readouterr().out.startswith("0.jpg (n0): looks like n9 (")
