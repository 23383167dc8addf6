"""Every description is of something that exists, takes its arguments, and builds it."""

import dataclasses
import importlib
import inspect

import pytest

from keras_reid import experiment as ex
from keras_reid.experiment.component import Component
from keras_reid.experiment.components import Backbone
from keras_reid.recipes import mgn

DESCRIPTIONS = [
    cls
    for cls in (getattr(ex, name) for name in ex.__all__)
    if isinstance(cls, type) and issubclass(cls, Component) and cls.builds
]
BACKBONES = [cls for cls in DESCRIPTIONS if issubclass(cls, Backbone)]


def described(cls):
    module, name = cls.builds.rsplit(".", 1)
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("cls", DESCRIPTIONS, ids=lambda cls: cls.__name__)
def test_has_fields_of_the_constructor_and_units_for_the_help(cls):
    parameters = inspect.signature(described(cls).__init__).parameters
    fields = {field.name for field in dataclasses.fields(cls)}
    if cls in (ex.Adam, ex.SGD):  # they hand on what Keras' own take
        assert ex.build(cls()).get_config()["l2"] == cls.l2
        return
    assert fields <= set(parameters)
    if issubclass(cls, Backbone):
        own = set(parameters) - {"self", "input_shape", "name", "dtype", "kwargs"}
        # What only imported weights need is left out.
        own -= {"ibn_last_stage", "dilate_last_stage", "fused"}
        assert fields >= own, "an argument cannot be set from the command line"


@pytest.mark.parametrize("cls", BACKBONES, ids=lambda cls: cls.__name__)
def test_smallest_is_what_the_smoke_run_takes(cls):
    changed, said = ex.smoke(ex.Experiment(model=ex.Model(backbone=cls(pretrained="imagenet"))))
    backbone = changed.model.backbone
    assert backbone.pretrained is None
    assert {name: getattr(backbone, name) for name in cls.smallest} == cls.smallest
    assert "backbone pretrained: None instead of 'imagenet'" in said


def test_every_public_backbone_layer_and_loss_is_described():
    from keras_reid import backbones, losses

    names = {cls.__name__ for cls in DESCRIPTIONS}
    assert set(backbones.__all__) - {"KerasBackbone"} <= names
    assert set(losses.__all__) <= names


def test_position_embeddings_fit_the_experiments_image_size():
    model = ex.Model(
        backbone=ex.ViT(depth="small", width=96, num_cameras=2),
        pooling=ex.IdentityPooling(),
        image_size=(48, 32),
    )
    built = ex.build_model(ex.Experiment(model=model), num_classes=3)
    assert built.backbone.image_shape == (48, 32, 3)
    assert built.embedding_dim == 96


def test_multiple_granularity_recipe():
    experiment = mgn(pretrained=None)
    model = ex.build_model(ex.smoke(experiment)[0], num_classes=3)
    assert type(model.head).__name__ == "MultiGranularityHeads"
    assert [type(head.classifier).__name__ for head in model.head.heads] == ["CircleSoftmax"] * 8
    assert {pooling.learnable for pooling in model.head.poolings} == {True}
    assert model.embedding_dim == 2048
    assert experiment.model.image_size == (384, 128)
    assert experiment.training.freeze_backbone_steps == 1000
