import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_reid.losses import CircleLoss, CosFaceLoss, MemoryLoss, TripletLoss
from tests.finite_differences import check_gradients
from tests.harness import assert_finite, gradients, rebuilt, run_loss_test
from tests.losses import FEATURES, LABELS, edge_cases


def batches(count, size=8, dim=6, identities=4, seed=0):
    generator = np.random.default_rng(seed)
    return [
        (generator.integers(0, identities, size), generator.normal(size=(size, dim)).astype("float32"))
        for _ in range(count)
    ]


class Reference:
    """Pairwise CosFace over a list of the last features, written out."""

    def __init__(self, margin, scale, size):
        self.margin, self.scale, self.size, self.kept = margin, scale, size, []

    def __call__(self, labels, features):
        features = features / np.linalg.norm(features, axis=1, keepdims=True)
        batch = list(zip(labels, features, strict=True))
        self.kept = (self.kept + batch)[-self.size :]
        losses = []
        for label, feature in batch:
            others = [pair for pair in self.kept if pair[1] is not feature]
            positive = sum(np.exp(-self.scale * feature @ x) for y, x in others if y == label)
            negative = sum(np.exp(self.scale * (feature @ x + self.margin)) for y, x in others if y != label)
            losses.append(np.log1p(positive * negative))
        return np.array(losses)


def values(loss):
    return [np.array(variable) for variable in loss.state_variables]


def test_contract():
    # Of the size of the batch, so that each call sees that batch alone.
    run_loss_test(lambda: MemoryLoss(dim=6, loss=CosFaceLoss(0.2, scale=4), size=8), LABELS, FEATURES)


@pytest.mark.parametrize("size", [8, 64])
@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (CosFaceLoss(0.25, 128), 25.53556824),
        (CosFaceLoss(0.35, 64), 17.58629990),
        (CircleLoss(0.25, 32), 15.15352440),
    ],
    ids=["cosface 128", "cosface 64", "circle 32"],
)
def test_from_empty_it_is_the_pairwise_loss_of_the_batch(loss, expected, size):
    assert float(MemoryLoss(6, loss, size)(LABELS, FEATURES)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("size", [8, 20, 24, 1000])
def test_equals_a_written_out_memory(size):
    """Places of batches wrap around, with 20, and do not, with 24."""
    loss = MemoryLoss(6, CosFaceLoss(0.25, scale=8), size, reduction=None)
    reference = Reference(0.25, 8, size)
    compiled = tf.function(lambda labels, features: loss(labels, features))
    for number, (labels, features) in enumerate(batches(7)):
        found = (compiled if number % 2 else loss)(labels, features)
        np.testing.assert_allclose(found, reference(labels, features), rtol=1e-4, atol=1e-5)


def test_batches_may_differ_in_size():
    loss = MemoryLoss(6, CosFaceLoss(0.25, scale=8), 10, reduction=None)
    reference = Reference(0.25, 8, 10)
    for size in (3, 8, 1, 10, 2):
        ((labels, features),) = batches(1, size, seed=size)
        np.testing.assert_allclose(loss(labels, features), reference(labels, features), rtol=1e-4, atol=1e-5)


def test_the_memory_is_constant_to_the_gradient():
    (labels, features), (old_labels, old) = batches(2)
    loss = MemoryLoss(6, CosFaceLoss(0.25, scale=4), 16)
    loss(old_labels, old)
    state = values(loss)
    (found,) = gradients(lambda x: loss(labels, x), features)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    memory = np.concatenate([old / np.linalg.norm(old, axis=1, keepdims=True), unit])
    itself = np.arange(8)[:, None] + 8 == np.arange(16)
    same = labels[:, None] == np.concatenate([old_labels, labels])

    def held(x):
        rows = x * tf.math.rsqrt(tf.reduce_sum(x * x, axis=1, keepdims=True))
        return CosFaceLoss(0.25, 4).of_pairs(
            tf.matmul(rows, memory, transpose_b=True), same & ~itself, ~same & ~itself
        )

    np.testing.assert_allclose(found, gradients(held, features)[0] / 8, rtol=1e-4, atol=1e-6)
    assert not np.array_equal(values(loss)[0], state[0])


def test_gradient():
    (labels, features), old = batches(2)
    loss = MemoryLoss(6, CosFaceLoss(0.25, scale=4), 16, dtype="float64")
    loss(*old)
    loss.storing = False  # a finite difference must not change what it measures
    check_gradients(lambda x: loss(labels, x), features.astype("float64"))


def test_without_storing_it_stays_as_it_is():
    first, second = batches(2)
    loss = MemoryLoss(6, size=64)
    loss(*first)
    state = values(loss)
    loss.storing = False
    value = float(loss(*second))
    assert value > 0
    assert value == float(loss(*second))
    np.testing.assert_equal(values(loss), state)


def test_restored_it_continues_to_the_bit():
    first, second, third = batches(3)
    loss, other = MemoryLoss(6, size=20), MemoryLoss(6, size=20)
    assert [v.shape for v in loss.state_variables] == [(20, 6), (20,), (20,), ()]
    for batch in (first, second):
        loss(*batch)
    for variable, value in zip(other.state_variables, values(loss), strict=True):
        variable.assign(value)
    assert float(loss(*third)) == float(other(*third))
    np.testing.assert_equal(values(loss), values(other))
    loss.reset()
    assert float(loss(*third)) == float(MemoryLoss(6, size=20)(*third))


def test_features_that_are_not_finite_are_forgotten():
    first, second = batches(2)
    broken = (second[0], np.where(np.arange(8)[:, None] < 4, np.nan, second[1]))
    loss, clean = MemoryLoss(6, size=64), MemoryLoss(6, size=64)
    assert np.isnan(float(loss(*broken)))
    clean(second[0][4:], second[1][4:])
    assert float(loss(*first)) == pytest.approx(float(clean(*first)), rel=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("case", edge_cases())
def test_value_and_gradient_are_finite_at_the_edges(case, dtype):
    labels, features = edge_cases()[case]
    features = keras.ops.cast(features, dtype)
    loss = MemoryLoss(features.shape[1], CosFaceLoss(), size=100)
    for _ in range(2):
        assert np.isfinite(float(loss(labels, features)))
        assert_finite(gradients(lambda x: loss(labels, x), features))


def test_round_trip_keeps_the_loss_inside():
    again = rebuilt(MemoryLoss(6, CircleLoss(0.1, 16), size=20))
    assert (type(again.loss), again.loss.margin, again.loss.scale) == (CircleLoss, 0.1, 16)
    default = MemoryLoss(6)
    assert (default.size, default.loss.margin, default.loss.scale) == (8192, 0.25, 32)


def test_learns_in_a_plain_keras_model():
    labels = np.arange(32) % 4
    inputs = np.eye(6, dtype="float32")[labels] + 0.3 * batches(1, size=32)[0][1]
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(8)])
    loss = MemoryLoss(8, CosFaceLoss(0.25, 4), size=24)
    model.compile(keras.optimizers.Adam(0.05), loss=loss)
    history = model.fit(inputs, labels, batch_size=8, epochs=8, verbose=0).history["loss"]
    assert history[-1] < 0.7 * max(history)
    assert np.array(loss.state_variables[2]).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MemoryLoss(0), "`dim` of MemoryLoss must be a positive whole number"),
        (lambda: MemoryLoss(6, size=2.5), "`size` of MemoryLoss must be a positive whole number"),
        (lambda: MemoryLoss(6, TripletLoss()), "must be a pairwise loss, such as CosFaceLoss"),
        (lambda: MemoryLoss(5)(LABELS, FEATURES), "features of length dim=5. Received: features of length 6"),
        (lambda: MemoryLoss(6, size=7)(LABELS, FEATURES), "size=7, a batch of 8"),
        (lambda: MemoryLoss(6)(LABELS, FEATURES[0]), "shape"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
