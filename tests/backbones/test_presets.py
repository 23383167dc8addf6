"""`backbones.X.presets`: the networks that weights are published for."""

import inspect

import pytest

from keras_reid import backbones
from keras_reid.backbones import base
from keras_reid.checkpoints import PUBLISHED

FAMILIES = [
    cls for cls in vars(backbones).values() if inspect.isclass(cls) and issubclass(cls, base.Backbone)
]
SMALL = {"resnet18", "resnet18_ibn_a", "osnet_x0_25", "mobilenet_v2"}


def test_each_published_file_is_a_preset():
    assert {name for cls in FAMILIES for name in cls.presets} == set(PUBLISHED)


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        pytest.param(cls, name, marks=pytest.mark.medium if name in SMALL else pytest.mark.slow)
        for cls in FAMILIES
        for name in cls.presets
    ],
)
def test_a_preset_asks_for_the_file_of_its_name(cls, name, monkeypatch):
    asked = []
    monkeypatch.setattr(base, "load_pretrained", lambda *arguments: asked.append(arguments[1:]))
    backbone = cls.from_preset(name, input_shape=(64, 32, 3))
    assert asked == [("imagenet", name)]
    assert backbone.image_shape == (64, 32, 3)
    assert {key: getattr(backbone, key) for key in cls.presets[name]} == cls.presets[name]


@pytest.mark.parametrize(
    ("cls", "message"),
    [
        (backbones.ResNet, "ResNet.presets, such as 'resnet50'.*Received: 'resnet5'.*pretrained=\"PATH\""),
        (backbones.ViT, "ViT.presets, and there are none. Received"),
    ],
)
def test_an_unknown_name(cls, message):
    with pytest.raises(ValueError, match=message):
        cls.from_preset("resnet5")
