import keras
import numpy as np
import pytest

from keras_reid.losses import MemoryLoss, MultiSimilarityLoss
from tests.finite_differences import check_gradients
from tests.harness import assert_finite, gradients, run_loss_test
from tests.losses import FEATURES, LABELS, edge_cases


def reference(labels, features, alpha=2.0, beta=50.0, base=0.5, epsilon=0.1):
    """The definition, one sample at a time, in float64: `(batch,)`."""
    features = features / np.linalg.norm(features, axis=1, keepdims=True)
    losses = []
    for i, (label, feature) in enumerate(zip(labels, features, strict=True)):
        others = np.arange(len(labels)) != i
        positive = (features @ feature)[others & (labels == label)]
        negative = (features @ feature)[others & (labels != label)]
        if not len(positive) or not len(negative):
            losses.append(0.0)
            continue
        hard_positive = positive[positive < negative.max() + epsilon]
        hard_negative = negative[negative > positive.min() - epsilon]
        losses.append(
            log_of_1_and_exponentials(-alpha * (hard_positive - base)) / alpha
            + log_of_1_and_exponentials(beta * (hard_negative - base)) / beta
        )
    return np.array(losses)


def log_of_1_and_exponentials(exponents):
    """`log(1 + Σ exp(exponents))`, which does not overflow."""
    return np.logaddexp.reduce([0.0, *exponents])


VARIANTS = [{}, {"alpha": 1.0}, {"beta": 40.0}, {"base": 1.0}, {"epsilon": 0.0}, {"epsilon": 3.0}]


def test_contract():
    run_loss_test(MultiSimilarityLoss, LABELS, FEATURES)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, 0.40631540),
        ({"base": 1.0}, 0.33869125),
        ({"epsilon": 0.0}, 0.20978234),
        ({"epsilon": 5.0}, 0.46400678),
    ],
    ids=str,
)
def test_golden(arguments, expected):
    assert float(MultiSimilarityLoss(**arguments)(LABELS, FEATURES)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("arguments", VARIANTS, ids=str)
def test_reference(arguments, seed):
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.repeat(np.arange(4), 4))
    features = generator.normal(size=(16, 5)) + 2 * np.eye(4, 5)[labels]
    expected = reference(labels, features, **arguments)
    assert np.count_nonzero(expected) > 0
    found = MultiSimilarityLoss(**arguments, reduction=None, dtype="float64")(labels, features)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("arguments", VARIANTS, ids=str)
def test_gradient(arguments):
    loss = MultiSimilarityLoss(**{"beta": 8.0, **arguments}, dtype="float64")
    check_gradients(lambda x: loss(LABELS, x), np.random.default_rng(3).normal(size=(8, 5)))


def test_only_hard_pairs_are_mined():
    # Similarities of the first: 0.8 and 0.28 to its own, 0.6 to the other identity.
    features = np.array([[1, 0], [0.8, 0.6], [0.28, 0.96], [0.6, 0.8]], "float32")
    loss = MultiSimilarityLoss(reduction=None)
    (gradient,) = gradients(lambda x: loss(np.array([0, 0, 0, 1]), x)[:1], features)
    assert not gradient[1].any()  # 0.8 is not below 0.6 + 0.1
    assert gradient[2].any()
    assert gradient[3].any()
    loss.epsilon = 0.3
    (gradient,) = gradients(lambda x: loss(np.array([0, 0, 0, 1]), x)[:1], features)
    assert gradient[1].any()


@pytest.mark.parametrize(
    ("labels", "features"),
    [
        (np.zeros(8), FEATURES),
        (np.arange(8), FEATURES),
        (np.array([3]), FEATURES[:1]),
        (np.array([0, 0, 1, 1]), np.repeat(np.eye(2, dtype="float32"), 2, axis=0)),
    ],
    ids=["no negatives", "no positives", "one sample", "easy"],
)
def test_without_hard_pairs_loss_and_gradient_are_0(labels, features):
    loss = MultiSimilarityLoss()
    assert float(loss(labels, features)) == 0
    np.testing.assert_array_equal(gradients(lambda x: loss(labels, x), features)[0], 0 * features)


def test_equal_features():
    labels, features = edge_cases()["equal features"]
    # One positive and two negatives, all of similarity 1.
    expected = np.log1p(np.exp(-1)) / 2 + np.log1p(2 * np.exp(25)) / 50
    assert float(MultiSimilarityLoss()(labels, features)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("epsilon", [0.0, 0.1, 1e6])
@pytest.mark.parametrize("case", edge_cases())
def test_value_and_gradient_are_finite_at_the_edges(case, epsilon, dtype):
    labels, features = edge_cases()[case]
    features = keras.ops.cast(features, dtype)
    loss = MultiSimilarityLoss(epsilon=epsilon)
    assert np.isfinite(float(loss(labels, features)))
    assert_finite(gradients(lambda x: loss(labels, x), features))


@pytest.mark.parametrize("base", [-100.0, 100.0])
def test_a_base_far_beyond_the_similarities(base):
    loss = MultiSimilarityLoss(base=base)
    expected = reference(LABELS, FEATURES.astype("float64"), base=base).mean()
    assert float(loss(LABELS, FEATURES)) == pytest.approx(expected, rel=1e-5)
    assert_finite(gradients(lambda x: loss(LABELS, x), FEATURES))


def test_over_a_memory():
    """After one batch, a second one is compared with both."""
    other = FEATURES[::-1].copy()
    memory = MemoryLoss(6, MultiSimilarityLoss(), size=16, reduction=None)
    memory(LABELS, FEATURES)
    found = np.asarray(memory(LABELS, other))
    labels, features = np.concatenate([LABELS, LABELS]), np.concatenate([FEATURES, other])
    np.testing.assert_allclose(found, reference(labels, features)[8:], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("argument", "rule"), [("alpha", "be positive"), ("beta", "be positive"), ("epsilon", "not be negative")]
)
def test_bad_arguments(argument, rule):
    with pytest.raises(ValueError, match=rf"`{argument}` of MultiSimilarityLoss must {rule}.*{argument}=-1"):
        MultiSimilarityLoss(**{argument: -1})
