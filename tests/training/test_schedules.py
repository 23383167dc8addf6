"""Golden values: what the original's two schedulers give at the start of epochs (BoT and SBS on Market-1501)."""

import keras
import numpy as np
import pytest

from keras_reid.experiment import Cosine, MultiStep
from keras_reid.training import CosineAfterDelay, WarmUp

STEPS_PER_EPOCH = 202  # Market-1501: 12936 images in batches of 64


@pytest.mark.parametrize(
    ("epoch", "rate"), [(0, 3.5e-5), (1, 6.6815e-5), (5, 1.94075e-4), (9, 3.21335e-4), (10, 3.5e-4)]
)
def test_linear_warm_up_equals_the_original(epoch, rate):
    schedule = WarmUp(3.5e-4, steps=2000, factor=0.1)
    np.testing.assert_allclose(float(schedule(epoch * STEPS_PER_EPOCH)), rate, rtol=1e-5)


@pytest.mark.parametrize(
    ("epoch", "rate"), [(10, 3.5e-4), (30, 3.5e-4), (31, 3.49043e-4), (45, 1.7535e-4), (59, 1.65675e-6)]
)
def test_cosine_after_delay_equals_the_original_at_epoch_starts(epoch, rate):
    schedule = Cosine(delay_epochs=30, floor=7e-7).build(3.5e-4, STEPS_PER_EPOCH, epochs=60)
    np.testing.assert_allclose(float(schedule(epoch * STEPS_PER_EPOCH)), rate, rtol=1e-5)


def test_cosine_stays_at_its_floor():
    assert float(CosineAfterDelay(1.0, 0, 10, floor=0.25)(1000)) == 0.25


def test_multi_step_changes_exactly_where_the_user_said():
    schedule = MultiStep(milestones=(2, 3), gamma=0.1).build(1.0, 10, epochs=4)
    rates = [float(schedule(step)) for step in (0, 19, 20, 29, 30, 39)]
    np.testing.assert_allclose(rates, [1, 1, 0.1, 0.1, 0.01, 0.01], rtol=1e-6)


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


@pytest.mark.parametrize(
    "schedule",
    [
        WarmUp(0.1, 5),
        WarmUp(CosineAfterDelay(0.1, 2, 9, 0.01), 5, 0.2, "exponential"),
        CosineAfterDelay(1, 2, 3),
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
        (lambda: CosineAfterDelay(1.0, 5, 5), "less than total_steps"),
        (lambda: CosineAfterDelay(1.0, 0, 5, floor=2.0), "floor must be between 0"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
