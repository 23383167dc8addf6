import json
import re

import pytest

from keras_reid.visualization import write_comparison
from keras_reid.visualization.comparison import run_names
from tests.visualization.test_report import Page

METRICS = {"rank1": 0.9, "rank5": 0.95, "rank10": 0.97, "mAP": 0.8, "mINP": 0.5, "num_valid_queries": 30}
CURVES = {"cmc": [0.9, 1.0], "roc": {"fpr": [0.001, 1.0], "tpr": [0.6, 1.0]}}


@pytest.fixture
def make(tmp_path):
    def run(name, metrics, curves=None, margin=0.3, log=()):
        folder = tmp_path / name
        (folder / "report").mkdir(parents=True)
        (folder / "metrics.json").write_text(json.dumps(metrics))
        (folder / "experiment.json").write_text(json.dumps({"name": name, "losses": {"margin": margin}}))
        if curves:
            (folder / "report" / "curves.json").write_text(json.dumps(curves))
        (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
        return folder

    return run


def test_runs_side_by_side(make, tmp_path):
    log = [{"epoch": 1, "loss": 3.0, "market/mAP": 0.4}]
    runs = [
        make("bot <b>", {"market": METRICS, "duke": METRICS}, {"market": CURVES, "duke": CURVES}, log=log),
        make(
            "agw",
            {"market": {**METRICS, "mAP": 0.75, "rank1": 0.92}},
            {"market": {**CURVES, "roc": None}},
            0.5,
        ),
    ]
    path = write_comparison(runs, tmp_path / "comparison.html")
    text = path.read_text()
    page = Page(text)
    assert page.open == []
    assert page.links == page.targets
    assert not page.sources
    for said in (
        *("Comparison of bot <b> and agw", "agw − bot <b>", "+2.00", "−5.00", "Loss", "mAP of market"),
        *("agw: its report holds no ROC curve.", "losses.margin", "0.3", "0.5"),
        "No other of these runs was tested on it.",
    ):
        assert said in page.text
    assert "keras_reid.report" not in page.text  # nothing says that it would help
    assert '<td class="best">92.00</td>' in text
    assert '<td class="best">80.00</td>' in text
    alone = text.partition("<h2>duke</h2>")[2].partition("</section>")[0]
    assert "agw" not in alone  # it was not tested there
    assert "best" not in alone
    assert (
        text.count("<title>agw</title>") == 1
    )  # its CMC curve; it has no ROC, no log, and was not tested on duke


def test_a_run_has_one_colour_in_all_charts(make, tmp_path):
    log = [{"epoch": 1, "loss": 3.0, "duke/mAP": 0.4}]
    runs = [
        make("a", {"market": METRICS}, {"market": CURVES}),
        make("b", {"market": METRICS, "duke": METRICS}, {"market": CURVES, "duke": CURVES}, log=log),
        make("c", {"duke": METRICS}, {"duke": CURVES}, log=log),
    ]
    text = write_comparison(runs, tmp_path / "c.html").read_text()
    colours = re.findall(r'style="--color:var\(--c(\d)\)" points="[^"]*"><title>(\w)</title>', text)
    assert set(colours) == {("0", "a"), ("1", "b"), ("2", "c")}
    assert len(colours) == 12  # CMC and ROC of two runs in each of two sets, loss and mAP of two


def test_why_a_curve_is_missing_is_said_as_the_report_says_it(make, tmp_path):
    without = {
        **CURVES,
        "roc": None,
        "without_roc": "Too many pairs: keras-reid report RUN adds it.",
    }
    runs = [make("a", {"m": METRICS}, {"m": CURVES}), make("b", {"m": METRICS}, {"m": without})]
    page = Page(write_comparison(runs, tmp_path / "c.html").read_text())
    assert "b: Too many pairs: keras-reid report RUN adds it." in page.text


def test_the_same_settings(make, tmp_path):
    runs = [make(name, {"market": METRICS}, {"market": CURVES}) for name in "abc"]
    page = Page(write_comparison(runs, tmp_path / "c.html").read_text())
    assert "Comparison of 3 runs" in page.text
    assert "a, b, c" in page.text
    assert "All settings are the same." in page.text
    assert "no ROC curve" not in page.text


def test_runs_of_one_name_are_told_apart(tmp_path):
    assert run_names([tmp_path / "x" / "bot", tmp_path / "y" / "bot"]) == ["x/bot", "y/bot"]
    assert run_names([tmp_path / "x" / "bot", tmp_path / "y" / "agw"]) == ["bot", "agw"]
