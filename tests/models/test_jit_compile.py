"""Training compiled by XLA: with `compile(jit_compile=True)` the losses are those without it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_reid import backbones, heads, layers, losses, recipes
from keras_reid.experiment.smoke import smoke
from keras_reid.models import Distiller, ReIDModel
from keras_reid.run.model import build_model, compile_model
from tests.harness import dtype_policy

SIZE, CLASSES, STEPS = (64, 32), 4, 3
IDENTITIES = np.repeat(np.arange(CLASSES), 2).astype("int32")
# The smallest of each family, narrower where it may be: what takes time is the number of layers that XLA compiles.
# Those of many layers take a minute each, and the others less than a quarter of it.
NETWORKS = {
    "KerasBackbone": lambda: backbones.KerasBackbone(tiny_network()),
    "MobileNetV2": lambda: backbones.MobileNetV2(0.1),
    "OSNet": lambda: backbones.OSNet(0.25),
    "OSNetAIN": lambda: backbones.OSNetAIN(0.25),
    "RepVGG": lambda: backbones.RepVGG("A0", width=8),
    "ResNet": lambda: backbones.ResNet(18, width=8, ibn=True, squeeze_excite=True),
    "ViT": lambda: backbones.ViT("small", width=96, drop_path=0.0, input_shape=(*SIZE, 3)),
}
LARGE = {"OSNet", "OSNetAIN", "RepVGG"}
GROUPED = {
    "RepVGG in groups": lambda: backbones.RepVGG("B1g2", width=8),
    "ResNeSt": lambda: backbones.ResNeSt(50, width=8),
    "ResNeXt": lambda: backbones.ResNeXt(50, width=16),
}
HEADS = {
    "BNNeckHead": lambda: heads.BNNeckHead(CLASSES, layers.CircleSoftmax(CLASSES, 32)),
    "FullyConnectedHead": lambda: heads.FullyConnectedHead(CLASSES, embedding_dim=8),
    "LinearHead": lambda: heads.LinearHead(CLASSES, layers.ArcSoftmax(CLASSES, 32)),
    "PartialHead": lambda: heads.PartialHead(CLASSES, windows=((1, 1), (3, 2))),
    "ReductionHead": lambda: heads.ReductionHead(
        CLASSES, layers.CosSoftmax(CLASSES, 32), embedding_dim=8, dropout=0.0
    ),
}


@pytest.fixture(autouse=True, scope="module")
def quick_compilation():
    """XLA compiles three times as fast without optimising. Has no effect if it was used before in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=0")
        yield


on_a_gpu = pytest.mark.skipif(
    not tf.config.list_physical_devices("GPU"),
    reason="on a processor XLA takes some 300 times as long for grouped convolutions; there is no GPU",
)


def tiny_network(channels=16):
    """Two convolutions, because most of a test's time is compilation."""
    return keras.Sequential(
        [
            keras.Input((None, None, 3)),
            keras.layers.Conv2D(8, 3, strides=4, use_bias=False),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.Conv2D(channels, 3, strides=2, use_bias=False),
        ]
    )


def make_model(backbone=None, pooling=None, head=None):
    return ReIDModel(
        backbone or tiny_network(),
        pooling or layers.GeMPooling2D(),
        head or heads.BNNeckHead(CLASSES),
        image_size=SIZE,
    )


def logs_of_steps(model, compile_it):
    """What three steps log with XLA, and without it, from the same weights: `(compiled, plain)`, lists of dicts.

    Also gives the trained weights of each.
    """
    images = np.random.default_rng(0).integers(0, 256, (len(IDENTITIES), *SIZE, 3), "uint8")
    start, untrained = ([np.array(v) for v in kind] for kind in (model.variables, model.trainable_variables))
    logs, weights = [], []
    for jit_compile in (True, False):
        compile_it(jit_compile)
        assert model.jit_compile is jit_compile
        for variable, value in zip(model.variables, start, strict=True):
            variable.assign(value)
        model.make_train_function()
        batches = iter(tf.data.Dataset.from_tensors((images, {"identity": IDENTITIES})).repeat(STEPS))
        steps = [model.train_function(batches) for _ in range(STEPS)]
        logs.append([{name: float(value) for name, value in step.items()} for step in steps])
        weights.append([np.array(variable) for variable in model.trainable_variables])
    assert any(np.any(one != two) for one, two in zip(weights[0], untrained, strict=True))
    return logs, weights


def assert_same_losses(model, learning_rate=1e-6):
    def compile_it(jit_compile):
        model.compile(
            # So small that rounding does not grow from step to step: the maps of these images have few positions.
            keras.optimizers.SGD(learning_rate),
            losses=[losses.CrossEntropy(0.1), losses.TripletLoss()],
            jit_compile=jit_compile,
        )

    (compiled, plain), _ = logs_of_steps(model, compile_it)
    assert [step["loss"] for step in compiled] == pytest.approx([step["loss"] for step in plain], rel=1e-4)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in LARGE else pytest.mark.medium)
        for name in NETWORKS
    ],
)
def test_every_family_of_network_trains_under_xla(name):
    pooling = layers.IdentityPooling2D() if name == "ViT" else None
    assert_same_losses(make_model(NETWORKS[name](), pooling))


@on_a_gpu
@pytest.mark.medium
@pytest.mark.parametrize("name", GROUPED)
def test_networks_in_groups_train_under_xla(name):
    assert_same_losses(make_model(GROUPED[name]()))


@pytest.mark.medium
def test_transreid_trains_under_xla():
    backbone = backbones.JigsawViT(
        "small", shift=1, num_parts=2, width=96, drop_path=0.0, input_shape=(*SIZE, 3)
    )
    head = heads.ClassTokenHead(CLASSES, num_parts=2)
    assert_same_losses(make_model(backbone, keras.layers.Identity(), head))


def three_maps():
    """Stands in for `MultiGranularityResNet`, which has three networks' layers."""
    images = keras.Input((None, None, 3))
    return keras.Model(images, [tiny_network()(images) for _ in range(3)])


@pytest.mark.medium
def test_mgn_trains_under_xla():
    head = heads.MultiGranularityHeads(CLASSES, embedding_dim=8)
    assert_same_losses(make_model(three_maps(), keras.layers.Identity(), head))


@pytest.mark.slow
def test_the_whole_network_of_mgn_trains_under_xla():
    head = heads.MultiGranularityHeads(CLASSES, embedding_dim=8)
    backbone = backbones.MultiGranularityResNet(50, width=8)
    # At 1e-6 its loss falls by a tenth a step, and rounding grows to 3e-4.
    assert_same_losses(make_model(backbone, keras.layers.Identity(), head), learning_rate=1e-8)


@pytest.mark.medium
@pytest.mark.parametrize("name", HEADS)
def test_every_head_trains_under_xla(name):
    pooling = keras.layers.Identity() if name == "PartialHead" else layers.AverageMaxPooling2D()
    assert_same_losses(make_model(pooling=pooling, head=HEADS[name]()))


def test_nothing_is_forgotten():
    networks = {*NETWORKS, *GROUPED, "JigsawViT", "MultiGranularityResNet"}
    assert networks - {"RepVGG in groups"} == {*backbones.__all__}
    assert {*HEADS, "ClassTokenHead", "MultiGranularityHeads"} == {*heads.__all__}


def every_loss(dim):
    """One of each loss of identities; the two with a teacher are the `Distiller`'s own."""
    return [
        losses.CircleLoss(),
        losses.ClusterMemoryLoss(dim, CLASSES),
        losses.CosFaceLoss(),
        losses.CrossEntropy("adaptive"),
        losses.FocalLoss(),
        losses.MemoryLoss(dim, size=16),
        losses.MultiSimilarityLoss(),
        losses.TripletLoss(mining="weighted"),
    ]


@pytest.mark.medium
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-4), ("mixed_float16", 1e-2)])
def test_every_loss_trains_under_xla(precision, tolerance):
    with dtype_policy(precision):
        student, teacher = make_model(), make_model()
    distiller = Distiller(student, [teacher])
    used = []

    def compile_it(jit_compile):
        used[:] = every_loss(dim=16)
        distiller.compile(keras.optimizers.SGD(0.01), losses=used, jit_compile=jit_compile)

    (compiled, plain), (weights, expected) = logs_of_steps(distiller, compile_it)
    kinds = {type(loss).__name__ for loss in distiller.losses_by_name.values()}
    assert kinds == {*losses.__all__}
    for one, other in zip(compiled, plain, strict=True):
        assert one == pytest.approx(other, rel=tolerance, abs=1e-6)
        assert all(np.isfinite(value) for value in one.values())
    for one, other in zip(weights, expected, strict=True):
        # Steps of 0.01 on gradients of half precision, some of which are sums of terms that cancel.
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=2 * tolerance)


# Not `adapt`: it is BoT with the cluster memory, a loss of the test above.
RECIPES = sorted({*recipes.__all__} - {"adapt"})


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_trains_under_xla(name):
    experiment, _ = smoke(getattr(recipes, name)())
    # As above: narrow, and slow enough that rounding does not grow from step to step; nothing is dropped at random.
    changes = {"optimizer.learning_rate": 1e-6}
    changes |= {"model.backbone.drop_path": 0.0} if name == "vit" else {"model.backbone.width": 8}
    if hasattr(experiment.schedule, "floor"):
        changes["schedule.floor"] = 0.0
    experiment = experiment.with_changes(changes)
    model = build_model(experiment, CLASSES)

    def compile_it(jit_compile):
        compile_model(model, experiment, steps_per_epoch=STEPS)
        model.jit_compile = jit_compile

    (compiled, plain), _ = logs_of_steps(model, compile_it)
    assert [step["loss"] for step in compiled] == pytest.approx([step["loss"] for step in plain], rel=1e-4)
