"""Golden values: what the original's two schedulers give at the start of epochs, and in which epochs they step."""

import keras
import numpy as np
import pytest

from keras_reid.experiment import Constant, Cosine, MultiStep
from keras_reid.training import SGD, Adam, CosineAfterDelay, WarmUp, learning_rates

MARKET = 12936 // 64
VERI = 37778 // 64


def rates(schedule, learning_rate, steps_per_epoch, epochs):
    """At the start of each epoch, with the warm-up."""
    inside = schedule.build(learning_rate, steps_per_epoch, epochs)
    warmup = (schedule.warmup_steps, schedule.warmup_factor, schedule.warmup_kind)
    optimizer = WarmUp.apply(SGD(inside), *warmup)
    return learning_rates(optimizer, np.arange(epochs) * steps_per_epoch)


BOT = MultiStep(milestones=(40, 90), warmup_steps=2000, counting="original")
SBS = Cosine(delay_epochs=30, floor=7e-7, warmup_steps=2000, counting="original")
VERI_SBS = Cosine(delay_epochs=30, floor=7.7e-5, warmup_steps=3000, counting="original")
VIT = Cosine(floor=1.6e-5, warmup_steps=1000, warmup_factor=0.01, counting="original")
TABLE = {
    "BoT Market": (
        (BOT, 3.5e-4, MARKET, 120),
        {0: 3.5e-5, 1: 6.6815e-5, 5: 1.94075e-4, 9: 3.21335e-4}
        | dict.fromkeys(range(10, 49), 3.5e-4)
        | dict.fromkeys(range(49, 99), 3.5e-5)
        | dict.fromkeys(range(99, 120), 3.5e-6),
    ),
    "SBS Market": (
        (SBS, 3.5e-4, MARKET, 60),
        dict.fromkeys(range(10, 31), 3.5e-4)
        | {31: 3.49043e-4, 45: 1.7535e-4, 58: 4.51652e-6, 59: 1.65675e-6},
    ),
    "SBS VeRi": (
        (VERI_SBS, 0.01, VERI, 60),
        {0: 0.001, 5: 0.00985, 30: 0.01, 31: 0.00997282, 45: 0.0050385, 59: 1.0418e-4},
    ),
    "ViT Market": (
        (VIT, 0.008, MARKET, 120),
        {0: 8e-5, 5: 0.00799851, 10: 0.00794649, 30: 0.00703467, 60: 0.00417154},
    ),
}


@pytest.mark.parametrize("recipe", TABLE)
def test_equals_the_original_at_epoch_starts(recipe):
    arguments, expected = TABLE[recipe]
    found = rates(*arguments)
    # Six digits each, as in the table.
    np.testing.assert_allclose(found[list(expected)], list(expected.values()), rtol=5e-6)


@pytest.mark.parametrize(
    ("steps_per_epoch", "warmup_steps", "milestones", "epochs"),
    [
        pytest.param(MARKET, 2000, (40, 90), [49, 99], id="Market"),
        pytest.param(16522 // 64, 2000, (40, 90), [47, 97], id="Duke"),
        pytest.param(30248 // 64, 2000, (40, 90), [44, 94], id="MSMT17"),
        pytest.param(221, 2000, (30, 50), [39, 59], id="VehicleID"),
        pytest.param(542, 5000, (30, 70, 90), [39, 79, 99], id="VERI-Wild"),
        pytest.param(200, 2000, (40,), [49], id="the warm-up ends with an epoch"),
        pytest.param(200, 0, (40,), [40], id="no warm-up"),
        pytest.param(200, 199, (40,), [40], id="a warm-up within the first epoch"),
    ],
)
def test_milestones_as_the_original_counts(steps_per_epoch, warmup_steps, milestones, epochs):
    schedule = MultiStep(milestones=milestones, warmup_steps=warmup_steps, counting="original")
    found = rates(schedule, 1.0, steps_per_epoch, 120)
    after = np.arange(120) >= warmup_steps / steps_per_epoch
    fallen = np.flatnonzero(after & (np.diff(found, prepend=found[0]) < 0))
    assert fallen.tolist() == epochs
    assert list(schedule.marks(steps_per_epoch, 120)) == epochs


@pytest.mark.parametrize(
    ("steps_per_epoch", "warmup_steps", "delay", "milestones", "epochs"),
    [
        pytest.param(MARKET, 2000, 30, (40, 90), [70, 120], id="longer than the warm-up"),
        pytest.param(
            MARKET, 2000, 9, (40, 90), [49, 99], id="as long as the epochs of the warm-up that do not count"
        ),
        pytest.param(MARKET, 2000, 10, (40, 90), [50, 100], id="one more"),
        pytest.param(MARKET, 2000, 3, (40, 90), [49, 99], id="shorter than the warm-up"),
        pytest.param(200, 0, 5, (1, 2), [6, 7], id="no warm-up"),
        pytest.param(12.5, 30, 1, (2,), [4], id="a fraction of updates an epoch"),
    ],
)
def test_milestones_after_a_delay_as_the_original_counts(
    steps_per_epoch, warmup_steps, delay, milestones, epochs
):
    schedule = MultiStep(
        warmup_steps=warmup_steps, milestones=milestones, counting="original", delay_epochs=delay
    )
    # As its trainer does: after epoch e, from 0, the schedule steps if the warm-up is over and the delay, too.
    expected, counted = [], 0
    for epoch in range(130):
        expected.append(0.5 ** sum(counted >= milestone for milestone in milestones))
        if (epoch + 1) * steps_per_epoch + 1 > warmup_steps and epoch + 1 > delay:
            counted += 1
    inside = MultiStep(**{**vars(schedule), "gamma": 0.5}).build(1.0, steps_per_epoch, 130)
    starts = np.ceil(np.arange(130) * steps_per_epoch)
    np.testing.assert_array_equal([float(inside(step)) for step in starts], expected)
    assert (np.flatnonzero(np.diff(expected)) + 1).tolist() == epochs
    assert list(schedule.marks(steps_per_epoch, 130)) == epochs


@pytest.mark.parametrize(("delay", "counting"), [(3, "epochs"), (-1, "original"), (-1, "epochs")])
def test_a_delay_that_means_nothing_is_refused(delay, counting):
    schedule = MultiStep(milestones=(4,), delay_epochs=delay, counting=counting)
    with pytest.raises(
        ValueError, match=rf"unless counting is 'original'.*delay_epochs={delay}, counting='{counting}'"
    ):
        schedule.build(1.0, 10, 9)


def test_the_originals_cosine_changes_once_an_epoch_and_ours_at_every_step():
    steps = np.arange(40 * MARKET, 41 * MARKET)
    for counting, different in (("original", 1), ("epochs", MARKET)):
        schedule = Cosine(delay_epochs=30, counting=counting).build(3.5e-4, MARKET, 60)
        assert len(np.unique(learning_rates(SGD(schedule), steps))) == different


@pytest.mark.parametrize(
    ("epoch", "rate"), [(10, 3.5e-4), (30, 3.5e-4), (31, 3.49043e-4), (45, 1.7535e-4), (59, 1.65675e-6)]
)
def test_cosine_by_epochs_equals_the_original_at_epoch_starts_after_a_delay(epoch, rate):
    schedule = Cosine(delay_epochs=30, floor=7e-7).build(3.5e-4, MARKET, epochs=60)
    np.testing.assert_allclose(float(schedule(epoch * MARKET)), rate, rtol=3e-6)


def test_cosine_by_epochs_runs_from_the_delay_to_the_end_whatever_the_warm_up():
    schedule = Cosine(delay_epochs=2, floor=0.1, warmup_steps=50).build(1.0, 10, epochs=12)
    np.testing.assert_allclose(
        [float(schedule(step)) for step in (0, 20, 70, 120, 500)], [1, 1, 0.55, 0.1, 0.1], rtol=1e-6
    )


def test_the_originals_cosine_needs_an_epoch_after_the_warm_up():
    with pytest.raises(
        ValueError, match=r"the warm-up must end before .*warmup_steps=100, 10 epochs of 10 steps"
    ):
        Cosine(warmup_steps=100, counting="original").build(1.0, 10, epochs=10)


def test_cosine_stays_at_its_floor():
    assert float(CosineAfterDelay(1.0, 0, 10, floor=0.25)(1000)) == 0.25


def test_cosine_in_intervals():
    schedule = CosineAfterDelay(1.0, 0, 10, interval=5)
    np.testing.assert_allclose(
        [float(schedule(step)) for step in (0, 4, 5, 9, 10)], [1, 1, 0.5, 0.5, 0], atol=1e-7
    )


def test_multi_step_changes_exactly_where_the_user_said():
    schedule = MultiStep(milestones=(3, 2), gamma=0.1, warmup_steps=15).build(1.0, 10, epochs=4)
    found = [float(schedule(step)) for step in (0, 19, 20, 29, 30, 39)]
    np.testing.assert_allclose(found, [1, 1, 0.1, 0.1, 0.01, 0.01], rtol=1e-6)


def test_multi_step_without_milestones_is_constant():
    assert MultiStep(milestones=()).build(0.5, 10, 4) == Constant().build(0.5, 10, 4) == 0.5


@pytest.mark.parametrize("schedule", [MultiStep(milestones=(2, 4)), Cosine(delay_epochs=2)])
def test_epochs_of_a_fraction_of_updates_do_not_drift(schedule):
    """Of 7 batches, two an update: 3.5 updates an epoch."""
    found = schedule.build(1.0, 3.5, 10)
    assert [float(found(step)) for step in (0, 6, 7)][:2] == [1, 1]
    assert float(found(8)) < 1
    if isinstance(schedule, Cosine):
        np.testing.assert_allclose(float(found(21)), 0.5, rtol=1e-6)
    else:
        np.testing.assert_allclose([float(found(step)) for step in (13, 14)], [0.1, 0.01], rtol=1e-6)


@pytest.mark.parametrize(("kind", "halfway"), [("linear", 0.505), ("exponential", 0.1), ("constant", 0.01)])
def test_warm_up_kinds(kind, halfway):
    schedule = WarmUp(1.0, steps=10, factor=0.01, kind=kind)
    np.testing.assert_allclose(
        [float(schedule(step)) for step in (0, 5, 10, 99)], [0.01, halfway, 1, 1], rtol=1e-5
    )


def test_warm_up_does_not_shift_the_schedule_inside():
    inside = CosineAfterDelay(1.0, 0, 100)
    np.testing.assert_allclose(float(WarmUp(inside, steps=10)(60)), float(inside(60)), rtol=1e-6)


def test_warm_up_is_applied_once():
    optimizer = WarmUp.apply(keras.optimizers.Adam(0.5), steps=10, factor=0.1)
    again = WarmUp.apply(optimizer, steps=10, factor=0.1)
    np.testing.assert_allclose(float(again.learning_rate), 0.05, rtol=1e-6)
    without = WarmUp.apply(optimizer, steps=0)
    np.testing.assert_allclose(float(without.learning_rate), 0.5, rtol=1e-6)


def test_without_warm_up_the_learning_rate_stays_settable():
    optimizer = WarmUp.apply(keras.optimizers.Adam(0.5), steps=0)
    optimizer.learning_rate = 0.25
    assert float(optimizer.learning_rate) == 0.25


@pytest.mark.parametrize("warmup", [0, 4])
def test_steps_are_updates_under_accumulation(warmup):
    inside = CosineAfterDelay(1.0, 2, 10)
    plain = WarmUp.apply(Adam(inside), warmup)
    accumulating = WarmUp.apply(Adam(inside, gradient_accumulation_steps=3), warmup)
    steps = np.arange(12)
    np.testing.assert_array_equal(learning_rates(accumulating, steps), learning_rates(plain, steps))
    one = keras.Variable(np.zeros(1, "float32"))
    for batch in range(6):
        # That of the update that the batch belongs to.
        np.testing.assert_allclose(
            float(accumulating.learning_rate), learning_rates(plain, [batch // 3])[0], rtol=1e-6
        )
        accumulating.apply([keras.ops.array([1.0])], [one])


@pytest.mark.parametrize("wrap", [lambda x: x, keras.optimizers.LossScaleOptimizer], ids=["", "loss scaling"])
def test_learning_rates_are_those_that_an_optimizer_uses(wrap):
    optimizer = wrap(SGD(CosineAfterDelay(0.1, 2, 6)))
    one = keras.Variable(np.zeros(1, "float32"))
    moved = []
    scale = float(optimizer.scale_loss(1.0))
    for _ in range(7):
        before = float(one[0])
        optimizer.apply([keras.ops.array([-scale])], [one])
        moved.append(float(one[0]) - before)
    np.testing.assert_allclose(learning_rates(optimizer, range(7)), moved, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(learning_rates(wrap(SGD(0.5)), range(3)), [0.5] * 3)


@pytest.mark.parametrize(
    "schedule",
    [
        WarmUp(0.1, 5),
        WarmUp(CosineAfterDelay(0.1, 2, 9, 0.01), 5, 0.2, "exponential", batches_per_update=3),
        CosineAfterDelay(1, 2, 3),
        CosineAfterDelay(1, 2.5, 7.5, interval=2.5),
    ],
)
def test_round_trip(schedule):
    copy = keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(schedule))
    assert type(copy) is type(schedule)
    assert [float(copy(step)) for step in range(10)] == [float(schedule(step)) for step in range(10)]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: WarmUp(1.0, steps=-1), "warmup_steps must be a whole number"),
        (lambda: WarmUp(1.0, steps=3, factor=0), r"warmup_factor must be in \(0, 1\]"),
        (lambda: WarmUp(1.0, steps=3, kind="cubic"), "warmup_kind must be one of linear"),
        (lambda: WarmUp(1.0, steps=3, batches_per_update=0), "batches_per_update must be a whole number"),
        (lambda: CosineAfterDelay(1.0, 5, 5), "less than total_steps"),
        (lambda: CosineAfterDelay(1.0, 0, 5, floor=2.0), "floor must be between 0"),
        (lambda: CosineAfterDelay(1.0, 0, 5, interval=0), "interval must be 1 step or more"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
