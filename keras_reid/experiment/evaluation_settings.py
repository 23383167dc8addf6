"""How a model is tested, and which of these settings go together."""

from dataclasses import dataclass
from typing import Any, Literal

from keras_reid.utils.errors import UserError


@dataclass(frozen=True)
class Evaluation:
    """How it is tested, during and after training."""

    every: int = 10
    """epochs between evaluations; 0 evaluates at the end only, which always happens"""
    metric: Literal["cosine", "euclidean", "dsr"] = "cosine"
    """distance between embeddings; or dsr, for partial images: local features are compared as well, but during training
    the embeddings alone, by their cosine"""
    dsr_validation: Any = None
    """with dsr: reader of a set on which its share beside cosine is chosen when the training is done: neither tested on
    nor trained on, with queries as partial as those of the test; such as PartialQueries() of a test part"""
    dsr_lambda: float | None = None
    """with dsr: its share, 0 to 1, where none is to be chosen"""
    batch_size: int = 128
    """images"""
    flip: bool = False
    """average the embeddings of an image and its mirror image"""
    recall: tuple[int, ...] = ()
    """image retrieval's Recall@K for these K, also in the results at the end"""
    projector_images: int = 500
    """test images in TensorBoard's embedding projector; 0 for none"""

    @property
    def embedding_metric(self):
        """The distance of embeddings, which dsr needs too."""
        return "cosine" if self.metric == "dsr" else self.metric


def check_dsr(evaluation, tested):
    """Refuses settings of DSR that say nothing, contradict one another, or choose its share on the test.

    Args:
        evaluation: `Experiment.evaluation`.
        tested: readers of the test sets.

    Raises:
        UserError: naming the field.
    """
    given = [name for name in ("dsr_lambda", "dsr_validation") if getattr(evaluation, name) is not None]
    if evaluation.metric != "dsr":
        if given:
            raise UserError(
                f"evaluation.{given[0]} is for evaluation.metric dsr. Received: {evaluation.metric}"
            )
        return
    if len(given) != 1:
        raise UserError(
            "evaluation.metric dsr needs either evaluation.dsr_validation, a data set on which its share is chosen, or "
            f"evaluation.dsr_lambda, the share. Received: {' and '.join(given) or 'neither'}"
        )
    if evaluation.dsr_lambda is not None and not 0 <= evaluation.dsr_lambda <= 1:
        raise UserError(f"evaluation.dsr_lambda must be from 0 to 1. Received: {evaluation.dsr_lambda}")
    if evaluation.flip:
        raise UserError("evaluation.flip is for embeddings, not for local features: leave it out with dsr")
    if given == ["dsr_validation"] and evaluation.dsr_validation in tested:
        raise UserError(
            "evaluation.dsr_validation is also tested on, and the share of dsr must not be chosen on the test: name "
            "another set"
        )


def cosine_entry(name):
    """Under which name `metrics.json` holds the metrics of the embeddings alone, where the metric is DSR."""
    return f"{name} (cosine)"
