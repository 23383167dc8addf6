"""Every description is of something that exists, takes its arguments, and builds it."""

import importlib
import inspect
import re
import typing

import pytest

from keras_reid import experiment as ex
from keras_reid import layers, run
from keras_reid.checkpoints.published import PUBLISHED
from keras_reid.experiment.component import Backbone, Component
from keras_reid.experiment.description import changed
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


FACTS = {
    "image_shape": (64, 32, 3),
    "num_classes": 3,
    "embedding_dim": 8,
    "feature_dim": 8,
    "num_clusters": 5,
}


def make(description):
    return ex.build(description, **{fact: FACTS[fact] for fact in description.needs if fact in FACTS})


@pytest.mark.parametrize("cls", DESCRIPTIONS, ids=lambda cls: cls.__name__)
def test_defaults_are_those_of_what_it_describes(cls):
    """All but those that experiments choose otherwise, and say so (`InExperiments`)."""
    if cls in (ex.Adam, ex.SGD):  # they hand on what Keras' own take
        assert ex.build(cls()).get_config()["l2"] == cls.l2
        return
    small = {"pretrained": None, **cls.smallest} if issubclass(cls, Backbone) else {}
    others = {"label_smoothing": 0.0} if cls is ex.CrossEntropy else {}
    built = make(cls(**small, **others))
    late = {argument: FACTS[fact] for argument, fact in cls.late.items()}
    expected = described(cls)(**small, **late).get_config()
    # Heads of several branches write down what their branches' parts are made from: None for the default.
    unset = {name for name in cls.parts if expected[name] is None}
    assert type(built) is described(cls)
    assert without_names(built.get_config(), unset) == without_names(expected, unset)


def without_names(config, others=()):
    """A config without the names that Keras numbers, and without some others."""
    if isinstance(config, dict):
        return {key: without_names(value) for key, value in config.items() if key not in {"name", *others}}
    return config


@pytest.mark.parametrize("cls", DESCRIPTIONS, ids=lambda cls: cls.__name__)
def test_choices_are_those_of_what_it_describes(cls):
    hints = typing.get_type_hints(cls)
    for field, choices in (("depth", "depths"), ("width", "widths"), ("variant", "variants")):
        if hasattr(described(cls), choices):
            assert typing.get_args(hints[field]) == getattr(described(cls), choices)


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
    config = make(cls(**arguments)).get_config()
    assert {name: config[name] for name in arguments} == arguments


@pytest.mark.parametrize("cls", BACKBONES, ids=lambda cls: cls.__name__)
def test_help_promises_published_weights_where_there_are_some(cls):
    families = {re.match("[a-z]+", name)[0] for name in PUBLISHED} - {"se"}
    has_some = any(family in cls.__name__.lower() for family in families)
    assert ('"imagenet"' in inspect.getsource(cls).partition("pretrained:")[2]) == has_some


@pytest.mark.parametrize("cls", BACKBONES, ids=lambda cls: cls.__name__)
def test_smallest_is_what_the_smoke_run_takes(cls):
    changed, said = ex.smoke(ex.Experiment(model=ex.Model(backbone=cls(pretrained="imagenet"))))
    backbone = changed.model.backbone
    assert backbone.pretrained is None
    assert {name: getattr(backbone, name) for name in cls.smallest} == cls.smallest
    assert "backbone pretrained: None instead of 'imagenet'" in said


def test_what_is_known_late_is_asked_for():
    assert ex.ViT().needs == ["image_shape"]
    assert ex.ResNet().needs == []
    assert ex.MemoryLoss().needs == ["feature_dim"]
    assert ex.ClusterMemoryLoss().needs == ["embedding_dim", "num_clusters"]
    assert ex.Adam().needs == []
    assert ex.Adam(head_learning_rate_factor=2.0).needs == ["head_pattern"]
    with pytest.raises(
        TypeError, match=r"BNNeckHead is built from the facts \['num_classes'\]\. Received: \[\]"
    ):
        ex.build(ex.BNNeckHead())
    with pytest.raises(TypeError, match=r"GeM is built from the facts \[\]\. Received: \['num_classes'\]"):
        ex.build(ex.GeM(), num_classes=3)


def test_your_own_parts_of_a_part_are_called_with_what_they_need():
    seen = {}

    def classifier(**facts):
        seen["classifier"] = facts
        return layers.CosSoftmax(3)

    def pooling(**facts):
        seen["pooling"] = facts
        return layers.AverageMaxPooling2D()

    heads = ex.build(ex.MultiGranularityHeads(classifier=classifier, pooling=pooling), num_classes=3)
    assert seen == {"classifier": {"num_classes": 3}, "pooling": {}}
    assert {type(head.classifier) for head in heads.heads} == {layers.CosSoftmax}


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


def test_what_has_its_default_is_left_out():
    experiment = ex.Experiment(name="x").with_changes({"model.backbone.depth": 18, "training.epochs": 60})
    assert changed(experiment) == {
        "type": "Experiment",
        "name": "x",
        "model": {"type": "Model", "backbone": {"type": "ResNet", "depth": 18}},
    }
    assert changed(ex.Experiment()) == {"type": "Experiment"}
