"""Every description is of something that exists, takes its arguments, and builds it."""

import dataclasses
import importlib
import inspect
import re
import typing

import pytest

from keras_reid import experiment as ex
from keras_reid import run
from keras_reid.checkpoints.published import PUBLISHED
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


# Arguments of constructors that no description has.
NOT_DESCRIBED = {
    "Keras' own": {"self", "name", "dtype", "kwargs", "reduction", "data_format", "keepdims"},
    "handed over when the data is known": {"num_classes", "input_shape", "dim", "max_clusters"},
    "needed by imported weights only": {
        "ibn_last_stage",
        "dilate_last_stage",
        "fused",
        "reduction_activation",
    },
}


@pytest.mark.parametrize("cls", DESCRIPTIONS, ids=lambda cls: cls.__name__)
def test_takes_the_arguments_of_what_it_describes(cls):
    parameters = inspect.signature(described(cls).__init__).parameters
    fields = {field.name for field in dataclasses.fields(cls)}
    if cls in (ex.Adam, ex.SGD):  # they hand on what Keras' own take
        assert ex.build(cls()).get_config()["l2"] == cls.l2
        return
    assert fields == set(parameters) - set().union(*NOT_DESCRIBED.values())


@pytest.mark.parametrize(
    ("cls", "arguments"),
    [
        (ex.AttentionPooling, {"channel_wise": True}),
        (ex.CrossEntropy, {"label_smoothing": "adaptive", "alpha": 0.3}),
        (ex.GeM, {"epsilon": 1e-3}),
        (ex.LinearClassifier, {"scale": 2.0}),
        (ex.ReductionHead, {"dropout": 0.1, "embedding_dim": 7}),
    ],
)
def test_fields_reach_what_is_built(cls, arguments):
    late = {"num_classes": 3} if cls in (ex.LinearClassifier, ex.ReductionHead) else {}
    config = ex.build(cls(**arguments), **late).get_config()
    assert {name: config[name] for name in arguments} == arguments


@pytest.mark.parametrize("cls", BACKBONES, ids=lambda cls: cls.__name__)
def test_help_promises_published_weights_where_there_are_some(cls):
    families = {re.match("[a-z]+", name)[0] for name in PUBLISHED} - {"se"}
    has_some = any(family in cls.__name__.lower() for family in families)
    assert ('"imagenet"' in inspect.getsource(cls).partition("pretrained:")[2]) == has_some


def test_sizes_of_repvgg():
    variants = typing.get_args(typing.get_type_hints(ex.RepVGG)["variant"])
    assert variants == described(ex.RepVGG).variants


@pytest.mark.parametrize("cls", BACKBONES, ids=lambda cls: cls.__name__)
def test_smallest_is_what_the_smoke_run_takes(cls):
    changed, said = ex.smoke(ex.Experiment(model=ex.Model(backbone=cls(pretrained="imagenet"))))
    backbone = changed.model.backbone
    assert backbone.pretrained is None
    assert {name: getattr(backbone, name) for name in cls.smallest} == cls.smallest
    assert "backbone pretrained: None instead of 'imagenet'" in said


def test_every_public_backbone_pooling_classifier_head_and_loss_is_described():
    from keras_reid import backbones, heads, losses
    from keras_reid.layers import margin, pooling

    names = {cls.builds.rsplit(".", 1)[1] for cls in DESCRIPTIONS}
    of_a_user = {"KerasBackbone"}
    of_distillation = {"PKTLoss"}  # has no argument but its weight, a field
    for package in (backbones, pooling, margin, heads, losses):
        assert set(package.__all__) - of_a_user - of_distillation <= names


def test_position_embeddings_fit_the_experiments_image_size():
    model = ex.Model(
        backbone=ex.ViT(depth="small", width=96, num_cameras=2),
        pooling=ex.IdentityPooling(),
        image_size=(48, 32),
    )
    built = run.build_model(ex.Experiment(model=model), num_classes=3)
    assert built.backbone.image_shape == (48, 32, 3)
    assert built.embedding_dim == 96


def test_multiple_granularity_recipe():
    experiment = mgn(pretrained=None)
    model = run.build_model(ex.smoke(experiment)[0], num_classes=3)
    assert type(model.head).__name__ == "MultiGranularityHeads"
    assert [type(head.classifier).__name__ for head in model.head.heads] == ["CircleSoftmax"] * 8
    assert {pooling.learnable for pooling in model.head.poolings} == {True}
    assert model.embedding_dim == 2048
    assert experiment.model.image_size == (384, 128)
    assert experiment.training.freeze_backbone_steps == 1000
