"""What users saved with version 0.1 still works: `tests/saved` was written by it and never changes.

`expected.json` holds the L2-normalised embeddings that version 0.1 gave for the images of `gallery`.
"""

import json
import os
import pathlib
import shutil

import keras
import numpy as np
import pytest

import keras_reid  # noqa: F401 - registers its classes

SAVED = pathlib.Path(__file__).with_name("saved")


@pytest.fixture
def saved(tmp_path):
    """A copy with `runs/saved`, `gallery` and `index`, in which images are as old as the index says."""
    shutil.copytree(SAVED, tmp_path, dirs_exist_ok=True)
    (tmp_path / "runs").mkdir()
    (tmp_path / "run").rename(tmp_path / "runs" / "saved")
    for line in (tmp_path / "index" / "images-1.jsonl").read_text().splitlines():
        name, size, time = json.loads(line)
        assert (tmp_path / "gallery" / name).stat().st_size == size
        os.utime(tmp_path / "gallery" / name, ns=(time, time))
    return tmp_path


def expected():
    embeddings = json.loads((SAVED / "expected.json").read_text())["embeddings"]
    return list(embeddings), np.array(list(embeddings.values()), np.float32)


def test_plain_keras_loads_the_model(saved):
    model = keras.saving.load_model(saved / "runs" / "saved" / "model.keras")
    assert type(model).__name__ == "ReIDModel"
    assert model.metadata["calibration"]


def test_the_run_embeds_as_it_did(saved, command):
    words = ["runs/saved", "gallery", "--output", "new.npz", "--trust-code"]
    command("embed", *words, cwd=saved)
    with np.load(saved / "new.npz") as file:
        names = [pathlib.Path(path).name for path in file["paths"]]
        assert names == expected()[0]
        np.testing.assert_allclose(file["embeddings"], expected()[1], atol=1e-5)


def test_the_index_is_searched_without_embedding_anything_again(saved, command):
    before = (saved / "index" / "embeddings-1.npy").read_bytes()
    words = ["--gallery", "gallery", "--index", "index", "--model", "runs/saved", "--json", "--trust-code"]
    finished = command("search", "gallery/0009_c1_00.jpg", *words, cwd=saved)
    (answer,) = json.loads(finished.stdout)
    names, embeddings = expected()
    distances = 1 - embeddings @ embeddings[0]
    order = [index for index in np.argsort(distances) if names[index] != "0009_c1_00.jpg"]
    assert [pathlib.Path(image["path"]).name for image in answer["images"]] == [names[i] for i in order]
    found = [image["distance"] for image in answer["images"]]
    np.testing.assert_allclose(found, distances[order], atol=1e-5)
    assert {image["verdict"] for image in answer["images"]} == {"unsure", "different"}
    assert "embedding" not in finished.stderr
    assert (saved / "index" / "embeddings-1.npy").read_bytes() == before


@pytest.mark.medium
def test_the_run_is_evaluated_as_it_was(saved, command):
    command("evaluate", "runs/saved", "--trust-code", "--output", "metrics.json", cwd=saved)
    then = json.loads((SAVED / "run" / "metrics.json").read_text())
    now = json.loads((saved / "metrics.json").read_text())["results"]
    assert list(now) == list(then)
    for name in then:
        for key in ("rank1", "rank5", "rank10", "mAP", "mINP", "num_valid_queries"):
            assert now[name][key] == pytest.approx(then[name][key], abs=1e-6)


@pytest.mark.medium
def test_an_unfinished_run_is_resumed_from_its_checkpoint(saved, command):
    """As if version 0.1 had been stopped after the first of two epochs."""
    run = saved / "runs" / "saved"
    shutil.copy(run / "experiment.py", saved / "saved.py")
    for name in ("model.keras", "metrics.json", "calibration.json"):
        (run / name).unlink()
    resolved = json.loads((run / "experiment.json").read_text())
    resolved["training"]["epochs"] = 2
    (run / "experiment.json").write_text(json.dumps(resolved, indent=2))
    finished = command("fit", "saved.py", "--resume", "--training.epochs", "2", cwd=saved)
    assert "resuming after epoch 1" in finished.stdout
    epochs = [json.loads(line)["epoch"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert sorted(set(epochs)) == [1, 2]
    assert (run / "model.keras").is_file()
