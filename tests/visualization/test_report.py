import html.parser
import re

import numpy as np
import pytest

from keras_reid.visualization import ranked_lists, write_report
from keras_reid.visualization.cmc import cmc_chart

VOID = {"meta", "img", "line", "br"}


class Page(html.parser.HTMLParser):
    """Collects the text and checks that every element is closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.text, self.tags, self.links = [], "", [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data + " "


@pytest.fixture
def written(retrieval, tmp_path):
    path = write_report(
        tmp_path,
        "first <run> & $more",
        {"market": retrieval.result, "a<b": retrieval.result},
        {"name": "first", "note": "<script>alert(1)</script>"},
        {"keras": "3.15.1"},
        {"market": ranked_lists(*retrieval.arguments, num=2, top=4)},
    )
    assert path == tmp_path / "report" / "index.html"
    return path.read_text(encoding="utf-8")


def test_one_file_without_network(written):
    page = Page(written)
    assert page.open == []
    assert len(page.links) == 2 * (1 + 4)
    assert all(link.startswith("data:image/jpeg;base64,") for link in page.links)
    assert "script" not in page.tags
    assert not re.search(r"https?://|@import|url\(", written)
    assert "prefers-color-scheme: dark" in written


def test_says_everything(written, retrieval):
    page = Page(written)
    values = retrieval.result.to_dict()
    for key in ("rank1", "rank5", "rank10", "mAP", "mINP"):
        assert f"{100 * values[key]:.2f}" in page.text
    for text in (
        "first <run> & $more",
        "a<b",
        "<script>alert(1)</script>",
        "3.15.1",
        "AP ",
        "cam 0",
        "query",
    ):
        assert text in page.text
    assert written.count("class=right") + written.count("class=wrong") == 8


def test_ranked_lists_are_optional(retrieval, tmp_path):
    page = write_report(tmp_path, "x", {"market": retrieval.result}, {}, {}).read_text()
    assert "Ranked lists" not in page
    assert "CMC curve" in page


def test_chart_maps_the_curve():
    chart = cmc_chart({"low": np.linspace(0.2, 1, 50), "high": np.ones(50)})
    curves = re.findall(r'points="([^"]*)"><title>(\w+)', chart)
    assert [name for _, name in curves] == ["low", "high"]
    low, high = ([tuple(map(float, point.split(","))) for point in points.split()] for points, _ in curves)
    assert len(low) == 50
    assert low[0][1] > low[1][1] > low[-1][1] == high[0][1]
    assert low[0][0] < low[1][0]
    assert "var(--c0)" in chart
    assert "var(--c1)" in chart


def test_chart_of_one_rank():
    assert "nan" not in cmc_chart({"single": np.array([1.0])})
