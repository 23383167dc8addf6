"""`keras-reid cluster` with a store: what it enrols, what people decide, what the next run makes of it."""

import csv
import shutil

import numpy as np
import pytest
from PIL import Image

from keras_reid import cluster
from keras_reid.gallery.postgres import answers, audit, changes, erasure
from keras_reid.gallery.postgres.store import PostgresStore
from keras_reid.tracks.albums import album_store
from keras_reid.tracks.albums.decisions import MACHINE
from keras_reid.tracks.albums.regrouping import Plan
from keras_reid.utils.errors import UserError
from tests.evaluation.calibration.test_calibration import line
from tests.gallery import servers
from tests.gallery.conftest import DIM, MODEL, OTHER_MODEL, mean_colours, unit

pytestmark = pytest.mark.medium

COLOURS = {"red": (200, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 200), "grey": (90, 90, 90)}
CALIBRATION = line(distances=[0.0, 1.0], log_likelihood_ratio=[8.0, -8.0])
_MIX = np.linalg.qr(np.random.default_rng(0).standard_normal((DIM, 4)))[0]  # keeps angles


def embed(contents):
    """The mean colour, with a constant that keeps grey apart."""
    colours = mean_colours(contents) - 90
    return unit(np.insert(colours, 3, 20, axis=1) @ _MIX.T)


def picture(path, colour, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(-8, 9, (24, 24, 3))
    Image.fromarray(np.clip(np.array(COLOURS[colour]) + noise, 0, 255).astype(np.uint8)).save(path)


@pytest.fixture(scope="module")
def server():
    with servers.private_store() as one:
        yield one


@pytest.fixture
def folder(server):
    """The folder of an empty store."""
    servers.emptied(server.address)
    return server.folder


@pytest.fixture
def album(tmp_path, monkeypatch):
    """A folder with four red and three green pictures, a copy of one, and a broken one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("keras_reid.gallery.store_model.embedder_of", lambda *_: (embed, MODEL, CALIBRATION))
    monkeypatch.setattr("keras_reid.tracks.clustering.calibration_of", lambda _: CALIBRATION)
    for colour, count in (("red", 4), ("green", 3)):
        for number in range(count):
            picture(tmp_path / "album" / f"{colour}{number}.png", colour, number)
    shutil.copy("album/red0.png", "album/red0_copy.png")
    (tmp_path / "album" / "broken.jpg").write_bytes(b"\xff\xd8\xff no image")
    return tmp_path / "album"


def run(store=None, pictures="album"):
    """Runs the command; which identity each picture has, by the table that it wrote."""
    more = [] if store is None else ["--store", str(store)]
    cluster.main([pictures, "--model", "runs/tests", "--output", "out", *more])
    with open("out/groups.csv", newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert all(0 < float(row["probability"]) <= 1 for row in rows)
    return {row["path"].removeprefix(f"{pictures}/"): row["identity"] for row in rows}


def ids(found, colour):
    return {identity for path, identity in found.items() if path.startswith(colour)}


def do(folder, work):
    """What somebody does on the gallery's page."""
    with PostgresStore(folder) as store:
        return store.database.run(work)


def identity_of(folder, name):
    return do(
        folder,
        lambda connection: connection.execute(
            "SELECT id, identity FROM sightings WHERE source = %s", [f"album/{name}"]
        ).fetchone(),
    )


def done_by_machine(folder):
    return [
        (one.id, one.action)
        for one in do(folder, changes.everything)
        if one.by == MACHINE and one.undone is None
    ]


def test_without_a_store(album, capsys):
    found = run()
    assert found == {
        **dict.fromkeys(("red0.png", "red0_copy.png", "red1.png", "red2.png", "red3.png"), "1"),
        **dict.fromkeys(("green0.png", "green1.png", "green2.png"), "2"),
    }
    printed = capsys.readouterr()
    assert "1 picture cannot be read:\n  album/broken.jpg: " in printed.err
    assert printed.out.startswith("8 pictures, 2 identities, 0 of them with one picture: out/groups.csv, ")
    page = (album.parent / "out" / "index.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") == 8


def test_what_people_decide_stays(album, folder, capsys):
    found = run(folder)
    assert len(ids(found, "red")) == len(ids(found, "green")) == 1
    assert ids(found, "red") != ids(found, "green")
    assert "7 pictures enrolled, 0 changes" in capsys.readouterr().out
    assert run(folder) == found  # nothing is new, nothing changes
    assert "0 pictures enrolled, 0 changes" in capsys.readouterr().out

    # A name: new pictures join it by a change that can be undone, and is not done again then.
    _, red = identity_of(folder, "red0.png")
    do(folder, lambda connection: changes.rename(connection, red, "Ruby", "me"))
    picture(album / "red7.png", "red", 7)
    assert run(folder)["red7.png"] == "Ruby"
    ((change, action),) = done_by_machine(folder)
    assert action == "merge"
    do(folder, lambda connection: changes.undo(connection, change))
    again = run(folder)
    assert again["red7.png"] != "Ruby"
    assert ids(again, "red0") | ids(again, "red3") == {"Ruby"}

    # A split stays, also of what looks the same; a merge stays, also of what does not.
    sighting, green = identity_of(folder, "green0.png")
    do(folder, lambda connection: changes.split(connection, [sighting], None, "me"))
    _, other = identity_of(folder, "red7.png")
    do(folder, lambda connection: changes.merge(connection, green, [other], "me"))
    last = run(folder)
    assert last["green1.png"] == last["green2.png"] == last["red7.png"] != last["green0.png"]

    # Answers count, too.
    one, other = (identity_of(folder, name)[0] for name in ("green0.png", "red0.png"))
    do(
        folder,
        lambda connection: answers.keep(connection, "me", True, 1.0, MODEL.fingerprint, one, other),
    )
    assert run(folder)["green0.png"] == "Ruby"
    do(folder, lambda connection: list(audit.verified(audit.entries(connection))))


def test_undecided_groups_change_and_pictures_elsewhere_do_not(album, folder):
    picture(album.parent / "elsewhere" / "green8.png", "green", 8)
    picture(album.parent / "elsewhere" / "blue8.png", "blue", 8)
    before = run(folder, "elsewhere")
    found = run(folder)
    # New pictures join what is there.
    assert ids(found, "green") == {before["green8.png"]}
    assert ids(found, "red").isdisjoint(before.values())
    # What the machine grouped wrongly and nobody decided, it groups again.
    sighting, red = identity_of(folder, "red1.png")
    with PostgresStore(folder, MODEL) as store:
        enrolled = album_store.read_enrolled(store)
        row = enrolled.sightings.tolist().index(sighting)
        album_store.regroup(store, enrolled, Plan(((row,),), (), {}))
        assert identity_of(folder, "red1.png")[1] != red
        assert run(folder) == found
        # A plan that was made from what was there before somebody changed it is not carried out.
        with pytest.raises(
            UserError, match=r"somebody merged, split, .* Nothing was changed: run the command again"
        ):
            album_store.regroup(store, enrolled, Plan(((row,),), (), {}))


def test_who_is_erased_leaves_nothing_behind_that_decides(album, folder, tmp_path):
    run(folder)
    _, red = identity_of(folder, "red0.png")
    do(folder, lambda connection: changes.rename(connection, red, "Ruby", "me"))
    with PostgresStore(folder) as store:
        erasure.forget(store, [red], tmp_path / "key.pem")
    for path in album.glob("red*"):
        path.unlink()
    found = run(folder)
    assert ids(found, "green") == set(found.values())
    assert do(folder, changes.everything) == []


def test_another_model_is_refused_by_name(album, folder, monkeypatch):
    run(folder)
    monkeypatch.setattr(
        "keras_reid.gallery.store_model.embedder_of", lambda *_: (embed, OTHER_MODEL, CALIBRATION)
    )
    with pytest.raises(UserError, match=r"of the model runs/tests \(aaaaaaaa\), and this is runs/other"):
        run(folder)
