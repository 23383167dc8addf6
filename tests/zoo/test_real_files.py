"""Two published files of torchreid, where they are: KERAS_REID_ZOO_FILES names a folder that holds them.

They stand in public repositories (`copies` of their rows). No test fetches anything.
"""

import os
import pathlib
import shutil

import numpy as np
import pytest

from keras_reid.checkpoints import read_state_dict
from keras_reid.models import ReIDModel
from keras_reid.zoo.entry import Entry
from keras_reid.zoo.registry import find_row
from keras_reid.zoo.verifying import embed_images, verify_model

FOLDER = os.environ.get("KERAS_REID_ZOO_FILES")

pytestmark = [
    pytest.mark.medium,
    pytest.mark.skipif(not FOLDER, reason="KERAS_REID_ZOO_FILES names no folder with the published files"),
]


@pytest.mark.parametrize("name", ["torchreid/osnet-x0-25-market", "torchreid/osnet-x0-25-msmt17"])
def test_a_published_file_by_name(name, tmp_path, monkeypatch):
    """Embeddings as those of the graph that PyTorch exported; what lies behind the backbone also in NumPy."""
    row = find_row(name)
    source = pathlib.Path(FOLDER) / row.file
    if not source.is_file():
        pytest.skip(f"{source} is not there")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_REID_OFFLINE", "1")
    entry = Entry(name)
    entry.folder.mkdir(parents=True)
    shutil.copy(source, entry.folder)

    found = verify_model(name)
    assert found.verified
    assert found.lines["hash"].startswith(row.copies[0]["sha256"])
    assert found.lines["weights"].startswith("all 487 arrays")
    assert "as computed by the graph that PyTorch exported" in found.lines["embedding"]

    model = ReIDModel.from_preset(name)
    assert embed_images(model).shape == (3, 512)
    state = read_state_dict(source)
    images = np.random.default_rng(0).uniform(0, 255, (2, 256, 128, 3)).astype("float32")
    pooled = np.asarray(model.backbone(model.normalize(images))).mean((1, 2))
    features = pooled @ state["fc.0.weight"].T + state["fc.0.bias"]
    scaled = (features - state["fc.1.running_mean"]) / np.sqrt(state["fc.1.running_var"] + 1e-5)
    expected = np.maximum(scaled * state["fc.1.weight"] + state["fc.1.bias"], 0)
    embedding = np.asarray(model(images, training=False))
    assert np.linalg.norm(embedding - expected) / np.linalg.norm(expected) < 1e-5
