"""What a search in a store found, with verdicts: as records, as JSON, as a table."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import rich.console
import rich.table
import rich.text

from keras_reid.embedding.named_images import displayed
from keras_reid.gallery.protocol import Found
from keras_reid.gallery.shown_names import shown_identity, shown_text

if TYPE_CHECKING:
    from rich.console import Console

    from keras_reid.evaluation import Calibration


@dataclasses.dataclass(frozen=True)
class JudgedSighting:
    """A sighting that a search found, with the verdict on it.

    Args:
        found: the `Found`.
        probability: that it shows the same one as the query, 0 … 1; None without a calibration.
        verdict: `"same"`, `"different"`, `"unsure"`, or None.
        reason: what limits the verdict, in words, or None.
    """

    found: Found
    probability: float | None = None
    verdict: str | None = None
    reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        one = self.found
        return {
            "identity": one.name if one.name is not None else f"#{one.identity}",
            "camera": one.camera,
            "time": None if one.time is None else one.time.astimezone(datetime.UTC).isoformat(),
            "distance": one.distance,
            "probability": self.probability,
            "verdict": self.verdict,
            "reason": self.reason,
            "sighting": one.sighting,
            "source": one.source,
        }


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a search found for one image.

    Args:
        query: the image.
        results: nearest first.
    """

    query: str
    results: tuple[JudgedSighting, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"query": displayed(self.query), "results": [one.to_dict() for one in self.results]}


def with_verdicts(
    images: Sequence[str],
    lists: Sequence[Sequence[Found]],
    calibration: Calibration | None,
    prior: float | None = None,
    image_size: tuple[int, int] | None = None,
) -> list[Answer]:
    """Adds the verdicts of a calibration for cosine distances; without one they are None.

    Args:
        images: the queries' files.
        lists: what was found for each.
        calibration: of the store's model, or None.
        prior: as in `Calibration.probability`.
        image_size: (height, width) of the model. With it, the verdicts are `"unsure"` for a query that looks unlike the
            images of the calibration.
    """
    if calibration is not None and calibration.metric != "cosine":
        calibration = None
    unlike = [()] * len(images)
    if calibration is not None and calibration.domain is not None and image_size is not None:
        from keras_reid.evaluation.calibration import appearances

        outside = calibration.outside(appearances(images, image_size))
        unlike = [("the query",) if one else () for one in outside]

    def judged(found, outside):
        if calibration is None:
            return JudgedSighting(found)
        verdict = calibration.verdict(found.distance, prior, None, outside)
        return JudgedSighting(found, verdict.probability, verdict.verdict, verdict.reason)

    return [
        Answer(image, tuple(judged(one, outside) for one in found))
        for image, found, outside in zip(images, lists, unlike, strict=True)
    ]


def print_found(answer: Answer, console: Console | None = None) -> None:
    """Prints what was found for one image as a table.

    Args:
        answer: an `Answer`.
        console: a `rich.console.Console`; None prints to standard output.
    """
    console = console or rich.console.Console()
    judged = any(one.verdict for one in answer.results)
    table = rich.table.Table(title=rich.text.Text(f"query {displayed(answer.query)}"), title_justify="left")
    table.add_column("Rank", justify="right")
    for name in ("Identity", "Camera", "Time (UTC)"):
        table.add_column(name, overflow="fold")
    table.add_column("Distance", justify="right")
    if judged:
        table.add_column("Probability", justify="right")
        table.add_column("Verdict")
    for rank, one in enumerate(answer.results, 1):
        found = one.found
        time = "" if found.time is None else f"{found.time.astimezone(datetime.UTC):%Y-%m-%d %H:%M:%S}"
        verdict = [f"{one.probability:.4f}", one.verdict or ""] if judged else []
        table.add_row(
            str(rank),
            rich.text.Text(shown_identity(found.identity, found.name)),
            rich.text.Text(shown_text(found.camera or "")),
            time,
            f"{found.distance:.4f}",
            *verdict,
        )
    if not answer.results:
        table.caption = "the store holds no such sighting"
    console.print(table)
    for reason in dict.fromkeys(one.reason for one in answer.results if one.reason):
        console.print(f"unsure: {reason}", soft_wrap=True, markup=False)
