import numpy as np
import pytest

from keras_reid.evaluation import Features, evaluate
from keras_reid.visualization.axis import Axis
from keras_reid.visualization.chart import COLORS, Chart, Line, Point
from keras_reid.visualization.page import charts
from keras_reid.visualization.retrieval_charts import (
    cmc_chart,
    distance_chart,
    reliability_chart,
    roc_chart,
    roc_points,
)
from keras_reid.visualization.training_charts import compare_training, read_log, training_charts


def curves_in(chart):
    """Name → points of each coloured line, and the number of its colour."""
    return {shape.text: (shape.points, shape.number) for shape in chart.shapes() if shape.role == "curve"}


def texts_in(chart):
    return [shape.text for shape in chart.shapes() if shape.form == "text"]


def forms_in(chart, form):
    return [shape for shape in chart.shapes() if shape.form == form]


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
    texts = {
        0: "0",
        0.5: "0.5",
        1e-4: "1e-4",
        2.5e-5: "2.5e-5",
        20_000: "20 000",
        2e6: "2 000 000",
        2e8: "2e8",
    }
    assert [Axis("x", 0, 1).text(value) for value in texts] == list(texts.values())


def test_ticks_of_tiny_and_of_more_steps():
    assert Axis("x", 0, 1e-12).ticks() == pytest.approx(np.arange(6) * 2e-13)
    assert len(Axis("x", 0, 60, whole=True).ticks(12)) == 13


def test_an_axis_around_values():
    axis = Axis.around("x", [0.31, 0.94])
    assert axis.low == pytest.approx(0.2)
    assert axis.high == pytest.approx(1.0)
    assert Axis.around("x", [0.31, 0.94], from_zero=True).low == 0
    assert not axis.logarithmic
    assert Axis.around("x", [0.01, 5]).logarithmic
    assert not Axis.around("x", [0.01, 5], linear=True).logarithmic
    assert Axis.around("x", [3, 3]).low < 3 < Axis.around("x", [3, 3]).high


X, Y = Axis("x", 0, 1), Axis("y", 0, 1)


def test_lines_marks_and_legend():
    lines = [Line(f"line <{number}>", ((0, 0), (1, number / 7))) for number in range(8)]
    guide = Line("guide", ((0, 0), (1, 1)), faint=True)
    chart = Chart("a & b", (guide, *lines), X, Y, ((0.5, "here"),))
    curves = curves_in(chart)
    assert [number for _, number in curves.values()] == list(range(8))
    assert [line.name for _, line in chart.legend] == list(curves)
    (mark,) = (shape for shape in chart.shapes() if shape.role == "mark")
    assert [x for x, _ in mark.points] == [279, 279]
    top = curves["line <7>"][0][1][1]
    assert mark.points[0][1] < top < mark.points[1][1]
    (text,) = (shape for shape in chart.shapes() if shape.role == "strong")
    assert (text.text, text.points[0][0]) == ("here", 279)
    assert text.points[0][1] < top  # above the curves

    svg = charts([chart])
    assert svg.count("dashes1") == 4  # the seventh and the eighth, each in the legend, too
    for number in range(COLORS):
        assert f"--color:var(--c{number})" in svg
    assert (
        svg.count("--color:var(--c0)") == svg.count("--color:var(--c1)") == 4
    )  # also the seventh and the eighth
    assert "line &lt;7&gt;</title>" in svg
    assert svg.partition('class="legend"')[2].partition("</div>")[0].count("<span>") == 8
    assert 'class="guide"' in svg
    assert ">here</text>" in svg
    assert "a &amp; b" in svg


def test_what_a_line_looks_like():
    points = ((0, 0.5), (1, 1))
    plain = Chart("t", (Line("n", points),), X, Y)
    assert not forms_in(plain, "area")
    assert not forms_in(plain, "dot")
    assert plain.legend == []  # the title names a single line without a number
    assert len(forms_in(Chart("t", (Line("n", points, filled=True),), X, Y), "area")) == 1
    assert len(forms_in(Chart("t", (Line("n", points, dotted=True),), X, Y), "dot")) == 2
    assert len(forms_in(Chart("t", (Line("n", points[:1]),), X, Y), "dot")) == 1
    noted = Chart("t", (Line("n", points, "97 %"),), X, Y)
    assert noted.legend
    assert "<b>97 %</b>" in charts([noted])
    dashed = Chart("t", (Line("n", points, "97 %", dashed=True),), X, Y)
    assert charts([dashed]).count('class="dashed"') == 2  # also in the legend


def test_texts_of_close_marks_stand_in_rows():
    marks = ((0.5, "warm-up ends"), (0.51, "backbone learns"), (0.9, "at the end, long as it is"))
    chart = Chart("t", (Line("n", ((0, 1), (1, 1))),), X, Y, marks)
    first, second, third = (shape for shape in chart.shapes() if shape.role == "strong")
    assert first.points[0][1] < second.points[0][1]
    assert third.points[0][0] + 6 * len(third.text) <= 520
    plain = Chart("t", chart.lines, X, Y)
    assert curves_in(chart)["n"][0][0][1] - curves_in(plain)["n"][0][0][1] >= 30


def test_points_with_spread_and_text():
    points = (Point(0.2, 0.5, spread=0.1, text="12"), Point(1, 1, hollow=True, text="34"))
    chart = Chart("t", (), X, Y, points=points)
    full, hollow = forms_in(chart, "dot")
    assert (full.role, hollow.role) == ("dot", "ring")
    (spread,) = (shape for shape in chart.shapes() if shape.role == "spread")
    (left, low), (right, high) = spread.points
    assert left == right == full.points[0][0]
    assert (low + high) / 2 == pytest.approx(full.points[0][1], abs=0.1)
    beside = {shape.text: shape for shape in forms_in(chart, "text") if shape.text in ("12", "34")}
    assert beside["12"].anchor == "start"
    assert beside["34"].anchor == "end"  # there is no room to its right
    assert charts([chart]).count("<circle") == 2


def test_cmc_maps_the_curve():
    curves = curves_in(cmc_chart({"low": np.linspace(0.2, 1, 50), "high": np.ones(50)}))
    (low, _), (high, _) = curves["low"], curves["high"]
    assert len(low) == 50
    assert low[0][1] > low[1][1] > low[-1][1] == high[0][1]
    assert low[0][0] < low[1][0]
    assert "nan" not in charts([cmc_chart({"single": np.array([1.0])})])


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
    assert drawn[-1] == (506, 10)


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
    assert "threshold" in texts_in(figure)
    assert "outside" not in texts_in(figure)
    assert figure.legend[1][1].note == f"{roc.num_negative_pairs:,} pairs"
    assert figure.x.label.startswith("cosine distance")
    assert distance_chart(roc, "euclidean").x.label == "Euclidean distance"


def test_reliability_leaves_empty_bins_out():
    bins = [{"predicted": p, "observed": p, "pairs": n} for p, n in ((0.1, 199), (0.5, 0), (0.9, 200))]
    chart = reliability_chart(bins)
    assert [point.hollow for point in chart.points] == [True, False]
    assert [point.text for point in chart.points] == ["199", "200"]
    assert [shape.role for shape in forms_in(chart, "line")].count("guide") == 1
    assert [shape.role for shape in forms_in(chart, "line")].count("spread") == 0
    (one,) = reliability_chart([{**bins[0], "deviation": 0.03}]).points
    assert one.spread == 0.03


LOG = [
    {"epoch": 1, "step": 2, "loss": 3.0, "triplet": 1.0, "accuracy": 0.1, "learning_rate": 1e-3, "seconds": 5.0},
    {"epoch": 2, "step": 4, "loss": 2.0, "triplet": 0.5, "accuracy": 0.6, "learning_rate": 5e-4, "a/b/mAP": 0.5,
     "a/b/rank1": 0.7, "a/b/mINP": 0.2},
]  # fmt: skip


def curves_of_all(figures):
    return {name: curve for figure in figures for name, curve in curves_in(figure).items()}


def test_training_is_drawn():
    figures = training_charts(LOG)
    assert [figure.title for figure in figures] == ["Loss", "Retrieval", "Accuracy", "Learning rate"]
    curves = curves_of_all(figures)
    assert list(curves) == ["loss", "triplet", "a/b mAP", "a/b Rank-1", "accuracy", "learning rate"]
    assert len(curves["triplet"][0]) == 2
    assert len(curves["a/b mAP"][0]) == 1
    assert len(training_charts([{"epoch": 1, "loss": 2.0}])) == 1


def test_a_diverged_loss_is_left_out():
    curves = curves_of_all(
        training_charts([*LOG, {"epoch": 3, "loss": float("nan"), "triplet": float("inf")}])
    )
    assert len(curves["loss"][0]) == len(curves["triplet"][0]) == 2


def test_training_of_runs_is_compared():
    loss, retrieval = compare_training({"one": LOG, "two": LOG[:1], "none": []})
    assert list(curves_in(loss)) == ["one", "two"]
    assert retrieval.title == "mAP of a/b"
    assert compare_training({"none": []}) == []


def test_the_log_ends_where_it_was_cut_off(tmp_path):
    file = tmp_path / "metrics.jsonl"
    assert read_log(file) == []
    file.write_text('{"epoch": 1}\n{"epoch": 2}\n{"epo')
    assert read_log(file) == [{"epoch": 1}, {"epoch": 2}]
