import numpy as np
import pytest

from keras_reid.models import ReIDModel
from keras_reid.utils.errors import UserError
from tests.models.test_given_losses import IMAGES, make_model


def test_a_path(tmp_path):
    model = make_model()
    model.save(tmp_path / "model.keras")
    for path in (tmp_path, str(tmp_path / "model.keras")):
        loaded = ReIDModel.from_preset(path)
        np.testing.assert_array_equal(loaded.predict(IMAGES, verbose=0), model.predict(IMAGES, verbose=0))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nothing_like_it", ("no trained model is known by that name", "runs/NAME or model.keras")),
        ("resnet50", ("names are those of backbones", 'use backbones.ResNet.from_preset("resnet50")')),
        ("osnet_x1", ("osnet_x1_0", "backbones.OSNet.from_preset")),
    ],
)
def test_a_name(name, words):
    with pytest.raises(UserError) as caught:
        ReIDModel.from_preset(name)
    assert all(word in str(caught.value) for word in (f"{name}: ", *words))
    assert "\n" not in str(caught.value)
