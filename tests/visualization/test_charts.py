import re

import numpy as np
import pytest

from keras_reid.evaluation import Features, evaluate
from keras_reid.visualization.axis import Axis
from keras_reid.visualization.chart import Line, chart
from keras_reid.visualization.retrieval_charts import (
    cmc_chart,
    distance_chart,
    reliability_chart,
    roc_chart,
    roc_points,
)
from keras_reid.visualization.training_charts import compare_training, read_log, training_charts


def curves_in(figure):
    """Name → points of each coloured line, and the number of its colour."""
    found = re.findall(
        r'<polyline class="curve" style="stroke:var\(--c(\d)\)[^"]*" points="([^"]*)"><title>([^<]*)', figure
    )
    return {
        name: ([tuple(map(float, point.split(","))) for point in points.split()], int(color))
        for color, points, name in found
    }


@pytest.mark.parametrize(
    ("axis", "ticks"),
    [
        (Axis("x", 0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (Axis("x", 1, 4), [1, 2, 3, 4]),
        (Axis("x", 1, 3, whole=True), [1, 2, 3]),
        (Axis("x", 1, 50, whole=True), [1, 10, 20, 30, 40, 50]),
        (Axis("x", 1, 3), [1, 1.5, 2, 2.5, 3]),
        (Axis("x", 1e-4, 1, logarithmic=True), [1e-4, 1e-3, 1e-2, 1e-1, 1]),
        (Axis("x", 0.1, 1, logarithmic=True), [0.1, 0.2, 0.5, 1]),
    ],
)
def test_ticks_are_round_and_inside(axis, ticks):
    assert axis.ticks() == pytest.approx(ticks)
    assert axis.place(ticks[0]) == 0
    assert axis.place(ticks[-1]) == pytest.approx(1)
    assert axis.place(100) == 1


def test_places_and_texts():
    assert Axis("x", 1e-4, 1, logarithmic=True).place(1e-2) == pytest.approx(0.5)
    assert Axis("x", 1e-4, 1, logarithmic=True).place(0) == 0
    assert Axis("x", 0, 1, percent=True).text(0.255) == "25.5"
    assert [Axis("x", 1e-4, 1, logarithmic=True).text(value) for value in (1e-4, 2e-3, 0.1)] == [
        "10⁻⁴",
        "0.002",
        "0.1",
    ]
    assert [Axis("x", 0, 1).text(value) for value in (0, 0.5, 1e-4, 2e6)] == ["0", "0.5", "1e-4", "2e6"]


def test_an_axis_around_values():
    axis = Axis.around("x", [0.31, 0.94])
    assert axis.low == pytest.approx(0.2)
    assert axis.high == pytest.approx(1.0)
    assert Axis.around("x", [0.31, 0.94], from_zero=True).low == 0
    assert not axis.logarithmic
    assert Axis.around("x", [0.01, 5]).logarithmic
    assert not Axis.around("x", [0.01, 5], linear=True).logarithmic
    assert Axis.around("x", [3, 3]).low < 3 < Axis.around("x", [3, 3]).high


def test_lines_marks_and_legend():
    x, y = Axis("x", 0, 1), Axis("y", 0, 1)
    lines = [Line(f"line <{number}>", ((0, 0), (1, number / 7))) for number in range(8)]
    figure = chart("a & b", [*lines, Line("guide", ((0, 0), (1, 1)), faint=True)], x, y, [(0.5, "here")])
    curves = curves_in(figure)
    assert [color for _, color in curves.values()] == [0, 1, 2, 3, 4, 5, 0, 1]
    assert figure.count("stroke-dasharray") == 4  # the seventh and the eighth, each in the legend, too
    assert curves["line &lt;7&gt;"][0][1] == (506, 16)
    legend = figure.partition('class="legend"')[2].partition("</div>")[0]
    assert legend.count("<span>") == 8
    assert 'class="guide"' in figure
    assert ">here</text>" in figure
    assert 'class="mark" x1="279.0"' in figure
    assert "a &amp; b" in figure


def test_what_a_line_looks_like():
    x, y, points = Axis("x", 0, 1), Axis("y", 0, 1), ((0, 0.5), (1, 1))
    plain = chart("t", [Line("n", points)], x, y)
    assert "<polygon" not in plain
    assert "<circle" not in plain
    assert (
        "<span>" not in plain.partition('class="legend"')[2]
    )  # a single line without a number needs no legend
    assert "<polygon" in chart("t", [Line("n", points, filled=True)], x, y)
    assert chart("t", [Line("n", points, dotted=True)], x, y).count("<circle") == 2
    assert chart("t", [Line("n", points[:1])], x, y).count("<circle") == 1
    assert "<b>97 %</b>" in chart("t", [Line("n", points, "97 %")], x, y)


def test_cmc_maps_the_curve():
    curves = curves_in(cmc_chart({"low": np.linspace(0.2, 1, 50), "high": np.ones(50)}))
    (low, _), (high, _) = curves["low"], curves["high"]
    assert len(low) == 50
    assert low[0][1] > low[1][1] > low[-1][1] == high[0][1]
    assert low[0][0] < low[1][0]
    assert "nan" not in cmc_chart({"single": np.array([1.0])})


@pytest.fixture(scope="module")
def roc():
    rng = np.random.default_rng(0)
    identities = np.arange(60) % 10
    embeddings = np.eye(10)[identities] + rng.normal(0, 0.4, (60, 10))
    features = Features(embeddings, identities, np.zeros(60, int))
    return evaluate(features[:20], features[20:], protocol="all", roc=True).roc


def test_roc_is_never_too_high(roc):
    points = roc_points(roc)
    assert points["fpr"][0] == pytest.approx(1 / roc.num_negative_pairs)
    assert points["fpr"][-1] == 1
    for rate, share in zip(points["fpr"], points["tpr"], strict=True):
        assert share == roc.tpr_at(rate * (1 + 1e-9) if rate < 1 else 1)
    ((drawn, _),) = curves_in(roc_chart({"set": points})).values()
    heights = [height for _, height in drawn]
    assert heights == sorted(heights, reverse=True)
    assert drawn[-1] == (506, 16)


def test_both_kinds_of_pairs_are_seen(roc):
    figure = distance_chart(roc, "cosine", [(0.5, "threshold"), (99, "outside")])
    curves = curves_in(figure)
    assert list(curves) == ["same identity", "different identities"]
    # Each kind by its own share, though there are nine times as many different pairs.
    (same, _), (different, _) = curves.values()
    assert min(height for _, height in same) < 200
    assert min(height for _, height in different) < 200

    def mean(line):
        depths = [256 - height for _, height in line]
        return np.average([left for left, _ in line], weights=depths)

    assert mean(same) < mean(different) - 50
    assert "threshold" in figure
    assert "outside" not in figure
    assert f"{roc.num_negative_pairs:,} pairs" in figure
    assert "cosine distance" in figure
    assert "Euclidean distance" in distance_chart(roc, "euclidean")


def test_reliability_leaves_empty_bins_out():
    bins = [{"predicted": p, "observed": p, "pairs": n} for p, n in ((0.1, 5), (0.5, 0), (0.9, 7))]
    figure = reliability_chart(bins)
    assert figure.count("<circle") == 2
    assert 'class="guide"' in figure


LOG = [
    {"epoch": 1, "step": 2, "loss": 3.0, "triplet": 1.0, "accuracy": 0.1, "learning_rate": 1e-3, "seconds": 5.0},
    {"epoch": 2, "step": 4, "loss": 2.0, "triplet": 0.5, "accuracy": 0.6, "learning_rate": 5e-4, "a/b/mAP": 0.5,
     "a/b/rank1": 0.7, "a/b/mINP": 0.2},
]  # fmt: skip


def test_training_is_drawn():
    page = training_charts(LOG)
    assert page.count("<figure") == 4
    curves = curves_in(page)
    assert list(curves) == ["loss", "triplet", "a/b Rank-1", "a/b mAP", "accuracy", "learning rate"]
    assert len(curves["triplet"][0]) == 2
    assert len(curves["a/b mAP"][0]) == 1
    assert training_charts([{"epoch": 1, "loss": 2.0}]).count("<figure") == 1


def test_a_diverged_loss_is_left_out():
    curves = curves_in(training_charts([*LOG, {"epoch": 3, "loss": float("nan"), "triplet": float("inf")}]))
    assert len(curves["loss"][0]) == len(curves["triplet"][0]) == 2


def test_training_of_runs_is_compared():
    page = compare_training({"one": LOG, "two": LOG[:1], "none": []})
    assert page.count("<figure") == 2
    assert "mAP of a/b" in page
    assert compare_training({"none": []}) == ""


def test_the_log_ends_where_it_was_cut_off(tmp_path):
    file = tmp_path / "metrics.jsonl"
    assert read_log(file) == []
    file.write_text('{"epoch": 1}\n{"epoch": 2}\n{"epo')
    assert read_log(file) == [{"epoch": 1}, {"epoch": 2}]
