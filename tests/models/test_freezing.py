import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_reid.backbones import ResNet
from keras_reid.heads import BNNeckHead
from keras_reid.layers import GeMPooling2D
from keras_reid.losses import CrossEntropy, TripletLoss
from keras_reid.models import ReIDModel
from keras_reid.models.freezing import find_layers, inference_mode
from keras_reid.training import Adam

SIZE = (16, 8)
IDENTITIES = np.repeat(np.arange(4), 2).astype("int32")


@pytest.fixture(scope="module")
def resnet():
    model = ReIDModel(ResNet(18, width=4), GeMPooling2D(), BNNeckHead(4), image_size=(32, 16))
    model.compile("sgd", losses=[CrossEntropy()])
    return model


def make_model():
    backbone = keras.Sequential(
        [
            keras.Input((None, None, 3)),
            keras.layers.Conv2D(4, 3, name="conv1"),
            keras.layers.BatchNormalization(name="norm1"),
            keras.layers.Conv2D(6, 3, name="conv2"),
            keras.layers.Dropout(0.5, name="dropout", seed=1),
            keras.layers.BatchNormalization(name="norm2"),
        ],
        name="tiny",
    )
    return ReIDModel(backbone, GeMPooling2D(), BNNeckHead(4), image_size=SIZE)


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (8, *SIZE, 3), dtype="uint8")


def fit(model, images, steps, identities=IDENTITIES):
    data = tf.data.Dataset.from_tensors((images, identities)).repeat(steps)
    model.fit(data, steps_per_epoch=steps, verbose=0, shuffle=False)


def state(model):
    return {
        f"{kind}/{k}/{variable.name}": np.array(variable)
        for kind, variables in (("model", model.variables), ("optimizer", model.optimizer.variables))
        for k, variable in enumerate(variables)
    }


def moved(before, after):
    return {key for key, value in before.items() if not np.array_equal(after[key], value)}


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["conv1"], {"conv1"}),
        (["backbone.conv1"], {"conv1"}),
        (["bn1", "layer2.0.conv1"], {"bn1", "layer2.0.conv1"}),
        ([r"layer[12]\.0\.conv1", "head.neck"], {"layer1.0.conv1", "layer2.0.conv1", "neck"}),
    ],
)
def test_finds_layers_by_the_start_of_their_names(resnet, patterns, expected):
    assert {layer.name for layer in find_layers(resnet, patterns)} == expected


def test_a_name_begins_with_whole_parts(resnet):
    expected = {layer.name for layer in resnet.backbone.layers if layer.name.startswith("layer1.")}
    assert {layer.name for layer in find_layers(resnet, ["layer1"])} == expected
    assert {layer.name for layer in find_layers(resnet, ["layer1.*"])} == expected


def test_finds_the_parts_themselves_and_the_outermost_layers_only(resnet):
    assert find_layers(resnet, ["backbone", "layer1", "head.neck", "head"]) == [resnet.backbone, resnet.head]
    assert find_layers(resnet, ["pooling"]) == [resnet.pooling]
    assert find_layers(resnet, []) == []


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        (["layr1"], r"begins with 'layr1'. Did you mean .*layer1"),
        (["conv"], r"begins with 'conv'. Did you mean .*conv1"),
        (["head.nek"], r"Did you mean .*head\.neck"),
        (["layer9"], r"Did you mean layer\d"),
        (["layer1("], "not a regular expression"),
        ("layer1", "must be a list"),
    ],
)
def test_an_unknown_pattern_names_what_is_close(resnet, patterns, message):
    with pytest.raises(ValueError, match=message):
        resnet.compile("sgd", losses=[CrossEntropy()], freeze_backbone_steps=1, freeze_layers=patterns)


def test_freezing_everything_is_refused(resnet):
    patterns = ("backbone", "pooling", "head")
    with pytest.raises(ValueError, match="leave something that learns"):
        resnet.compile("sgd", losses=[CrossEntropy()], freeze_backbone_steps=1, freeze_layers=patterns)


@pytest.mark.parametrize(
    "patterns", [("conv1", "norm1"), ("conv2", "dropout", "norm2"), ("backbone",), ("backbone", "head.neck")]
)
def test_nothing_of_frozen_layers_moves_and_all_else_does(patterns, images):
    model = make_model()
    losses = [CrossEntropy(), TripletLoss(margin=1.0)]
    model.compile(Adam(0.01, l2=0.1), losses=losses, freeze_backbone_steps=2, freeze_layers=patterns)
    frozen = {id(variable) for layer in find_layers(model, patterns) for variable in layer.variables}
    indices = [k for k, variable in enumerate(model.trainable_variables) if id(variable) in frozen]
    optimizer = model.optimizer
    of_optimizer = [
        v for k in indices for v in (optimizer._momentums[k], optimizer._velocities[k], optimizer._updates[k])
    ]
    frozen |= {id(variable) for variable in of_optimizer}
    every = [*model.variables, *optimizer.variables]
    before = [np.array(variable) for variable in every]
    fit(model, images, 2)
    stay = {
        variable.path
        for variable, value in zip(every, before, strict=True)
        if np.array_equal(np.array(variable), value)
    }
    untouched = {
        variable.path
        for variable in model.head.neck.variables
        if not variable.trainable and "beta" in variable.path
    }
    expected = {variable.path for variable in every if id(variable) in frozen}
    assert stay - untouched - {optimizer._learning_rate.path} == expected - untouched
    fit(model, images, 1)
    weights = {id(variable) for variable in model.backbone.trainable_variables}
    assert not [
        variable.path
        for variable, value in zip(every, before, strict=True)
        if id(variable) in weights and np.array_equal(np.array(variable), value)
    ]


def test_a_frozen_layer_runs_as_in_inference():
    model = make_model()
    inputs = np.random.default_rng(0).normal(size=(4, *SIZE, 3)).astype("float32")
    expected = np.array(model.backbone(inputs, training=False))
    with inference_mode([model.backbone]):
        np.testing.assert_array_equal(model.backbone(inputs, training=True), expected)
        with inference_mode([model.backbone.get_layer("dropout"), model.backbone]):
            np.testing.assert_array_equal(model.backbone(inputs, training=True), expected)
        # A thread that leaves does not take the mode away from another one.
        np.testing.assert_array_equal(model.backbone(inputs, training=True), expected)
    assert np.abs(np.array(model.backbone(inputs, training=True)) - expected).max() > 0.1
    assert "call" not in vars(model.backbone.get_layer("dropout"))


def test_the_mode_ends_with_an_error():
    model = make_model()
    with pytest.raises(ZeroDivisionError), inference_mode([model.backbone]):
        raise ZeroDivisionError
    assert not [layer.name for layer in model._flatten_layers() if "call" in vars(layer)]


def convolutions_gone_back_through(model, images):
    """How many of the frozen step."""
    data = (tf.constant(images), tf.constant(IDENTITIES))
    operations = tf.function(model.frozen_train_step).get_concrete_function(data).graph.get_operations()
    return sum(operation.type == "Conv2DBackpropInput" for operation in operations)


@pytest.mark.parametrize(
    ("patterns", "expected"), [((), 2), (("conv1",), 1), (("conv1", "norm1", "conv2"), 0), (("conv2",), 2)]
)
def test_a_frozen_step_does_not_go_back_below_what_learns(patterns, expected, images):
    model = make_model()
    model.compile("sgd", losses=[CrossEntropy()], freeze_backbone_steps=1, freeze_layers=patterns)
    assert convolutions_gone_back_through(model, images) == expected


def test_stays_frozen_for_another_batch_size_and_after_loading(images, tmp_path):
    model = make_model()
    options = {"freeze_backbone_steps": 4, "freeze_layers": ("conv1", "norm1"), "losses_over_replicas": True}
    model.compile(Adam(0.01, l2=0.1), losses=[CrossEntropy()], **options)
    before = [np.array(variable) for variable in model.backbone.get_layer("norm1").variables]
    fit(model, images, 1)
    fit(model, images[:6], 1, IDENTITIES[:6])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert all(layer.trainable for layer in loaded._flatten_layers())
    fit(loaded, images, 2)
    for variable, value in zip(loaded.backbone.get_layer("norm1").variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)
    fit(loaded, images, 1)
    gamma = loaded.backbone.get_layer("norm1").gamma
    assert not np.array_equal(gamma, before[0])
    assert loaded.get_compile_config()["losses_over_replicas"] is True
