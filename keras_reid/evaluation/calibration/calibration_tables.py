"""A calibration on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich.console
import rich.table

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
    similarity = f" (cosine similarity above {1 - calibration.threshold:.4f})" if cosine else ""
    console.print(
        f"threshold: accept a distance below {calibration.threshold:.4f}{similarity}, at a false-positive rate of "
        f"{calibration.false_positive_rate:g}",
        soft_wrap=True,
    )
