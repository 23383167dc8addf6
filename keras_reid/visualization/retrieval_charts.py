"""Curves of retrieval and verification: CMC, ROC, distances of pairs, calibration."""

import math

import numpy as np

from keras_reid.visualization.axis import Axis
from keras_reid.visualization.chart import Line, chart
from keras_reid.visualization.markup import percent

_BINS = 80
_POINTS = 240  # of a ROC curve on the page
_LEAST_RATE = 1e-6


def cmc_chart(curves):
    """Cumulative matching characteristics in one chart.

    Args:
        curves: name → `(ranks,)` fractions, from rank 1.

    Returns:
        `Markup`.

    Example:
        >>> cmc_chart({"market": [0.5, 0.75, 1.0]}).startswith("<figure")
        True
    """
    lowest = min(curve[0] for curve in curves.values())
    last = max(2, *(len(curve) for curve in curves.values()))
    # The axis need not begin at zero: the steps between close curves are what the reader looks for.
    y = Axis.around("queries with a match among the first k", (min(lowest, 0.98), 1.0), percent=True)
    y = y if y.high == 1 else Axis(y.label, 0.0, 1.0, percent=True)
    lines = [
        Line(name, tuple(enumerate(map(float, curve), 1)), note=percent(curve[0]))
        for name, curve in curves.items()
    ]
    return chart("CMC", lines, Axis("rank k", 1, last, whole=True), y)


def roc_points(curve):
    """A few hundred points of a `RocCurve`, evenly spaced in the logarithm of the false-positive rate.

    Args:
        curve: a `RocCurve`.

    Returns:
        `{"fpr": [...], "tpr": [...]}`, JSON-able: each true-positive rate is that at the largest threshold with at
        most this false-positive rate, and never too high.
    """
    least = max(_LEAST_RATE, 1 / curve.num_negative_pairs)
    rates = np.geomspace(least, 1.0, _POINTS) if least < 1 else np.ones(1)
    return {"fpr": rates.tolist(), "tpr": [curve.tpr_at(min(rate * (1 + 1e-9), 1.0)) for rate in rates]}


def roc_chart(curves):
    """ROC curves in one chart, over the logarithm of the false-positive rate.

    Args:
        curves: name → what `roc_points` returns.

    Returns:
        `Markup`.
    """
    least = min(min(points["fpr"]) for points in curves.values())
    low = 10.0 ** math.floor(math.log10(least) + 1e-9) if least < 1 else 0.1
    lines = [
        Line(name, tuple(zip(points["fpr"], points["tpr"], strict=True)), note=percent(_at(points, 1e-3)))
        for name, points in curves.items()
    ]
    x = Axis("different pairs accepted (false-positive rate)", low, 1.0, logarithmic=True)
    y = Axis("same pairs accepted (in bold: at the rate 10⁻³)", 0.0, 1.0, percent=True)
    return chart("ROC", lines, x, y)


def distance_chart(curve, metric, thresholds=()):
    """Distances of pairs of one identity and of different ones, each kind by its own share.

    Args:
        curve: a `RocCurve`.
        metric: `"cosine"` or `"euclidean"`.
        thresholds: `(distance, text)` pairs to mark.

    Returns:
        `Markup`.
    """
    low, high = curve.thresholds[0], curve.thresholds[-1]
    edges = np.linspace(low, high, _BINS + 1)
    lines = []
    for name, rate, pairs in (
        ("same identity", curve.tpr, curve.num_positive_pairs),
        ("different identities", curve.fpr, curve.num_negative_pairs),
    ):
        # All pairs of a step lie just below its end.
        shares, _ = np.histogram(curve.thresholds[1:], edges, weights=np.diff(rate))
        corners = np.stack([np.repeat(edges, 2)[1:-1], np.repeat(shares, 2)], axis=1)
        lines.append(Line(name, tuple(map(tuple, corners.tolist())), f"{pairs:,} pairs", filled=True))
    highest = max(point[1] for line in lines for point in line.points)
    label = "cosine distance (1 − similarity)" if metric == "cosine" else "Euclidean distance"
    x, y = (
        Axis(label, float(low), float(high)),
        Axis.around("share of the pairs of each kind", (0, highest), percent=True),
    )
    y = Axis(y.label, 0.0, y.high if not y.logarithmic else highest, percent=True)
    return chart(
        "Distances of pairs", lines, x, y, [(value, text) for value, text in thresholds if low < value < high]
    )


def reliability_chart(reliability):
    """How often pairs are of one identity where the calibration says so with some probability.

    Args:
        reliability: list of dicts with `predicted` and `observed` fractions, and `pairs`.

    Returns:
        `Markup`.
    """
    points = tuple((float(bin["predicted"]), float(bin["observed"])) for bin in reliability if bin["pairs"])
    lines = [
        Line("perfectly calibrated", ((0, 0), (1, 1)), faint=True),
        Line("observed", points, dotted=True),
    ]
    x = Axis("probability the calibration gives", 0.0, 1.0)
    return chart("Reliability of the calibration", lines, x, Axis("pairs that are of one identity", 0.0, 1.0))


def _at(points, rate):
    fpr = np.asarray(points["fpr"])
    return points["tpr"][max(int(np.searchsorted(fpr, rate * (1 + 1e-6), side="right")) - 1, 0)]
