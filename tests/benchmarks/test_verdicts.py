"""The benchmark of verdicts: its parts share nothing, and its measures tell good from bad."""

import csv
import dataclasses

import numpy as np
import pytest

from keras_reid.data.synthetic.presets import Preset
from keras_reid.evaluation import Features
from keras_reid.evaluation.calibration import calibrate, fit_domain
from tests.benchmarks import import_benchmark
from tests.export.conftest import small_model

TINY = Preset(train_identities=12, test_identities=12, cameras=4, train_images=4, person_size=(64, 32))


@pytest.fixture(scope="module")
def verdicts():
    return import_benchmark("verdicts")


def images_of(verdicts, seed, shift=0.0, identities=40, cameras=4, shots=4, look=0.0):
    """Persons whose embeddings differ by camera, and looks around a number."""
    rng = np.random.default_rng(seed)
    persons, places, shot = (part.ravel() for part in np.indices((identities, cameras, shots)))
    embeddings = rng.standard_normal((identities, 16))[persons] + 0.4 * rng.standard_normal(
        (len(persons), 16)
    )
    embeddings += shift * rng.standard_normal(embeddings.shape)
    looks = look + rng.standard_normal((len(persons), 192))
    parts = np.where(persons < identities // 2, "train", np.where(shot == 0, "query", "gallery"))
    features = Features(embeddings, persons, places, images=np.arange(len(persons)))
    return verdicts.Images(features, looks, parts)


def figures(measures):
    return {one.name: one.value for one in measures}


def test_strange_looks_are_counted_and_persons_are_not(verdicts):
    day = images_of(verdicts, 1)
    known = day.of("query", "gallery")
    calibration = calibrate(day.of("query").features, day.of("gallery").features, false_positive_rate=0.01)
    calibration = dataclasses.replace(calibration, domain=fit_domain(known.looks, known.features.identities))
    for look, least, most in ((0.0, 0.0, 0.05), (9.0, 1.0, 1.0)):
        others = images_of(verdicts, 2, look=look)
        found = figures(
            verdicts.measure_domain(calibration, day.of("train"), others, np.random.default_rng(0))
        )
        assert least <= found["outside, vehicles' images"] <= most
        assert found["outside, pairs of vehicles"] >= found["outside, vehicles' images"]
        assert found["outside, persons' images"] < 0.05
        assert (found["confident, with it"] == 0) == (look == 9)
        assert found["confident, without the check"] > 0


def test_drift_is_found_in_another_light_alone(verdicts):
    day = images_of(verdicts, 1)
    calibration = calibrate(day.of("query").features, day.of("gallery").features, false_positive_rate=0.01)
    for shift, found in ((0.0, False), (2.0, True)):
        evening = images_of(verdicts, 1, shift)  # the same persons
        measured = figures(verdicts.measure_drift(calibration, day, evening, np.random.default_rng(0)))
        assert measured["drift, alarms by day"] == 0
        assert np.isfinite(measured["drift, queries in the evening until the alarm"]) == found


def test_the_parts_share_no_place_and_no_vehicle(verdicts, tmp_path, monkeypatch):
    assert not set(verdicts.SEEDS["development"]) & set(verdicts.SEEDS["test"])
    assert len(verdicts.SEEDS["test"]) >= 3
    every = images_of(verdicts, 1)
    monkeypatch.setattr(verdicts, "read", lambda *arguments: every)
    halves = [
        set(
            verdicts.vehicles_of(
                verdicts.argparse.Namespace(model="", vehicles=tmp_path, cache=tmp_path, part=part)
            ).features.identities
        )
        for part in verdicts.SEEDS
    ]
    assert not halves[0] & halves[1]
    assert len(halves[0] | halves[1]) == 40


@pytest.mark.medium
def test_from_an_empty_folder_to_the_table(verdicts, tmp_path, monkeypatch):
    from PIL import Image

    for name, preset in (("DAY", TINY), ("EVENING", TINY), ("VEHICLES", TINY)):
        monkeypatch.setattr(verdicts, name, preset)
    monkeypatch.setattr(verdicts, "_BY_DAY", 60)
    small_model().save(tmp_path / "model.keras")
    (tmp_path / "vehicles").mkdir()
    for number in range(4):
        for camera in (1, 2):
            noise = np.random.default_rng([number, camera]).integers(0, 256, (40, 40, 3), np.uint8)
            Image.fromarray(noise).save(tmp_path / "vehicles" / f"car_{number}_cam{camera}.jpg")
    arguments = ["--model", str(tmp_path / "model.keras"), "--vehicles", str(tmp_path / "vehicles")]
    arguments += ["--cache", str(tmp_path / "cache"), "--output", str(tmp_path / "results.csv")]
    verdicts.main([*arguments, "--seeds", "1"])
    verdicts.main([*arguments, "--part", "development", "--seeds", "11"])
    with open(tmp_path / "results.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    found = {(row["part"], row["measure"]): float(row["value"]) for row in rows}
    assert len(found) == 11 + 13
    assert found["test", "outside, vehicles' images"] == 1  # noise
    assert found["test", "outside, persons' images"] < 0.5
    assert found["development", "outside, cut-outs of photographs"] > 0.5
    assert {row["pairs"] for row in rows if row["measure"] == "outside, vehicles' images"} == {"4"}
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()}
    verdicts.main([*arguments, "--seeds", "1"])  # nothing is drawn or embedded again
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()} == before
