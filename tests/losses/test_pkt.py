import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_reid.losses import PKTLoss
from tests.finite_differences import check_gradients
from tests.harness import assert_finite, gradients, rebuilt
from tests.losses import FEATURES as STUDENT
from tests.losses import edge_cases

TEACHER = np.cos(0.9 * np.arange(8)[:, None] + 0.5 * np.arange(10)).astype("float32")


def reference(teacher, student):
    """Written out as in the paper, one pair after the other."""

    def probabilities(features):
        def similarity(a, b):
            return (a @ b / np.sqrt((a @ a) * (b @ b)) + 1) / 2

        count = len(features)
        p = np.zeros((count, count))
        for j in range(count):
            others = [k for k in range(count) if k != j]
            total = sum(similarity(features[k], features[j]) for k in others)
            for i in others:
                p[i, j] = similarity(features[i], features[j]) / total
        return p

    p, q = probabilities(teacher.astype("float64")), probabilities(student.astype("float64"))
    count = len(p)
    return sum(p[i, j] * np.log(p[i, j] / q[i, j]) for j in range(count) for i in range(count) if i != j)


@pytest.mark.parametrize("batch", [3, 5, 8])
def test_written_out(batch):
    expected = reference(TEACHER[:batch], STUDENT[:batch])
    assert expected > 1e-3
    assert float(PKTLoss()(TEACHER[:batch], STUDENT[:batch])) == pytest.approx(expected, rel=1e-4)


def test_mean_over_the_batch():
    expected = reference(TEACHER, STUDENT) / 8
    assert float(PKTLoss("sum_over_batch_size")(TEACHER, STUDENT)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("batch", [1, 2, 3, 8])
def test_is_0_where_the_student_is_the_teacher(batch):
    loss, features = PKTLoss(), TEACHER[:batch]
    assert float(loss(features, features)) == 0
    np.testing.assert_allclose(gradients(lambda x: loss(features, x), features)[0], 0, atol=1e-6)
    # Cosines know neither length nor the directions of the axes.
    turned, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(10, 10)))
    assert float(loss(features, (3 * features @ turned).astype("float32"))) == pytest.approx(0, abs=1e-5)


def test_a_batch_of_two_has_one_neighbour_each():
    loss = PKTLoss()
    assert float(loss(TEACHER[:2], STUDENT[:2])) == 0
    np.testing.assert_allclose(gradients(lambda x: loss(TEACHER[:2], x), STUDENT[:2])[0], 0, atol=1e-7)


def test_knows_no_order():
    order = np.random.default_rng(0).permutation(8)
    assert float(PKTLoss()(TEACHER[order], STUDENT[order])) == pytest.approx(
        float(PKTLoss()(TEACHER, STUDENT)), rel=1e-5
    )


def test_gradient():
    check_gradients(lambda x: PKTLoss(dtype="float64")(TEACHER, x), STUDENT)


def test_gradient_near_opposite_and_near_equal_features():
    near = np.array([[1, 0, 0], [-1, 0.1, 0], [1, 0.05, 0], [0, 0, 1]], "float64")
    check_gradients(lambda x: PKTLoss(dtype="float64")(TEACHER[:4], x), near)


@pytest.mark.parametrize("case", edge_cases())
def test_finite_at_the_edges(case):
    _, features = edge_cases()[case]
    other = np.random.default_rng(1).normal(size=(len(features), 4)).astype("float32")
    loss = PKTLoss()
    for teacher, student in ((other, features), (features, other), (features, features)):
        value = loss(teacher, student)
        assert_finite(value, case)
        assert float(value) > -1e-4
        assert_finite(gradients(lambda x, teacher=teacher: loss(teacher, x), student), case)


def test_training_on_it_alone_brings_the_teachers_ranking():
    generator = np.random.default_rng(2)
    teacher = generator.normal(size=(16, 6)).astype("float32")
    student = tf.Variable(generator.normal(size=(16, 4)).astype("float32"))
    optimizer, loss = keras.optimizers.Adam(0.05), PKTLoss()

    def agreement():
        def ranks(x):
            x = x / np.linalg.norm(x, axis=1, keepdims=True)
            return np.argsort(np.argsort(x @ x.T, axis=1), axis=1).ravel()

        return np.corrcoef(ranks(teacher), ranks(student.numpy()))[0, 1]

    before = agreement()
    for _ in range(100):
        with tf.GradientTape() as tape:
            value = loss(teacher, student)
        optimizer.apply(tape.gradient(value, [student]), [student])
    assert agreement() > max(0.7, before + 0.3)


def test_nothing_flows_into_the_teacher():
    teacher, student = tf.constant(TEACHER), tf.constant(STUDENT)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([teacher, student])
        value = PKTLoss()(teacher, student)
    assert tape.gradient(value, teacher) is None
    assert tape.gradient(value, student) is not None


def test_contract():
    loss = rebuilt(PKTLoss("sum_over_batch_size"))
    assert loss.reduction == "sum_over_batch_size"
    assert (loss.reads, loss.target) == ("embedding", "teacher")
    assert PKTLoss(reduction=None)(TEACHER, STUDENT).shape == (8,)
    half = keras.ops.cast(STUDENT, "float16")
    assert keras.backend.standardize_dtype(loss(TEACHER, half).dtype) == "float32"


@pytest.mark.parametrize(("teacher", "student"), [((8, 2, 2), (8, 6)), ((8, 6), (8, 2, 3))])
def test_needs_matrices(teacher, student):
    with pytest.raises(ValueError, match=r"PKTLoss needs .* of shape \(batch, dimensions\)"):
        PKTLoss().call(np.zeros(teacher, "float32"), np.zeros(student, "float32"))
