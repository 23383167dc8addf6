"""The invented names, cameras and times of a synthetic gallery."""

import csv
import datetime

import pytest

from keras_reid.data.synthetic import PRESETS, Synthetic
from keras_reid.data.synthetic.__main__ import main
from keras_reid.data.synthetic.sightings import TABLE, name_of, sightings
from tests.conftest import ROOT


@pytest.mark.parametrize("kind", ["person", "vehicle"])
def test_names_differ(kind):
    assert len({name_of(kind, number) for number in range(500)}) == 500


def test_each_image_of_the_gallery_has_a_time_and_nobody_is_in_two_places_at_once():
    rows = sightings("person", PRESETS["small"], 0)
    assert len(rows) == len({row[:3] for row in rows}) == 1200
    assert rows == sightings("person", PRESETS["small"], 0) != sightings("person", PRESETS["small"], 1)
    for identity in PRESETS["small"].identities("gallery"):
        times = [time for one, *_, time in rows if one == identity]
        assert times == sorted(set(times))
        days = {time.date() for time in times}
        assert len(days) == 2
        assert min(days) >= datetime.date(2026, 3, 2)
        assert max(days) < datetime.date(2026, 3, 16)


def test_the_table_lies_beside_the_images(tmp_path, capsys):
    folder = Synthetic("tiny").folder(tmp_path)
    dataset = Synthetic("tiny").read(tmp_path)
    written = (folder / TABLE).read_bytes()
    with open(folder / TABLE, encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {str(folder / row["path"]) for row in rows} == {sample.path for sample in dataset.gallery}
    assert rows[0]["identity"] == "Alex Ahmadi"
    assert {row["camera"] for row in rows} == {"North gate", "Entrance", "Yard"}
    assert datetime.datetime.fromisoformat(rows[0]["time"]).tzinfo

    (folder / TABLE).unlink()  # as in a data set from before
    main(["--preset", "tiny", "--output", str(tmp_path)])
    assert (folder / TABLE).read_bytes() == written
    assert TABLE in capsys.readouterr().out


def test_readme_names_the_table_of_the_quickstart():
    assert str(Synthetic().folder("datasets") / TABLE) in (ROOT / "README.md").read_text(encoding="utf-8")
