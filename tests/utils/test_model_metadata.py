import json
import zipfile

import keras
import numpy as np
import pytest

from keras_reid.losses import CrossEntropy
from keras_reid.utils.errors import UserError
from keras_reid.utils.model_metadata import read_metadata, update_metadata
from tests.export.conftest import small_model

ENTRIES = {
    "threshold": 0.25,
    "calibration": {"distances": [0.0, 1.5], "reliability": [{"pairs": 3}], "dataset": None},
}


def test_only_the_metadata_changes(tmp_path):
    file = tmp_path / "model.keras"
    model = small_model()
    model.compile("adam", losses=[CrossEntropy()], warmup_steps=7)
    model.optimizer.build(model.trainable_variables)
    for variable in model.optimizer.variables[2:]:
        variable.assign(np.full(variable.shape, 0.5))
    model.save(file)
    update_metadata(file, ENTRIES)
    assert read_metadata(file)["threshold"] == 0.25
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]
    again = keras.saving.load_model(file)
    assert again.metadata == {**model.metadata, **ENTRIES}
    for before, after in (
        (model.weights, again.weights),
        (model.optimizer.variables, again.optimizer.variables),
    ):
        assert len(before) == len(after)
        for one, other in zip(before, after, strict=True):
            np.testing.assert_array_equal(one, other)
    assert again.get_compile_config() == model.get_compile_config()


def test_a_failure_leaves_the_old_file(tmp_path, monkeypatch):
    file = tmp_path / "model.keras"
    small_model().save(file)
    before = file.read_bytes()
    monkeypatch.setattr("shutil.copyfileobj", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        update_metadata(file, ENTRIES)
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            json.dumps({"class_name": "Functional", "config": {}}),
            "must hold a ReIDModel.*Received: Functional",
        ),
        ("{", "config.json: is damaged, because it is not valid JSON"),
        (None, "config.json is missing or damaged"),
    ],
)
def test_another_file_is_refused(tmp_path, content, message):
    file = tmp_path / "other.keras"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("other.txt" if content is None else "config.json", content or "")
    for act in (read_metadata, lambda path: update_metadata(path, ENTRIES)):
        with pytest.raises(UserError, match=message):
            act(file)
