import dataclasses

import pytest

from keras_reid.tracks.clustering import calibration_of
from keras_reid.utils.errors import UserError
from tests.tracks.scene import calibration, model_file


def test_it_is_read_from_the_file(tmp_path):
    file = model_file(tmp_path / "m.keras", dataclasses.replace(calibration(), flip=True).to_metadata())
    found = calibration_of(str(file))
    assert found.flip
    assert list(found.distances) == [0.0, 1.0]


def test_it_must_be_there_and_for_cosine(tmp_path):
    file = str(model_file(tmp_path / "m.keras"))
    with pytest.raises(
        UserError, match=r"m.keras: the model is not calibrated, .* Run `keras-reid calibrate"
    ):
        calibration_of(file)
    model_file(file, calibration("euclidean").to_metadata())
    with pytest.raises(UserError, match=r"is for euclidean distances, .* --metric cosine` makes one"):
        calibration_of(file)
