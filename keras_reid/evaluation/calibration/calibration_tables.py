"""A calibration on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import rich.console
import rich.table
import rich.text

CAMERA_COLUMNS = ("cameras", "distance below", "false positives, %, 90 % sure", "identities", "pairs")
_MOST_ROWS = 10

if TYPE_CHECKING:
    from rich.console import Console

    from keras_reid.evaluation.calibration.calibration import Calibration


def print_calibration(calibration: Calibration, console: Console | None = None) -> None:
    """Prints the operating points with their thresholds, the chosen one, and the reliability.

    Args:
        calibration: `Calibration`.
        console: a `rich.console.Console`; None prints to standard output.
    """
    console = console or rich.console.Console()
    cosine = calibration.metric == "cosine"
    fitted = calibration.fitted_on
    points = rich.table.Table(title="same or not", title_justify="left")
    for column in (
        "operating point",
        "percent",
        "distance below",
        *(["cosine similarity above"] if cosine else []),
    ):
        points.add_column(column, justify="left" if column == "operating point" else "right")
    for name, rate in calibration.operating_points.items():
        threshold = calibration.thresholds[name]
        similarity = [f"{1 - threshold:.4f}"] if cosine else []
        points.add_row(name.upper(), f"{100 * rate:.2f}", f"{threshold:.4f}", *similarity)
    console.print(points)
    bins = rich.table.Table(title="reliability, of identities that were not fitted on", title_justify="left")
    for column in ("probability", "predicted", "observed", "half to half", "pairs"):
        bins.add_column(column, justify="right")
    for row in calibration.reliability:
        rates = (f"{100 * row[name]:.1f}" for name in ("predicted", "observed"))
        span = f"{row['lower']:.1f} – {row['upper']:.1f}"
        bins.add_row(span, *rates, f"± {100 * row['deviation']:.1f}", f"{row['pairs']}")
    console.print(bins)
    console.print(
        f"{fitted['identities']} identities, {fitted['same_pairs']} same pairs among {fitted['pairs']}; probabilities "
        f"are for a prior of {calibration.prior:.3g}",
        soft_wrap=True,
    )
    if calibration.cameras:
        _print_cameras(calibration, console)
    similarity = f" (cosine similarity above {1 - calibration.threshold:.4f})" if cosine else ""
    console.print(
        f"threshold: accept a distance below {calibration.threshold:.4f}{similarity}, at a false-positive rate of "
        f"{calibration.false_positive_rate:g}",
        soft_wrap=True,
    )


def camera_rows(cameras: Mapping[str, Any], common: float) -> list[tuple[str, ...]]:
    """The ten pairs of cameras whose thresholds lie farthest from the common one, in words, as `CAMERA_COLUMNS`.

    Args:
        cameras: `Calibration.cameras`.
        common: threshold over all pairs of cameras.
    """
    pairs = sorted(cameras["pairs"], key=lambda row: -abs(row["threshold"] - common))
    return [
        (
            " – ".join(row["cameras"]),
            f"{row['threshold']:.4f}",
            " – ".join(f"{100 * rate:.3g}" for rate in row["false_positive_rate"] or ()) or "too few pairs",
            f"{row['identities']}",
            f"{row['pairs']}",
        )
        for row in pairs[:_MOST_ROWS]
    ]


def _print_cameras(calibration, console):
    pairs = len(calibration.cameras["pairs"])
    title = "thresholds by pair of cameras"
    if pairs > _MOST_ROWS:
        title += f": the {_MOST_ROWS} of {pairs} that are farthest from the common one"
    shown = rich.table.Table(title=title, title_justify="left")
    for column in CAMERA_COLUMNS:
        shown.add_column(column, justify="left" if column == CAMERA_COLUMNS[0] else "right")
    for row in camera_rows(calibration.cameras, calibration.threshold):
        shown.add_row(*map(rich.text.Text, row))  # brackets in a name are no markup
    console.print(shown)
    other = calibration.cameras["other"]
    console.print(
        f"any other camera: accept a distance below {other:.4f}, which is conservative", soft_wrap=True
    )
