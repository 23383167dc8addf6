import dataclasses
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from keras_reid.embedding import embed_paths
from keras_reid.evaluation import Distances, Features, appearance, verify
from keras_reid.evaluation.calibration import fit_domain
from keras_reid.models import load_model
from keras_reid.utils.errors import UserError
from keras_reid.utils.model_metadata import update_metadata
from keras_reid.verify import main
from tests.evaluation.calibration.test_calibration import line
from tests.export.conftest import small_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A calibrated model and three images, two of them alike."""
    folder = tmp_path_factory.mktemp("verify")
    model = small_model()
    model.metadata.update(line(distances=[0.0, 0.01]).to_metadata())
    model.save(folder / "model.keras")
    rng = np.random.default_rng(0)
    first = rng.integers(0, 256, (32, 16, 3), np.uint8)
    for name, pixels in (
        ("a", first),
        ("b", np.full_like(first, 20)),
        ("large", np.kron(first, np.ones((2, 2, 1)))),
    ):
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def model(folder):
    return load_model(folder)


def expected_distance(model, *paths, metric="cosine", flip=False):
    rows = embed_paths(model, paths, flip=flip)
    first, second = (Features(row[None], [0], None) for row in rows)
    return float(np.asarray(Distances(first, second, metric))[0, 0])


def test_the_command_says_it_in_one_line(folder, model, capsys):
    a, b = str(folder / "a.png"), str(folder / "b.png")
    main([str(folder), a, a])
    same = capsys.readouterr().out.splitlines()
    main([str(folder), a, b])
    other = capsys.readouterr().out.splitlines()
    distance = expected_distance(model, a, b)
    assert same == ["same: probability 0.9820 at prior 0.5 (distance 0.0000, cosine similarity 1.0000; "
                    "below the threshold 0.3000)"]  # fmt: skip
    assert len(other) == 1
    assert other[0].startswith("different: probability 0.0180")
    assert f"distance {distance:.4f}" in other[0]


def test_the_command_prints_json_for_a_prior_of_ones_own(folder, capsys):
    images = [str(folder / "a.png")] * 2
    main([str(folder / "model.keras"), *images, "--json", "--prior", "0.01"])
    told = json.loads(capsys.readouterr().out)
    assert (told["verdict"], told["prior"], told["accepted"]) == ("unsure", 0.01, True)
    assert told["probability"] == pytest.approx(1 / (1 + 99 * np.exp(-4)))
    assert set(told) == {
        *("verdict", "probability", "distance", "threshold", "prior", "metric", "accepted"),
        *("outside", "reason"),
    }
    assert (told["outside"], told["reason"]) == (False, None)


def test_files_pixels_and_embeddings_are_one(folder, model):
    a, large = folder / "a.png", folder / "large.png"
    embedding = embed_paths(model, [a])[0]
    with Image.open(large) as image:
        pixels = np.asarray(image.convert("RGB"))
    found = verify(model, a, large)
    assert found.distance == pytest.approx(expected_distance(model, a, large), abs=1e-5)
    for one, other in ((str(a), pixels), (embedding, large), (embedding, pixels), (3 * embedding, pixels)):
        assert verify(model, one, other).distance == pytest.approx(found.distance, abs=1e-5)
    assert verify(model, a, large, prior=0.9).probability > found.probability


@pytest.mark.parametrize("changes", [{"flip": True}, {"metric": "euclidean"}])
def test_compares_as_was_calibrated(folder, model, monkeypatch, changes):
    a, b = folder / "a.png", folder / "b.png"
    calibration = dataclasses.replace(line(), **changes)
    monkeypatch.setitem(model.metadata, "calibration", calibration.to_metadata()["calibration"])
    with Image.open(a) as image:
        pixels = np.asarray(image)
    expected = expected_distance(model, a, b, **changes)
    assert expected != pytest.approx(expected_distance(model, a, b), abs=1e-4)
    assert verify(model, a, b).distance == pytest.approx(expected, rel=1e-4)
    assert verify(model, pixels, b).distance == pytest.approx(expected, rel=1e-4)


def test_an_image_unlike_those_of_the_calibration_is_unsure(folder, model, monkeypatch):
    a, b = folder / "a.png", folder / "b.png"
    with Image.open(a) as image:
        pixels = np.asarray(image)
    noise = np.random.default_rng(1).integers(0, 256, (200, *pixels.shape), np.uint8)
    calibration = dataclasses.replace(line(), domain=fit_domain(appearance(noise), np.arange(200) // 2))
    monkeypatch.setitem(model.metadata, "calibration", calibration.to_metadata()["calibration"])
    assert verify(model, a, pixels).verdict == "same"
    found = verify(model, a, b, prior=0.2)
    assert (found.verdict, found.accepted, found.outside, found.probability) == ("unsure", False, True, 0.2)
    assert str(found).endswith("; the second image looks unlike the images of the calibration")
    both = verify(model, b, b)
    assert both.distance < both.threshold
    assert not both.accepted
    assert both.reason == "the first image and the second image look unlike the images of the calibration"
    embedding = embed_paths(model, [b])[0]
    assert verify(model, embedding, embedding).verdict == "same"  # an embedding has no looks


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.ones(5, np.float32), "must come from the same model. Received: embeddings of 5 and of 8 numbers"),
        (np.full(8, np.nan), "must be finite. Received: NaN"),
        (np.zeros((4, 4, 3), np.float32), r"an image must be.*Received: float32 of shape \(4, 4, 3\)"),
        (np.zeros((4, 4), np.uint8), r"an image must be.*Received: uint8 of shape \(4, 4\)"),
        (np.zeros(0), r"an image must be.*Received: float64 of shape \(0,\)"),
        ("nowhere.jpg", "nowhere.jpg"),
    ],
)
def test_what_is_no_image_is_said_in_one_line(folder, model, image, message):
    with pytest.raises(UserError, match=message) as caught:
        verify(model, image, folder / "a.png")
    assert "\n" not in str(caught.value)


def test_the_command_says_what_is_wrong(folder, tmp_path):
    a = str(folder / "a.png")
    small_model().save(tmp_path / "plain.keras")
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    shutil.copy(folder / "model.keras", tmp_path / "broken.keras")
    update_metadata(tmp_path / "broken.keras", {"calibration": {"metric": "cosine"}})
    model, plain = str(folder), str(tmp_path / "plain.keras")
    for arguments, message in [
        (
            [plain, a, a],
            r"plain\.keras: the model is not calibrated. Run `keras-reid calibrate .*plain",
        ),
        ([str(tmp_path / "broken.keras"), a, a], "calibration lacks flip"),
        ([model, a, str(tmp_path / "no.jpg")], r"no\.jpg: there is no such image file"),
        ([model, str(folder), a], "there is no such image file"),
        ([model, a, str(tmp_path / "bad.jpg")], r"bad\.jpg"),
        ([model, a, a, "--prior", "1"], r"prior.*between 0 and 1\. Received: 1"),
        ([str(tmp_path / "no"), a, a], "there is no such run directory"),
        ([model, a], "Missing from keras-reid verify: B;"),
    ]:
        with pytest.raises(UserError, match=message):
            main(arguments)


def test_the_command_takes_the_cameras(folder, tmp_path, capsys):
    pairs = [{"cameras": ["door", "hall"], "threshold": 0.25}]
    cameras = {"names": ["door", "hall"], "other": 0.2, "pairs": pairs}
    shutil.copy(folder / "model.keras", tmp_path / "model.keras")
    calibration = dataclasses.replace(line(), cameras=cameras)
    update_metadata(tmp_path / "model.keras", calibration.to_metadata())
    arguments = [str(tmp_path / "model.keras"), *[str(folder / "a.png")] * 2, "--json", "--cameras"]
    main([*arguments, "hall", "door"])
    told = json.loads(capsys.readouterr().out)
    assert (told["threshold"], told["reason"]) == (0.25, None)
    main([*arguments, "hall", "roof"])
    told = json.loads(capsys.readouterr().out)
    assert told["threshold"] == 0.2
    assert told["reason"] == "camera roof was not calibrated: the conservative threshold applies"
