import re

import jinja2
import pytest
from PIL import Image

from keras_reid.visualization.page import (
    Section,
    notes,
    page_header,
    picture_source,
    render,
    table,
    write_page,
)
from tests.visualization.test_report import Page

EVIL = "<script>alert(\"1\")</script> & 'more'"


def test_whatever_text_goes_in_is_escaped(tmp_path):
    cells = table((EVIL, EVIL), [(EVIL, EVIL)])
    header = page_header(EVIL, EVIL, [(EVIL, 0.5)], EVIL, [(EVIL, EVIL)])
    write_page(tmp_path / "a.html", EVIL, header, [Section(EVIL, notes(EVIL) + cells, 'x" onload="y')])
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert "script" not in page.tags
    assert not re.search(r"\sonload=", re.sub(r'"[^"]*"', "", text))
    # Title twice, purpose, name and note of the number, fact and its name, link, heading, note, four cells.
    assert page.text.count(EVIL) == 14


def test_sections_with_an_anchor_are_linked(tmp_path):
    sections = [
        Section("one", notes("a"), "first"),
        Section("two", notes("b")),
        Section("three", notes("c"), "third"),
    ]
    write_page(tmp_path / "a.html", "t", page_header("t"), sections)
    page = Page((tmp_path / "a.html").read_text())
    assert page.links == ["#first", "#third"] == page.targets
    write_page(tmp_path / "b.html", "t", page_header("t"), sections[1:2])
    assert "nav" not in Page((tmp_path / "b.html").read_text()).tags


def test_a_value_that_a_template_lacks_is_an_error():
    with pytest.raises(jinja2.UndefinedError, match="'notes' is undefined"):
        render("notes")


def test_pictures_are_inside_the_page():
    assert picture_source(Image.new("RGB", (4, 4))).startswith("data:image/jpeg;base64,/9j/")
