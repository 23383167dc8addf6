"""Labels that a loss cannot use: a ValueError where they are known, NaN in a compiled step, never a number."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_reid import losses
from keras_reid.losses import (
    CircleLoss,
    ClusterMemoryLoss,
    CosFaceLoss,
    CrossEntropy,
    FocalLoss,
    LogitDistillationLoss,
    MemoryLoss,
    PKTLoss,
    TripletLoss,
)
from keras_reid.losses.label_loss import LabelLoss
from tests.harness import gradients
from tests.losses import LOGITS

CLASSES = LOGITS.shape[1]
OF_CLASSES = {
    "cross entropy": lambda **options: CrossEntropy(0.1, **options),
    "adaptive": lambda **options: CrossEntropy("adaptive", **options),
    "focal": FocalLoss,
    "clusters": lambda **options: ClusterMemoryLoss(CLASSES, CLASSES, **options),
}
OF_PAIRS = {
    "triplet": TripletLoss,
    "weighted triplet": lambda **options: TripletLoss(mining="weighted", **options),
    "circle": lambda **options: CircleLoss(scale=2, **options),
    "cosface": lambda **options: CosFaceLoss(scale=2, **options),
}
# Every other loss of labels, with its defaults: a new one is tested without an entry here.
_NAMED = {type(make()) for make in (*OF_CLASSES.values(), *OF_PAIRS.values())} | {MemoryLoss}
for _class in (getattr(losses, name) for name in losses.__all__):  # in the same order in every worker
    if issubclass(_class, LabelLoss) and _class not in _NAMED:
        (OF_PAIRS if getattr(_class, "reads", "logits") == "feature" else OF_CLASSES)[_class.__name__] = (
            _class
        )
ALL = {
    **OF_CLASSES,
    **OF_PAIRS,
    "memory": lambda **options: MemoryLoss(CLASSES, CosFaceLoss(scale=2), size=8, **options),
}
ROWS = LOGITS[:4]
RIGHT = np.array([0, 1, 0, 1])


def compiled(loss, labels, rows=ROWS):
    """The loss and its gradient in a step that does not know the labels."""

    @tf.function(input_signature=[tf.TensorSpec((None,), labels.dtype), tf.TensorSpec((None, rows.shape[1]))])
    def step(labels, rows):
        with tf.GradientTape() as tape:
            tape.watch(rows)
            value = loss(labels, rows)
            total = tf.reduce_sum(value)
        return value, tape.gradient(total, rows)

    return [np.asarray(x) for x in step(labels, rows)]


@pytest.mark.parametrize("name", OF_CLASSES)
@pytest.mark.parametrize("label", [CLASSES, -1, 2**32, 8_000_000_000_000])
def test_a_label_that_is_no_class(name, label):
    labels = RIGHT.copy()
    labels[2] = label
    with pytest.raises(ValueError, match=rf"from 0 to {CLASSES - 1}.* Received: label {label} in row 2"):
        OF_CLASSES[name]()(labels, ROWS)
    each, gradient = compiled(OF_CLASSES[name](reduction=None), labels)
    expected = np.asarray(OF_CLASSES[name](reduction=None)(np.delete(labels, 2), np.delete(ROWS, 2, axis=0)))
    np.testing.assert_array_equal(np.isnan(each), [False, False, True, False])
    np.testing.assert_allclose(np.delete(each, 2), expected, rtol=1e-6)
    assert np.isfinite(np.delete(gradient, 2, axis=0)).all()
    assert np.isnan(compiled(OF_CLASSES[name](), labels)[0])


@pytest.mark.parametrize("name", ["cross entropy", "adaptive", "focal"])
def test_the_gradients_of_the_right_labels_stay(name):
    loss = OF_CLASSES[name](reduction="sum")
    labels = np.array([0, CLASSES, 0, 1])
    kept = [0, 2, 3]
    (expected,) = gradients(lambda rows: loss(labels[kept], rows), ROWS[kept])
    found = compiled(loss, labels)[1]
    np.testing.assert_allclose(found[kept], expected, rtol=1e-5)
    np.testing.assert_array_equal(found[1], 0 * found[1])


@pytest.mark.parametrize("name", OF_PAIRS)
def test_pairs_take_any_whole_numbers(name):
    loss = OF_PAIRS[name]()
    expected = float(loss(RIGHT, ROWS))
    # The same in 32 bits, in a float32, and in a float16.
    for labels in ([2**32 * x + 5 for x in RIGHT], [2**24 + x for x in RIGHT], [2048 + x for x in RIGHT]):
        labels = np.array(labels)
        assert float(loss(labels, ROWS)) == expected
        assert compiled(loss, labels)[0] == pytest.approx(expected, rel=1e-6)
    half = OF_PAIRS[name](dtype="float16")
    assert float(half(2048 + RIGHT, ROWS)) == float(half(RIGHT, ROWS))


@pytest.mark.parametrize("name", [*OF_PAIRS, "memory"])
def test_a_label_of_a_pair_that_is_no_whole_number(name):
    labels = np.array([0.0, 1.0, 0.5, 1.0], "float32")
    with pytest.raises(ValueError, match=r"whole numbers.* Received: label 0\.5 in row 2"):
        ALL[name]()(labels, ROWS)
    each = compiled(ALL[name](reduction=None), labels)[0]
    np.testing.assert_array_equal(np.isnan(each), [False, False, True, False])


def test_a_memory_keeps_32_bits():
    labels = np.array([0, 1, 2**32, 1])
    loss = ALL["memory"](reduction=None)
    with pytest.raises(ValueError, match=f"must fit 32 bits.* Received: label {2**32} in row 2"):
        loss(labels, ROWS)
    np.testing.assert_array_equal(np.isnan(compiled(loss, labels)[0]), [False, False, True, False])
    filled = loss.state_variables[2]
    np.testing.assert_array_equal(filled, [True, True, False, True] + [False] * 4)


def test_a_wrong_cluster_moves_no_memory():
    loss = ClusterMemoryLoss(CLASSES, max_clusters=CLASSES + 2)
    loss.fill(np.eye(3, CLASSES))
    before = np.array(loss.state_variables[0])
    with pytest.raises(
        ValueError, match=r"cluster numbers from 0 to 2, for 3 clusters\. Received: label 3 in row 0"
    ):
        loss(np.array([3, 3]), ROWS[:2])
    value, _ = compiled(loss, np.array([3, -1]), ROWS[:2])
    assert np.isnan(value)
    np.testing.assert_array_equal(loss.state_variables[0], before)


@pytest.mark.parametrize("name", ALL)
def test_one_hot_labels_and_too_few(name):
    with pytest.raises(ValueError, match=rf"Received: labels of shape \(4, {CLASSES}\)\. Turn one-hot rows"):
        ALL[name]()(np.eye(4, CLASSES), ROWS)
    with pytest.raises(ValueError, match="Received: 1 labels for 4 samples"):
        ALL[name]()(np.array([1]), ROWS)
    assert np.isnan(compiled(ALL[name](), np.array([1]))[0])


@pytest.mark.parametrize("shape", [(3,), (4, 4), (2, 1), (4, 1, 1)])
def test_sample_weights_of_another_shape(shape):
    with pytest.raises(ValueError, match="`sample_weight` of TripletLoss must be one number a sample"):
        TripletLoss()(RIGHT, ROWS, sample_weight=np.ones(shape))


@pytest.mark.parametrize("name", ["cross entropy", "focal", "triplet"])
def test_sample_weights_as_a_column_and_as_a_number(name):
    loss, weights = ALL[name](), np.array([1.0, 0.5, 0, 2])
    expected = float(loss(RIGHT, ROWS, sample_weight=weights))
    assert float(loss(RIGHT, ROWS, sample_weight=weights[:, None])) == expected
    assert float(loss(RIGHT, ROWS, sample_weight=0.5)) == pytest.approx(
        0.5 * float(loss(RIGHT, ROWS)), rel=1e-6
    )


@pytest.mark.parametrize("loss", [LogitDistillationLoss(), PKTLoss()], ids=["logits", "pkt"])
def test_a_teacher_of_one_image_is_not_compared_with_all(loss):
    with pytest.raises(ValueError, match=r"compares the same images\. Received: 1 rows of the teacher, 4 of"):
        loss(ROWS[:1], ROWS)


@pytest.mark.parametrize(("loss", "columns"), [(CrossEntropy(), 4), (FocalLoss(), 4), (TripletLoss(), 3)])
def test_plain_keras_never_gives_a_number_for_a_label_that_is_no_class(loss, columns):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(columns)])
    model.compile("sgd", loss=loss)
    x = np.random.default_rng(0).normal(size=(8, 3))
    labels = np.array([0, 1, 2, 3, 0, 1, 2, 3], "int64")
    right = model.fit(x, labels, batch_size=8, verbose=0).history["loss"][0]
    assert np.isfinite(right)
    labels[5] = 2**32 + 1
    wrong = model.fit(x, labels, batch_size=8, verbose=0).history["loss"][0]
    assert np.isnan(wrong) == (loss.reads == "logits")
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


def test_plain_keras_keeps_large_identities_apart():
    """Keras makes labels float32 for its own losses, where these are two."""
    x = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    losses = []
    for labels in (RIGHT * 0, RIGHT, RIGHT + 2**24):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        model.compile("sgd", loss=TripletLoss())
        losses.append(model.fit(x, labels, batch_size=4, verbose=0).history["loss"][0])
    assert losses[0] == 0 < losses[1] == losses[2]
