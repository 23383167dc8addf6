import keras
import numpy as np
import pytest

from keras_reid import experiment as ex
from keras_reid.backbones import ResNet
from keras_reid.errors import UserError
from keras_reid.heads import BNNeckHead
from keras_reid.layers import CircleSoftmax
from keras_reid.recipes import agw, bot, sbs

SMALL = ex.Model(backbone=ex.ResNet(depth=18, width=8), image_size=(32, 16))


def test_builds_what_is_described():
    experiment = ex.Experiment(
        model=ex.Model(backbone=SMALL.backbone, head=ex.BNNeckHead(classifier=ex.CircleSoftmax()))
    )
    model = ex.build_model(experiment, num_classes=7)
    assert isinstance(model.head.classifier, CircleSoftmax)
    assert model.head.num_classes == 7
    assert model.image_size == (256, 128)


def test_takes_a_users_own_parts():
    def own_head(num_classes):
        return BNNeckHead(num_classes, embedding_dim=5)

    backbone = ResNet(depth=18, width=8)
    pooling = keras.layers.GlobalMaxPooling2D
    model = ex.build_model(
        ex.Experiment(model=ex.Model(backbone=backbone, pooling=pooling, head=own_head)), 3
    )
    assert model.backbone is backbone
    assert model.predict(np.zeros((1, 256, 128, 3), "uint8"), verbose=0).shape == (1, 5)


def test_names_the_field_that_is_wrong():
    def fails(num_classes):
        raise ValueError("too many")

    with pytest.raises(UserError, match=r"model\.head: too many"):
        ex.build_model(ex.Experiment(model=ex.Model(backbone=SMALL.backbone, head=fails)), 3)


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
    model = ex.compile_model(ex.build_model(experiment, 3), experiment, steps_per_epoch=10)
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
    model = ex.compile_model(ex.build_model(experiment, 3), experiment, steps_per_epoch=10)
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
