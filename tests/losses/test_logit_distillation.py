import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_reid.losses import LogitDistillationLoss
from tests.finite_differences import check_gradients
from tests.harness import gradients, rebuilt
from tests.losses import LOGITS as STUDENT

TEACHER = (2 * np.sin(0.4 * np.arange(8)[:, None] + 0.7 * np.arange(5))).astype("float32")
KINDS = ("l1", "js", "kl")


def softmax(x):
    x = np.exp(x - x.max(axis=1, keepdims=True))
    return x / x.sum(axis=1, keepdims=True)


def divergence(p, q):
    return np.mean(np.sum(p * np.log(p / q), axis=1))


@pytest.mark.parametrize(("kind", "expected"), [("kl", 1.46682453), ("js", 1.46992254)])
def test_golden(kind, expected):
    # To what float32 leaves of it: the divergence is a small difference, times 16².
    assert float(LogitDistillationLoss(kind)(TEACHER, STUDENT)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 4.0, 16.0])
def test_written_out(temperature):
    p, q = (softmax(x.astype("float64") / temperature) for x in (TEACHER, STUDENT))
    one_way, other_way = temperature**2 * divergence(p, q), temperature**2 * divergence(q, p)
    assert abs(one_way - other_way) > 1e-4
    found = [float(LogitDistillationLoss(kind, temperature)(TEACHER, STUDENT)) for kind in ("kl", "js")]
    np.testing.assert_allclose(found, [one_way, (one_way + other_way) / 2], rtol=1e-5)


def test_l1_is_the_sum_over_the_classes_and_the_mean_over_the_batch():
    expected = np.abs(TEACHER - STUDENT).sum(axis=1).mean()
    assert float(LogitDistillationLoss("l1")(TEACHER, STUDENT)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch", [1, 2, 8])
@pytest.mark.parametrize("scale", [1.0, 64.0, 1e4, 1e30])
def test_is_0_with_no_gradient_where_the_student_is_the_teacher(kind, batch, scale):
    loss, scores = LogitDistillationLoss(kind), (scale * TEACHER[:batch]).astype("float32")
    assert float(loss(scores, scores)) == 0
    np.testing.assert_allclose(gradients(lambda x: loss(scores, x), scores)[0], 0, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [0.0, 30.0, 1e4, 1e30])
def test_value_and_gradient_are_finite_for_scores_of_any_size(kind, scale):
    loss = LogitDistillationLoss(kind, temperature=1.0)
    teacher, student = (scale * TEACHER).astype("float32"), (scale * STUDENT).astype("float32")
    assert np.isfinite(float(loss(teacher, student)))
    assert np.isfinite(gradients(lambda x: loss(teacher, x), student)[0]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_gradient(kind):
    loss = LogitDistillationLoss(kind, temperature=3.0, dtype="float64")
    check_gradients(lambda x: loss(TEACHER, x), STUDENT)


@pytest.mark.parametrize("kind", ["js", "kl"])
def test_gradient_at_the_edges(kind):
    """Of a teacher that is sure, which a student doubts, and that the other way round: at a temperature of 1."""
    sure, doubting = np.eye(5) * 20, np.eye(5) * 0.1
    loss = LogitDistillationLoss(kind, temperature=1.0, dtype="float64")
    for teacher, student in ((sure, doubting), (doubting, sure)):
        check_gradients(lambda x, teacher=teacher: loss(teacher, x), student)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_flows_into_the_teacher(kind):
    teacher, student = tf.constant(TEACHER), tf.constant(STUDENT)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([teacher, student])
        value = LogitDistillationLoss(kind)(teacher, student)
    assert tape.gradient(value, teacher) is None
    assert tape.gradient(value, student) is not None


@pytest.mark.parametrize("kind", KINDS)
def test_contract(kind):
    loss = rebuilt(LogitDistillationLoss(kind, 4.0))
    assert (loss.reads, loss.target) == ("scores", "teacher")
    value = float(loss(TEACHER, STUDENT))
    order = np.random.default_rng(0).permutation(8)
    assert float(loss(TEACHER[order], STUDENT[order])) == pytest.approx(value, rel=1e-6)
    each = LogitDistillationLoss(kind, 4.0, reduction=None)(TEACHER, STUDENT)
    assert each.shape == (8,)
    assert np.mean(each) == pytest.approx(value, rel=1e-6)
    half = keras.ops.cast(STUDENT, "float16")
    assert keras.backend.standardize_dtype(loss(TEACHER, half).dtype) == "float32"
    assert np.isfinite(float(loss(TEACHER, half)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"kind": "jsd"},
            r"`kind` of LogitDistillationLoss must be one of l1, js, kl\. Received: kind='jsd'",
        ),
        (
            {"temperature": 0},
            r"`temperature` of LogitDistillationLoss must be positive\. Received: temperature=0",
        ),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        LogitDistillationLoss(**arguments)


@pytest.mark.parametrize("shape", [(8, 4), (8,), (8, 1), (8, 5, 1)])
def test_other_classes_are_refused(shape):
    with pytest.raises(ValueError, match=r"compares scores of the same classes\. Received: .*\(8, 5\)"):
        LogitDistillationLoss().call(np.zeros(shape, "float32"), STUDENT)
