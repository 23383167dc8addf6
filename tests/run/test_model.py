import keras
import numpy as np
import pytest

from keras_reid import experiment as ex
from keras_reid import run
from keras_reid.backbones import ResNet
from keras_reid.heads import BNNeckHead
from keras_reid.layers import CircleSoftmax, IdentityPooling2D
from keras_reid.recipes import agw, bot, sbs
from keras_reid.utils.errors import UserError

SMALL = ex.Model(backbone=ex.ResNet(depth=18, width=8), image_size=(32, 16))


def test_builds_what_is_described():
    experiment = ex.Experiment(
        model=ex.Model(backbone=SMALL.backbone, head=ex.BNNeckHead(classifier=ex.CircleSoftmax()))
    )
    model = run.build_model(experiment, num_classes=7)
    assert isinstance(model.head.classifier, CircleSoftmax)
    assert model.head.num_classes == 7
    assert model.image_size == (256, 128)


def test_takes_a_users_own_parts():
    def own_head(num_classes):
        return BNNeckHead(num_classes, embedding_dim=5)

    backbone = ResNet(depth=18, width=8)
    pooling = keras.layers.GlobalMaxPooling2D
    model = run.build_model(
        ex.Experiment(model=ex.Model(backbone=backbone, pooling=pooling, head=own_head)), 3
    )
    assert model.backbone is backbone
    assert model.predict(np.zeros((1, 256, 128, 3), "uint8"), verbose=0).shape == (1, 5)


def test_names_the_field_that_is_wrong():
    def fails(num_classes):
        raise ValueError("too many")

    with pytest.raises(UserError, match=r"model\.head: too many"):
        run.build_model(ex.Experiment(model=ex.Model(backbone=SMALL.backbone, head=fails)), 3)


def own_maps(count):
    images = keras.Input((None, None, 3))
    maps = [keras.layers.Conv2D(4, 3, strides=4)(images) for _ in range(count)]
    return keras.Model(images, maps if count > 1 else maps[0])


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"backbone": own_maps(1), "pooling": ex.IdentityPooling()},
            r"model: the parts do not fit together: IdentityPooling2D needs a feature map of one position, .* "
            r"Use a pooling over positions, such as GeMPooling2D\.$",
        ),
        (
            {"backbone": lambda: IdentityPooling2D()(np.ones((1, 2, 2, 3), "float32"))},
            r"^model\.backbone: IdentityPooling2D needs .* such as GeMPooling2D\.$",
        ),
        (
            {"backbone": own_maps(3)},
            r"^model: the backbone gives 3 feature maps, which needs pooling=NoPooling\(\) and "
            r"head=MultiGranularityHeads\(\)\. Received: GeM, BNNeckHead$",
        ),
        (
            {"backbone": own_maps(3), "pooling": ex.NoPooling()},
            r"MultiGranularityHeads\(\)\. Received: BNNeckHead$",
        ),
        (
            {"backbone": ex.ViT()},
            r"^model\.pooling must keep negative values .* use IdentityPooling\(\)\. Received: GeM$",
        ),
        (
            {"backbone": ex.ViT(), "pooling": ex.ClippedAveragePooling()},
            r"use IdentityPooling\(\)\. Received: ClippedAveragePooling$",
        ),
    ],
)
def test_parts_that_do_not_fit_are_one_clear_line(parts, message):
    with pytest.raises(UserError, match=message) as caught:
        run.build_model(ex.Experiment(model=ex.Model(**parts, image_size=(32, 16))), 3)
    for noise in ("\x1b", "\n", "Exception encountered", "Arguments received"):
        assert noise not in str(caught.value)


@pytest.mark.parametrize("counting", ["epochs", "original"])
def test_a_delay_longer_than_the_training_is_refused_by_its_field(counting):
    schedule = ex.Cosine(delay_epochs=4, counting=counting)
    experiment = ex.Experiment(model=SMALL, schedule=schedule, training=ex.Training(epochs=4))
    with pytest.raises(
        UserError,
        match=r"^schedule: the delay and the warm-up must end .* delay_epochs=4, warmup_steps=\d+, 4 epochs",
    ):
        run.compile_model(run.build_model(experiment, 3), experiment, steps_per_epoch=10)


def test_a_description_in_the_wrong_field_is_one_clear_line():
    experiment = ex.Experiment(model=SMALL, losses={"mine": ex.BNNeckHead()})
    with pytest.raises(
        UserError, match=r"^losses\.mine: BNNeckHead is built from the facts \['num_classes'\]"
    ):
        run.compile_model(run.build_model(experiment, 3), experiment, 10)


def test_several_maps_may_go_to_parts_of_ones_own():
    class Sum(keras.layers.Layer):
        def call(self, maps):
            return keras.ops.mean(sum(maps), axis=(1, 2))

    model = ex.Model(backbone=own_maps(2), pooling=Sum(), head=BNNeckHead(3), image_size=(32, 16))
    assert run.build_model(ex.Experiment(model=model), 3).embedding_dim == 4


def test_smoke_run_keeps_the_image_size_of_a_backbone_of_ones_own():
    from keras_reid.backbones import KerasBackbone

    size = (48, 24)
    fixed = keras.Sequential([keras.Input((*size, 3)), keras.layers.Conv2D(4, 3, strides=4)])
    experiment = ex.Experiment(model=ex.Model(backbone=lambda: KerasBackbone(fixed), image_size=size))
    changed, said = ex.smoke(experiment)
    assert not any(sentence.startswith("image size") for sentence in said)
    model = run.build_model(changed, 3)
    assert model.predict(np.zeros((2, *size, 3), "uint8"), verbose=0).shape == (2, 4)
    described, said = ex.smoke(ex.Experiment(model=SMALL))
    assert described.model.image_size == (64, 32)
    assert "image size: (64, 32) instead of (32, 16)" in said


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        (ex.Constant(), [1, 1, 1]),
        (ex.Cosine(delay_epochs=1), [1, 0.75, 0.25]),
        (ex.MultiStep(milestones=(1,), gamma=0.5), [1, 0.5, 0.5]),
        (lambda learning_rate, steps_per_epoch, epochs: learning_rate / epochs, [0.25, 0.25, 0.25]),
        (keras.optimizers.schedules.ExponentialDecay(1.0, 1, 0.9), [1, 0.9**10, 0.9**20]),
    ],
)
def test_schedules(schedule, rates):
    experiment = ex.Experiment(
        model=SMALL, optimizer=ex.SGD(learning_rate=1.0), schedule=schedule, training=ex.Training(epochs=4)
    )
    model = run.compile_model(run.build_model(experiment, 3), experiment, steps_per_epoch=10)
    found = []
    for step in (0, 20, 30) if isinstance(schedule, ex.Cosine) else (0, 10, 20):
        model.optimizer.iterations.assign(step)
        found.append(float(model.optimizer.learning_rate))
    np.testing.assert_allclose(found, rates, rtol=1e-5)


def test_compiles_losses_warm_up_and_freezing():
    experiment = ex.Experiment(
        model=SMALL,
        losses={"id": ex.CrossEntropy(), "metric": ex.CircleLoss()},
        loss_weights={"metric": 0.5},
        schedule=ex.Constant(warmup_steps=10, warmup_factor=0.2),
        training=ex.Training(freeze_backbone_steps=4),
    )
    model = run.compile_model(run.build_model(experiment, 3), experiment, steps_per_epoch=10)
    assert [metric.name for metric in model.metrics] == ["loss", "id", "metric", "accuracy"]
    assert model.get_compile_config()["loss_weights"] == [1.0, 0.5]
    assert model.freeze_backbone_steps == 4
    np.testing.assert_allclose(float(model.optimizer.learning_rate), 0.2 * 3.5e-4, rtol=1e-5)


def test_recipes_have_the_originals_values():
    one, two, three = bot(), agw(), sbs()
    assert (one.model.image_size, three.model.image_size) == ((256, 128), (384, 128))
    assert one.model.pooling == ex.AveragePooling()
    assert two.model.pooling == ex.GeM(p=3.0, learnable=False)
    assert three.model.pooling == ex.GeM(p=3.0, learnable=True)
    assert [e.losses["triplet"] for e in (one, two, three)] == [
        ex.TripletLoss(0.3, "hard"),
        ex.TripletLoss(0.0, "weighted"),
        ex.TripletLoss(0.0, "hard"),
    ]
    assert [e.model.backbone.non_local for e in (one, two, three)] == [False, True, True]
    assert three.model.head == ex.BNNeckHead(ex.CircleSoftmax(64.0, 0.35), metric_feature="after")
    assert (one.data.sampler.batch_size, three.data.sampler.batch_size) == (64, 64)
    assert [type(a).__name__ for a in three.data.augmentation] == [
        "AutoAugment",
        "PadCrop",
        "Flip",
        "RandomErasing",
    ]
    assert three.schedule == ex.Cosine(warmup_steps=2000, warmup_factor=0.1, delay_epochs=30, floor=7e-7)
    assert one.schedule.milestones == (40, 90)
    assert (one.training.epochs, three.training.epochs, three.training.freeze_backbone_steps) == (
        120,
        60,
        1000,
    )
