import csv
import datetime
import json

import numpy as np
import pytest

from keras_reid.gallery.images import content_hash
from keras_reid.gallery.postgres.erasure import forget
from keras_reid.gallery.postgres.store import PostgresStore
from keras_reid.gallery.postgres.transfer import export, guarded, import_, unguarded
from keras_reid.gallery.protocol import KeptImage, NewSighting
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import encoded
from tests.gallery.conftest import MODEL, OTHER_MODEL, random_embeddings

FORMULA = '=HYPERLINK("http://example.org","click")'


@pytest.mark.parametrize(
    "text", ["Anna", FORMULA, "-1", "+1", "@x", "'quoted", "'=1", "\tx", "''", "\n=1", "a'b"]
)
def test_guarded_texts_come_back_and_are_no_formulas(text):
    assert guarded(text)[0] not in "=+-@\t\r\n"
    assert unguarded(guarded(text)) == text


def picture(seed):
    from PIL import Image

    pixels = np.random.default_rng(seed).integers(0, 256, (24, 16, 3), np.uint8)
    content = encoded(Image.fromarray(pixels), ".jpg")
    return KeptImage(content_hash(content), content, "thumbnail")


def sightings():
    zone = datetime.timezone(datetime.timedelta(hours=-3, minutes=-30))
    for number, row in enumerate(random_embeddings(6)):
        name = (FORMULA, 'Łu\u202ecy, "the" one\nwith a line', None)[number % 3]
        time = datetime.datetime(2026, 5, 1 + number, 12, tzinfo=zone) if number else None
        yield NewSighting(
            row,
            name,
            "door" if number % 2 else None,
            time,
            f"{number}.jpg",
            0.5,
            "'note",
            picture(number),
            bytes([number] * 32),
        )


@pytest.fixture
def exported(private_folder, tmp_path):
    with PostgresStore(private_folder, MODEL) as store:
        store.add(list(sightings()))
        assert export(store, tmp_path / "export").sightings == 6
        with pytest.raises(UserError, match="overwrites nothing"):
            export(store, tmp_path / "export")
    return tmp_path / "export"


@pytest.mark.medium
def test_a_gallery_moves_to_another_store_and_only_once(exported, server_url):
    assert import_(server_url, exported).sightings == 6
    again = import_(server_url, exported)
    assert (again.sightings, again.duplicates) == (0, 6)
    with PostgresStore(server_url, MODEL) as store:
        assert store.count().identities == 4
        rows = store.get(FORMULA).sightings
        assert [one.source for one in rows] == ["0.jpg", "3.jpg"]
        assert rows[1].time == datetime.datetime(2026, 5, 4, 15, 30, tzinfo=datetime.UTC)
        assert (rows[1].quality, rows[1].note, rows[1].image) == (0.5, "'note", picture(3).hash)
        assert store.search(random_embeddings(6)[4:5], top=1)[0][0].source == "4.jpg"
        zones = store.database.run(lambda one: one.execute("SELECT DISTINCT zone FROM sightings").fetchall())
        assert {zone for (zone,) in zones} == {None, "-03:30"}
    with open(exported / "sightings.csv", newline="", encoding="utf-8") as file:
        assert all(cell[:1] not in ("=", "@", "+") for row in csv.reader(file) for cell in row)


@pytest.mark.medium
def test_who_was_erased_does_not_come_back(exported, private_folder):
    with PostgresStore(private_folder, MODEL) as store:
        forget(store, [FORMULA])
    done = import_(str(private_folder), exported)
    assert (done.sightings, done.duplicates, done.erased) == (0, 4, 2)


@pytest.mark.medium
def test_damaged_exports_are_refused_by_file_and_row(exported, server_url):
    good = (exported / "sightings.csv").read_text()
    about = json.loads((exported / "gallery.json").read_text())

    def refused(message):
        with pytest.raises(UserError, match=message):
            import_(server_url, exported)

    (exported / "sightings.csv").write_text(good.replace("note", "nota", 1))
    refused("must have the columns")
    (exported / "sightings.csv").write_text(good.replace(picture(0).hash.hex(), "../../etc/passwd"))
    refused("row 1: column 'image' must be a SHA-256")
    (exported / "sightings.csv").write_text(good)
    (exported / "images" / f"{picture(0).hash.hex()}.jpg").write_bytes(b"other")
    refused("is damaged: its bytes do not have the hash")
    np.save(exported / "embeddings.npy", np.ones((6, 3), np.float32))
    refused(r"must hold float32 \(n, 16\)")
    (exported / "gallery.json").write_text(json.dumps({**about, "version": 9}))
    refused(r"must have version 1\. Received: 9")
    (exported / "gallery.json").unlink()
    refused("has no gallery.json")


@pytest.mark.medium
def test_another_model_is_refused_by_name(exported, server_url):
    with PostgresStore(server_url, OTHER_MODEL):
        pass
    with pytest.raises(UserError, match=r"runs/other .* and this is runs/tests"):
        import_(server_url, exported)
