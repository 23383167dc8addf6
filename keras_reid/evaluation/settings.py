"""How a model is evaluated, and which settings go together: the only place with these rules."""

import dataclasses
from collections.abc import Callable
from typing import Any

from keras_reid.evaluation.distances import METRICS
from keras_reid.evaluation.exact import LEAST_MEMORY
from keras_reid.evaluation.ground_truth import PROTOCOLS
from keras_reid.utils.errors import UserError


@dataclasses.dataclass(frozen=True)
class EvaluationSettings:
    """What is measured on a test set, and how. Checked when it is made.

    Args:
        metric: distance between embeddings, `"cosine"` or `"euclidean"`; or `"dsr"`, which also compares local features
            of the 100 nearest gallery images (see `dsr_distance`).
        flip: average the embeddings of each image and its mirror image.
        protocol: `"cross_camera"`, `"all"` or `"leave_one_out"`; None for the data set's own.
        roc: also measure verification: TPR@FPR, AUC and EER over all pairs.
        per_camera: also measure each pair of a query's and a gallery's camera.
        single_shot: evaluate on a gallery with one image of each identity, drawn this many times; None for the whole
            gallery.
        open_set: also test with this share of the gallery's identities taken out, above 0 and below 1; None for no
            such test.
        memory: bytes for ranking, in addition to the embeddings, at least 64 MiB; None for 1.5 GiB.
        remove_camera_bias: standardise the embeddings of each camera by its own mean and deviation.
        query_expansion: replace each query by the mean of itself and this many gallery images; None for no expansion.
        rerank: re-rank by k-reciprocal neighbours.
        dsr_lambda: share of DSR in the sum with the cosine distance, 0 … 1. Only for the metric `"dsr"`, which needs it
            to run.
        recall: also report Recall@K for these K.
        batch_size: images in a batch.
        named: how an error names a field to the user, such as `"--per-camera"` for `per_camera`; None for its own name.
            Not part of the settings.

    Raises:
        UserError: a value is out of its range, or two settings do not go together.

    Example:
        >>> settings = EvaluationSettings(metric="euclidean", recall=(1, 10))
        >>> EvaluationSettings(rerank=True, single_shot=10)
        Traceback (most recent call last):
        keras_reid.utils.errors.UserError: rerank is for the whole gallery: leave out either rerank or single_shot
    """

    metric: str = "cosine"
    flip: bool = False
    protocol: str | None = None
    roc: bool = False
    per_camera: bool = False
    single_shot: int | None = None
    open_set: float | None = None
    memory: int | None = None
    remove_camera_bias: bool = False
    query_expansion: int | None = None
    rerank: bool = False
    dsr_lambda: float | None = None
    recall: tuple[int, ...] = ()
    batch_size: int = 128
    named: dataclasses.InitVar[Callable[[str], str] | None] = None

    def __post_init__(self, named):
        name = named or str
        self._check_ranges(name)
        self._check_together(name)

    def to_dict(self) -> dict[str, Any]:
        """The settings that the metrics depend on, as plain values, for JSON."""
        values = dataclasses.asdict(self)
        del values["batch_size"], values["recall"]
        if self.metric != "dsr":
            del values["dsr_lambda"]
        return values

    def _check_ranges(self, name):
        def refuse(field, rule, received):
            raise UserError(f"{name(field)} {rule}. Received: {received}")

        if self.metric not in (*METRICS, "dsr"):
            refuse("metric", f"must be one of {', '.join(METRICS)}, dsr", repr(self.metric))
        if self.protocol not in (None, *PROTOCOLS):
            refuse("protocol", f"must be one of {', '.join(PROTOCOLS)}", repr(self.protocol))
        if self.single_shot is not None and self.single_shot < 1:
            refuse("single_shot", "is a number of draws and must be at least 1", self.single_shot)
        if self.open_set is not None and not 0 < self.open_set < 1:
            refuse("open_set", "must lie between 0 and 1", self.open_set)
        if self.memory is not None and self.memory < LEAST_MEMORY:
            refuse("memory", "must be at least 64MiB", f"{self.memory / 1e6:g} MB")
        if self.query_expansion is not None and self.query_expansion < 1:
            refuse("query_expansion", "takes one number of gallery images, at least 1", self.query_expansion)
        if self.dsr_lambda is not None and not 0 <= self.dsr_lambda <= 1:
            refuse("dsr_lambda", "must be from 0 to 1", self.dsr_lambda)
        if min(self.recall, default=1) < 1:
            refuse("recall", "takes numbers of images, at least 1", " ".join(map(str, self.recall)))
        if self.batch_size < 1:
            refuse("batch_size", "must be at least 1", self.batch_size)

    def _check_together(self, name):
        dsr = f"{name('metric')} dsr"
        if self.metric != "dsr" and self.dsr_lambda is not None:
            raise UserError(f"{name('dsr_lambda')} is for {dsr}. Received: {self.metric}")
        if self.metric == "dsr":
            if self.rerank:
                raise UserError(
                    f"{name('rerank')} is for distances of embeddings: use {name('metric')} cosine or euclidean with "
                    "it, not dsr"
                )
            for field in ("flip", "remove_camera_bias"):
                if getattr(self, field):
                    raise UserError(
                        f"{name(field)} is for embeddings, not for feature maps: leave it out with {dsr}"
                    )
        if self.single_shot:
            whole = {
                name("roc"): self.roc,
                name("rerank"): self.rerank,
                dsr: self.metric == "dsr",
            }
            for setting, given in whole.items():
                if given:
                    raise UserError(
                        f"{setting} is for the whole gallery: leave out either {setting} or {name('single_shot')}"
                    )
        if self.rerank or self.query_expansion or self.metric == "dsr":
            for field in ("per_camera", "open_set"):
                if getattr(self, field):
                    raise UserError(
                        f"{name(field)} is for the distances of embeddings as they are: leave out {name('rerank')}, "
                        f"{name('query_expansion')} and {dsr} with it"
                    )
