"""Curves of retrieval and verification: CMC, ROC, distances of pairs, calibration."""

import math

import numpy as np

from keras_reid.evaluation.roc import FALSE_POSITIVE_RATES
from keras_reid.visualization.axis import Axis
from keras_reid.visualization.chart import Chart, Line, Point
from keras_reid.visualization.chart_picture import draw_chart
from keras_reid.visualization.page import percent

_BINS = 80
_POINTS = 240  # of a ROC curve on the page
_LEAST_RATE = 1e-6
_FEW_PAIRS = 200  # a rate of fewer says little


def cmc_chart(curves, numbers=None):
    """Cumulative matching characteristics in one chart.

    Args:
        curves: name → `(ranks,)` fractions, from rank 1.
        numbers: name → number of its colour; None counts the curves.

    Returns:
        `Chart`.

    Example:
        >>> cmc_chart({"market": [0.5, 0.75, 1.0]}).lines[0].points
        ((1, 0.5), (2, 0.75), (3, 1.0))
    """
    lowest = min(curve[0] for curve in curves.values())
    last = max(2, *(len(curve) for curve in curves.values()))
    # The axis need not begin at zero: the steps between close curves are what the reader looks for.
    y = Axis.around("queries with a match among the first k", (min(lowest, 0.98), 1.0), percent=True)
    y = y if y.high == 1 else Axis(y.label, 0.0, 1.0, percent=True)
    lines = [
        Line(
            name,
            tuple(enumerate(map(float, curve), 1)),
            note=percent(curve[0]),
            number=numbers and numbers[name],
        )
        for name, curve in curves.items()
    ]
    return Chart("CMC", lines, Axis("rank k", 1, last, whole=True), y)


def roc_points(curve):
    """A few hundred points of a `RocCurve`, evenly spaced in the logarithm of the false-positive rate.

    The usual operating points (false-positive rates of 10⁻⁴, 10⁻³, 10⁻²) are among them, so that every place that
    names one gives the same number.

    Args:
        curve: a `RocCurve`.

    Returns:
        `{"fpr": [...], "tpr": [...]}`, JSON-able: each true-positive rate is that at the largest threshold with at
        most this false-positive rate, and never too high.
    """
    least = max(_LEAST_RATE, 1 / curve.num_negative_pairs)
    rates = np.geomspace(least, 1.0, _POINTS) if least < 1 else np.ones(1)
    rates = np.union1d(rates, [rate for rate in FALSE_POSITIVE_RATES if rate > least])
    return {"fpr": rates.tolist(), "tpr": [curve.tpr_at(min(rate * (1 + 1e-9), 1.0)) for rate in rates]}


def roc_chart(curves, numbers=None):
    """ROC curves in one chart, over the logarithm of the false-positive rate.

    Args:
        curves: name → what `roc_points` returns.
        numbers: name → number of its colour; None counts the curves.

    Returns:
        `Chart`.
    """
    least = min(min(points["fpr"]) for points in curves.values())
    low = 10.0 ** math.floor(math.log10(least) + 1e-9) if least < 1 else 0.1
    lines = [
        Line(
            name,
            tuple(zip(points["fpr"], points["tpr"], strict=True)),
            note=percent(_at(points, 1e-3), 2),
            number=numbers and numbers[name],
        )
        for name, points in curves.items()
    ]
    x = Axis("different pairs accepted (false-positive rate)", low, 1.0, logarithmic=True)
    y = Axis("same pairs accepted (in bold: at the rate 10⁻³)", 0.0, 1.0, percent=True)
    return Chart("ROC", lines, x, y)


def distance_chart(curve, metric, thresholds=()):
    """Distances of pairs of one identity and of different ones, each kind by its own share.

    Args:
        curve: a `RocCurve`.
        metric: `"cosine"` or `"euclidean"`.
        thresholds: `(distance, text)` pairs to mark.

    Returns:
        `Chart`.
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
    return Chart(
        "Distances of pairs",
        lines,
        x,
        y,
        tuple((value, text) for value, text in thresholds if low < value < high),
    )


def reliability_chart(reliability):
    """How often pairs are of one identity where the calibration says so with some probability.

    A point a bin, with a line of one standard deviation up and down and the number of its pairs; bins of fewer than 200
    pairs are hollow. On the diagonal as many pairs are the same as predicted.

    Args:
        reliability: list of dicts with `predicted` and `observed` fractions, `pairs` and, if known, `deviation`.

    Returns:
        `Chart`.
    """
    points = tuple(
        Point(
            float(bin["predicted"]),
            float(bin["observed"]),
            spread=float(bin.get("deviation", 0.0)),
            text=f"{bin['pairs']:,}",
            hollow=bin["pairs"] < _FEW_PAIRS,
        )
        for bin in reliability
        if bin["pairs"]
    )
    diagonal = Line("perfectly calibrated", ((0, 0), (1, 1)), faint=True)
    x = Axis("probability the calibration gives", 0.0, 1.0)
    y = Axis("pairs that are of one identity", 0.0, 1.0)
    return Chart("Reliability of the calibration", (diagonal,), x, y, points=points)


def draw_reliability(calibration, path):
    """Draws the reliability of a calibration, as `reliability_chart` shows it in a report.

    Args:
        calibration: `Calibration`.
        path: the picture to write; its ending (.png, .jpg, …) is its format.

    Example:
        >>> draw_reliability(calibration, "calibration.png")  # doctest: +SKIP
    """
    chart = reliability_chart(calibration.reliability)
    subtitle = (
        f"{chart.unit}, with the number of pairs and one standard deviation; "
        f"{calibration.fitted_on['identities']} identities in random halves, prior {calibration.prior:.3g}"
    )
    draw_chart(chart, path, size=(720, 620), subtitle=subtitle)


def _at(points, rate):
    fpr = np.asarray(points["fpr"])
    return points["tpr"][max(int(np.searchsorted(fpr, rate * (1 + 1e-6), side="right")) - 1, 0)]
