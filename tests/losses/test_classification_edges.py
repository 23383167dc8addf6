"""The losses on logits where logits, batches or precision are extreme."""

import keras
import numpy as np
import pytest

from keras_reid.losses import CrossEntropy, FocalLoss
from tests.harness import assert_finite, gradients
from tests.losses import LABELS, LOGITS

LOSSES = [CrossEntropy(), CrossEntropy(0.1), CrossEntropy("adaptive"), FocalLoss(), FocalLoss(gamma=0.5)]
PAIR = np.array([[1.0, -2.0, 0.5]] * 2, "float32")
CASES = {
    "batch of 1": (LABELS[:1], LOGITS[:1]),
    "one identity, equal logits": (np.array([1, 1]), PAIR),
    "all different": (np.arange(5), LOGITS[:5]),
    "all zero": (LABELS, 0 * LOGITS),
    "certain and right": (np.array([0, 0]), 1e4 * PAIR),
    "certain and wrong": (np.array([1, 1]), 1e4 * PAIR),
    "largest of float16": (LABELS, 32_000 * LOGITS),
    "a single class": (np.array([0, 0]), PAIR[:, :1]),
}


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize(
    "loss", LOSSES, ids=lambda loss: f"{loss.name} {list(loss.get_config().values())[2:]}"
)
@pytest.mark.parametrize("case", CASES)
def test_value_and_gradient_are_finite(loss, case, dtype):
    labels, logits = CASES[case]
    logits = keras.ops.cast(logits, dtype)
    assert_finite(logits)
    assert np.isfinite(float(loss(labels, logits)))
    assert_finite(gradients(lambda x: loss(labels, x), logits))
