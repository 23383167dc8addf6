"""Multi-similarity loss."""

from typing import Any

import keras
from keras import ops

from keras_reid.losses.label_loss import NEVER
from keras_reid.losses.pairwise import PairwiseLoss
from keras_reid.utils.hints import Tensor


@keras.saving.register_keras_serializable(package="keras_reid")
class MultiSimilarityLoss(PairwiseLoss):
    """Multi-similarity loss over the batch: only hard pairs count, and the harder the more.

    `1/α · log(1 + Σ_p exp(−α (s_p − λ))) + 1/β · log(1 + Σ_n exp(β (s_n − λ)))` for each sample, with its cosine
    similarities s_p to the others of the same identity and s_n to those of other identities. Only the hard pairs are
    summed over: positives with `s_p < max s_n + ε`, and negatives with `s_n > min s_p − ε`. Computed in float32.

    A sample without another image of its identity, without a negative, or whose positives are all more similar than its
    negatives by ε or more, has a loss of 0.

    Args:
        alpha: Factor α on the similarities of positives, above 0. Defaults to 2.
        beta: Factor β on the similarities of negatives, above 0. Defaults to 50.
        base: Similarity λ below which positives, and above which negatives, count most. Defaults to 0.5.
        epsilon: Margin ε by which a pair may be easier than the hardest of the other kind, in units of the similarity,
            not negative; above 2 every pair counts. Defaults to 0.1.
        reduction: As in `keras.losses.Loss`; the default is the mean over the batch.

    Call arguments:
        y_true: Identities `(batch,)` or `(batch, 1)`; draw several images of each identity into a batch.
        y_pred: Features `(batch, dim)`; normalised inside.

    Raises:
        ValueError: if `alpha` or `beta` is not positive, `epsilon` is negative, `y_pred` is not a matrix, or a label is
            no whole number (in a compiled step its sample's loss is NaN).

    Example:
        >>> loss = keras_reid.losses.MultiSimilarityLoss()
        >>> features = keras.ops.array([[1.0, 0], [0.6, 0.8], [0, 1]])
        >>> round(float(loss([0, 0, 1], features)), 4)
        0.1997

    Source: Wang et al., "Multi-similarity loss with general pair weighting for deep metric learning", CVPR 2019. The
    formula and the defaults are those of pytorch-metric-learning's `MultiSimilarityLoss` after its
    `MultiSimilarityMiner`. The paper has λ = 1, its authors' code λ = 0.5; both take the mean over the whole batch, as
    here, where pytorch-metric-learning leaves samples without a mined pair out of the mean.
    """

    def __init__(
        self,
        alpha: float = 2.0,
        beta: float = 50.0,
        base: float = 0.5,
        epsilon: float = 0.1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "multi_similarity_loss",
        dtype: str | keras.DTypePolicy | None = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        for argument, value in (("alpha", alpha), ("beta", beta)):
            if not value > 0:
                raise ValueError(
                    f"`{argument}` of MultiSimilarityLoss must be positive. Received: {argument}={value}"
                )
        if not epsilon >= 0:
            raise ValueError(
                "`epsilon` of MultiSimilarityLoss must not be negative; above 2 every pair counts. "
                f"Received: epsilon={epsilon}"
            )
        self.alpha, self.beta = float(alpha), float(beta)
        self.base, self.epsilon = float(base), float(epsilon)

    def of_pairs(self, similarities: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
        constant = ops.stop_gradient(similarities)
        least_positive = ops.min(ops.where(positives, constant, -NEVER), axis=1, keepdims=True)
        largest_negative = ops.max(ops.where(negatives, constant, NEVER), axis=1, keepdims=True)
        mined_positives = ops.logical_and(positives, constant < largest_negative + self.epsilon)
        mined_negatives = ops.logical_and(negatives, constant > least_positive - self.epsilon)
        positive = ops.where(mined_positives, -self.alpha * (similarities - self.base), NEVER)
        negative = ops.where(mined_negatives, self.beta * (similarities - self.base), NEVER)
        return (
            ops.softplus(ops.logsumexp(positive, axis=1)) / self.alpha
            + ops.softplus(ops.logsumexp(negative, axis=1)) / self.beta
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "alpha": self.alpha,
            "beta": self.beta,
            "base": self.base,
            "epsilon": self.epsilon,
        }
