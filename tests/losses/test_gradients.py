"""Gradients of the losses against finite differences, in float64."""

import numpy as np
import pytest

from keras_reid.losses import CircleLoss, CosFaceLoss, CrossEntropy, FocalLoss, TripletLoss
from tests.finite_differences import check_gradients
from tests.losses import LABELS


def random_matrix(columns=5):
    """`(8, columns)` in float64: no two distances so close that a step would change which one is mined."""
    return np.random.default_rng(3).normal(size=(8, columns))


def softplus(x):
    return np.logaddexp(0, x)


def logsumexp(x):
    return np.log(np.exp(x).sum())


@pytest.mark.parametrize(
    "loss",
    [
        CrossEntropy(dtype="float64"),
        CrossEntropy(0.1, dtype="float64"),
        *(FocalLoss(0.7, gamma, dtype="float64") for gamma in (0.0, 0.5, 2.0)),
        *(
            TripletLoss(margin, mining, normalize, dtype="float64")
            for margin in (0.3, 0.0)
            for mining in ("hard", "weighted")
            for normalize in (False, True)
        ),
        CosFaceLoss(margin=0.25, scale=8, dtype="float64"),
    ],
    ids=lambda loss: " ".join([loss.name, *(str(v) for v in list(loss.get_config().values())[2:])]),
)
def test_gradient(loss):
    check_gradients(lambda x: loss(LABELS, x), random_matrix())


def test_gradient_of_circle_loss_with_constant_weights():
    """`log(1 + Σ exp(γ α_n (s_n − m)) Σ exp(−γ α_p (s_p − 1 + m)))`: the step moves s, not α."""
    margin, scale, point = 0.25, 8.0, random_matrix()

    def similarities(x):
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
        return x @ x.T

    at_point = similarities(point)
    alpha_p, alpha_n = np.maximum(1 + margin - at_point, 0), np.maximum(at_point + margin, 0)
    positive = (LABELS[:, None] == LABELS) & ~np.eye(8, dtype=bool)
    negative = LABELS[:, None] != LABELS

    def held(x):
        s = similarities(x)
        exponents_p = -scale * alpha_p * (s - (1 - margin))
        exponents_n = scale * alpha_n * (s - margin)
        rows = zip(exponents_p, positive, exponents_n, negative, strict=True)
        return np.mean([softplus(logsumexp(p[is_p]) + logsumexp(n[is_n])) for p, is_p, n, is_n in rows])

    loss = CircleLoss(margin, scale, dtype="float64")
    check_gradients(lambda x: loss(LABELS, x), point, held=held)


def test_gradient_of_adaptive_smoothing_with_constant_smoothing():
    """`−Σ q log softmax(z)` with `q` from `ε = 0.2 · softmax(z)_label`: the step moves log softmax, not ε."""
    point = random_matrix()
    target = np.eye(5)[LABELS]

    def log_softmax(z):
        return z - np.log(np.exp(z).sum(axis=1, keepdims=True))

    epsilon = 0.2 * np.exp(log_softmax(point)[np.arange(8), LABELS])[:, None]
    smoothed = target * (1 - epsilon) + (1 - target) * epsilon / 4

    loss = CrossEntropy("adaptive", alpha=0.2, dtype="float64")
    check_gradients(
        lambda z: loss(LABELS, z), point, held=lambda z: -np.mean(np.sum(smoothed * log_softmax(z), axis=1))
    )
