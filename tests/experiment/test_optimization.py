"""Every field of the optimizers' descriptions reaches training."""

import dataclasses

import keras
import numpy as np
import pytest

from keras_reid import experiment as ex
from keras_reid import run
from keras_reid.heads import BNNeckHead
from keras_reid.utils.errors import UserError

SHAPE = {"l2": 0.5, "weight_decay": 0.3, "learning_rate": 0.01}
FIELDS = {
    "learning_rate": 0.02,
    "l2": 0.1,
    "l2_normalization": 0.0,
    "l2_bias": 0.0,
    "weight_decay": 0.1,
    "weight_decay_normalization": 0.0,
    "weight_decay_bias": 0.0,
    "head_learning_rate_factor": 2.0,
    "bias_learning_rate_factor": 2.0,
    "clipnorm": 0.01,
    "global_clipnorm": 0.01,
    "clipvalue": 0.01,
    "gradient_accumulation_steps": 2,
}
ONLY = {
    "l2_normalization": {"body/norm/gamma", "head/neck/gamma"},
    "weight_decay_normalization": {"body/norm/gamma", "head/neck/gamma"},
    "l2_bias": {"body/norm/beta", "body/conv/bias"},
    "weight_decay_bias": {"body/norm/beta", "body/conv/bias"},
    "bias_learning_rate_factor": {"body/norm/beta", "body/conv/bias"},
    "head_learning_rate_factor": {"pool/p", "head/neck/gamma", "head/classifier/kernel"},
}


class Power(keras.layers.Layer):
    def build(self, shape):
        self.p = self.add_weight(shape=(1,), initializer="ones", name="p")

    def call(self, maps):
        return keras.ops.mean(maps, axis=(1, 2)) * self.p


def backbone():
    return keras.Sequential(
        [
            keras.Input((None, None, 3)),
            keras.layers.Conv2D(4, 3, name="conv"),
            keras.layers.BatchNormalization(name="norm"),
        ],
        name="body",
    )


def compiled(optimizer=None, steps_per_epoch=10, **changes):
    experiment = ex.Experiment(
        model=ex.Model(
            backbone=backbone,
            pooling=lambda: Power(name="pool"),
            head=lambda num_classes: BNNeckHead(num_classes, name="head"),
            image_size=(16, 8),
        ),
        optimizer=optimizer or ex.SGD(),
        **{"schedule": ex.Constant(), "training": ex.Training(epochs=4), **changes},
    )
    return run.compile_model(run.build_model(experiment, num_classes=3), experiment, steps_per_epoch)


def after(optimizer):
    keras.utils.set_random_seed(0)
    model = compiled(optimizer)
    for factor in (1.0, -2.0, 0.5):
        gradients = [factor * keras.ops.ones_like(one) for one in model.trainable_variables]
        model.optimizer.apply(gradients, model.trainable_variables)
    model.optimizer.finalize_variable_values(model.trainable_variables)
    return {one.path: np.array(one) for one in model.trainable_variables}


def differing(a, b):
    return {path for path in a if not np.array_equal(a[path], b[path])}


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("cls", [ex.Adam, ex.SGD], ids=["Adam", "SGD"])
def test_each_field_changes_what_it_should(cls, name):
    changed = differing(after(cls(**SHAPE)), after(cls(**{**SHAPE, name: FIELDS[name]})))
    assert changed
    if name in ONLY:
        assert changed == ONLY[name]


def test_fields_of_sgd():
    for arguments in ({"momentum": 0.5}, {"nesterov": True}):
        assert differing(after(ex.SGD()), after(ex.SGD(**arguments)))


def test_moving_average():
    plain, averaged = after(ex.SGD()), after(ex.SGD(use_ema=True))
    assert differing(plain, averaged)
    assert differing(averaged, after(ex.SGD(use_ema=True, ema_momentum=0.5)))
    assert differing(averaged, after(ex.SGD(use_ema=True, ema_overwrite_frequency=1)))


def test_every_field_is_tested():
    names = {field.name for cls in (ex.Adam, ex.SGD) for field in dataclasses.fields(cls)}
    assert names - {"momentum", "nesterov", "use_ema", "ema_momentum", "ema_overwrite_frequency"} == set(
        FIELDS
    )


def test_what_keras_refuses_is_a_users_error():
    with pytest.raises(
        UserError, match="optimizer: Only one of `clipnorm`, `clipvalue` and `global_clipnorm`"
    ):
        compiled(ex.Adam(clipnorm=1.0, clipvalue=1.0))


def test_a_rule_without_variables_is_a_users_error():
    bare = ex.Model(
        backbone=lambda: keras.Sequential(
            [keras.Input((None, None, 3)), keras.layers.Conv2D(4, 3, use_bias=False)]
        ),
        image_size=(16, 8),
    )
    experiment = ex.Experiment(model=bare, optimizer=ex.Adam(l2_bias=0.0))
    with pytest.raises(UserError, match="matches none of the"):
        run.compile_model(run.build_model(experiment, 3), experiment, 10)


@pytest.mark.parametrize(("k", "told"), [(None, 10), (2, 5), (4, 2.5)])
def test_a_schedule_is_told_updates_an_epoch(k, told):
    seen = {}

    def schedule(learning_rate, steps_per_epoch, epochs):
        seen.update(steps_per_epoch=steps_per_epoch, epochs=epochs)
        return learning_rate

    compiled(ex.SGD(gradient_accumulation_steps=k), schedule=schedule)
    assert seen == {"steps_per_epoch": told, "epochs": 4}
    assert type(seen["steps_per_epoch"]) is type(told)


def test_smoke_accumulates_no_more_than_its_two_batches():
    experiment = ex.Experiment(
        optimizer=ex.SGD(gradient_accumulation_steps=8), schedule=ex.Cosine(counting="original")
    )
    changed, said = ex.smoke(experiment)
    assert changed.optimizer.gradient_accumulation_steps == 2
    assert changed.schedule.counting == "epochs"
    assert "accumulated batches: 2 instead of 8" in said


def test_memory_loss_knows_the_length_of_the_feature():
    losses = {"memory": ex.MemoryLoss(loss=ex.CircleLoss(0.1, 16), size=50)}
    model = compiled(losses=losses)
    (loss,) = model._terms.losses
    assert (loss.dim, loss.size, loss.name, loss.loss.scale) == (4, 50, "memory", 16)
    assert model.training_state == loss.state_variables


def test_memory_loss_refuses_several_features():
    experiment = ex.Experiment(
        model=ex.Model(
            backbone=ex.MultiGranularityResNet(width=2),
            pooling=ex.NoPooling(),
            head=ex.MultiGranularityHeads(embedding_dim=2),
            image_size=(64, 32),
        ),
        losses={"memory": ex.MemoryLoss()},
    )
    with pytest.raises(UserError, match=r"losses\.memory needs one feature an image, .* gives 5"):
        run.compile_model(run.build_model(experiment, 3), experiment, 10)
