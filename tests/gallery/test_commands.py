"""`keras-reid gallery enrol` and `search`."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from keras_reid.gallery import __main__ as program
from keras_reid.gallery.commands import enrol, search
from keras_reid.utils.errors import UserError
from tests.evaluation.calibration.test_calibration import line
from tests.export.conftest import small_model

medium = pytest.mark.medium


def test_help_lists_the_subcommands(capsys):
    program.main([])
    printed = capsys.readouterr().out
    assert printed.startswith("usage: keras-reid gallery SUBCOMMAND …\n")
    assert all(f"\n  {name}" in printed for name in program.SUBCOMMANDS)


def test_an_unknown_subcommand():
    with pytest.raises(UserError, match=r"there is no subcommand 'enroll'. Did you mean enrol\? "):
        program.main(["enroll"])


@pytest.mark.parametrize("name", program.SUBCOMMANDS)
def test_each_subcommand_has_help(name, capsys):
    with pytest.raises(SystemExit) as stop:
        program.main([name, "--help"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: keras-reid gallery {name} ")


@pytest.mark.parametrize(
    ("main", "arguments", "said"),
    [
        (enrol.main, [], "name images or folders before the options, or a table with --csv"),
        (enrol.main, ["a.png", "--time", "noon"], "--time must be a time in ISO 8601"),
        (enrol.main, ["a.png", "--batch-size", "0"], "--batch-size must be at least 1. Received: 0"),
        (enrol.main, ["a.png", "--store", "mysql://x/y"], "--store must be a folder or postgresql://"),
        (
            enrol.main,
            ["a.png", "--store", "nowhere/store"],
            "the folder .*nowhere does not exist. Create it first",
        ),
        (enrol.main, ["a.png", "--store", "."], "is not a store: it holds"),
        (enrol.main, ["missing.png"], "missing.png: there is no such file or folder"),
        (search.main, [], "name at least one image to search for"),
        (search.main, ["a.png", "--top", "0"], "--top must be at least 1. Received: 0"),
        (search.main, ["a.png", "--after", "2026-06-01"], "--after must have a time zone"),
        (search.main, ["a.png", "--prior", "2"], "prior"),
        (search.main, ["a.png"], "gallery-store: there is no store. `keras-reid gallery enrol` makes one"),
    ],
)
def test_mistakes_are_told_before_anything_is_loaded(tmp_path, monkeypatch, main, arguments, said):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (8, 8)).save("a.png")
    monkeypatch.setattr("keras_reid.gallery.store_model.open_with_model", None)
    with pytest.raises(UserError, match=said):
        main([*arguments, "--model", "m.keras"])
    assert {path.name for path in tmp_path.iterdir()} == {"a.png"}


def test_a_folder_index_is_for_the_other_search(tmp_path):
    (tmp_path / "store.json").write_text("{}")
    arguments = [__file__, "--model", "m", "--store", str(tmp_path)]
    for main in (enrol.main, search.main):
        with pytest.raises(
            UserError, match=r"a folder index keeps no identities, .*`keras-reid search --gallery`"
        ):
            main(arguments)


def picture(path, colour):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(len(str(path))).integers(0, 20, (32, 16, 3))
    Image.fromarray((noise + colour).clip(0, 255).astype(np.uint8)).save(path)


@medium
@pytest.mark.usefixtures("load_once")
def test_enrol_and_search(tmp_path, private_folder, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = small_model()
    model.save("plain.keras")
    model.metadata.update(line(distances=[0.0, 0.5]).to_metadata())
    model.save("calibrated.keras")
    small_model(seed=3).save("other.keras")
    store = ["--store", str(private_folder)]
    picture(tmp_path / "people/anna/door_1.png", (200, 10, 10))
    picture(tmp_path / "people/anna/yard_2.png", (190, 20, 10))
    picture(tmp_path / "people/[b]berta/door_1.png", (10, 200, 10))
    shutil.copy("people/anna/door_1.png", "who.png")
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    enrol.main(
        ["people", "broken.jpg", "--model", "plain.keras", *store, "--time", "2026-06-01T12:00:00+02:00"]
    )
    printed = capsys.readouterr()
    assert printed.out.endswith("which holds 3 sightings of 2 identities\n")
    assert "1 image cannot be read:\n  broken.jpg: " in printed.err
    enrol.main(["people", "--model", "plain.keras", *store])
    printed = capsys.readouterr()
    assert printed.out.startswith("0 images enrolled")
    assert "3 images passed over:\n  people/[b]berta/door_1.png: is enrolled already" in printed.err

    search.main(["who.png", "--model", "calibrated.keras", *store, "--json"])
    (answer,) = json.loads(capsys.readouterr().out)
    assert answer["query"] == "who.png"
    first = answer["results"][0]
    assert first["identity"] == "anna"
    assert (first["camera"], first["time"]) == ("door", "2026-06-01T10:00:00+00:00")
    assert first["distance"] == pytest.approx(0, abs=1e-6)
    assert first["verdict"] in ("same", "unsure")
    assert 0 <= first["probability"] <= 1
    assert len(answer["results"]) == 3
    search.main(["who.png", "--model", "plain.keras", *store, "--camera", "yard", "--top", "5"])
    printed = capsys.readouterr()
    assert "anna" in printed.out
    assert "berta" not in printed.out
    assert "no verdict: the model is not calibrated" in printed.err
    search.main(["who.png", "--model", "plain.keras", *store, "--after", "2027-01-01T00:00:00Z"])
    assert "the store holds no such sighting" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"of the model plain.keras \(\w{8}\), and this is other.keras"):
        search.main(["who.png", "--model", "other.keras", *store])
