"""How an experiment's model is tested, during and after training."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.evaluation import EvaluationSettings


@dataclass(frozen=True)
class Evaluation:
    """How it is tested, during and after training."""

    every: int = 10
    """epochs between evaluations; 0 evaluates at the end only, which always happens"""
    metric: Literal["cosine", "euclidean", "dsr"] = "cosine"
    """distance between embeddings; or dsr, for partial images, which also compares local features. During training dsr
    compares the embeddings alone, by their cosine"""
    dsr_validation: Any = None
    """with dsr: reader of the set on which its share in the sum with cosine is chosen after the training. It must be
    neither tested nor trained on, with queries as partial as those of the test; such as PartialQueries() of a test
    part"""
    dsr_lambda: float | None = None
    """with dsr: its share, 0 to 1, if it is not to be chosen"""
    batch_size: int = 128
    """images in a batch"""
    flip: bool = False
    """average the embeddings of an image and its mirror image"""
    recall: tuple[int, ...] = ()
    """also report image retrieval's Recall@K for these K at the end"""
    projector_images: int = 500
    """test images in TensorBoard's embedding projector; 0 writes no projector"""

    @property
    def embedding_metric(self) -> Literal["cosine", "euclidean"]:
        """The distance between embeddings; the metric dsr needs one too."""
        return "cosine" if self.metric == "dsr" else self.metric

    def settings(self) -> "EvaluationSettings":
        """The `EvaluationSettings` of the final test.

        Raises:
            UserError: naming the field, by the rules that stand there.
        """
        from keras_reid.evaluation import EvaluationSettings  # NumPy and tables, which --help does without

        return EvaluationSettings(
            metric=self.metric,
            flip=self.flip,
            dsr_lambda=self.dsr_lambda,
            recall=self.recall,
            batch_size=self.batch_size,
            named="evaluation.{}".format,
        )

    def embedding_settings(self) -> "EvaluationSettings":
        """The same for embeddings alone; a run with dsr reports these metrics as well."""
        return replace(self.settings(), metric=self.embedding_metric, dsr_lambda=None)


def check_evaluation(evaluation: Evaluation, tested: Sequence[Any]) -> None:
    """Refuses settings that do not go together, and a share of DSR that is missing or chosen on the test.

    Args:
        evaluation: `Experiment.evaluation`.
        tested: readers of the test sets.

    Raises:
        UserError: naming the field.
    """
    given = [name for name in ("dsr_lambda", "dsr_validation") if getattr(evaluation, name) is not None]
    if evaluation.metric == "dsr" and len(given) != 1:
        raise UserError(
            "evaluation.metric dsr needs either evaluation.dsr_validation, a data set on which its share is chosen, or "
            f"evaluation.dsr_lambda, the share. Received: {' and '.join(given) or 'neither'}"
        )
    if evaluation.metric != "dsr" and given:
        raise UserError(f"evaluation.{given[0]} is for evaluation.metric dsr. Received: {evaluation.metric}")
    evaluation.settings()
    if given == ["dsr_validation"] and evaluation.dsr_validation in tested:
        raise UserError(
            "evaluation.dsr_validation is also tested on, and the share of dsr must not be chosen on the test: name "
            "another set"
        )


def cosine_entry(name: str) -> str:
    """The name under which `metrics.json` holds the metrics of embeddings alone, if the metric is DSR."""
    return f"{name} (cosine)"
