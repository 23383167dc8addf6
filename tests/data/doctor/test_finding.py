from pathlib import Path

import pytest

from keras_reid.data.doctor.finding import Finding, Picture, by_severity


def test_a_case_is_listed_whole_or_by_its_first():
    cases = ((Picture("a.jpg"), Picture("b.jpg")), (Picture("c.jpg"), Picture("d.jpg")))
    assert Finding("t", "note", "s", cases).paths() == ["a.jpg", "c.jpg"]
    assert Finding("t", "note", "s", cases, whole=True).paths() == [["a.jpg", "b.jpg"], ["c.jpg", "d.jpg"]]
    assert Finding("t", "note", "s").paths() == []


def test_paths_are_texts():
    assert Picture(Path("a") / "b.jpg").path == "a/b.jpg"


def test_the_worst_come_first():
    findings = [
        Finding(str(place), severity, "s")
        for place, severity in enumerate(("note", "error", "warning", "error"))
    ]
    assert [finding.title for finding in by_severity(findings)] == ["1", "3", "2", "0"]


def test_an_unknown_severity_is_refused():
    with pytest.raises(ValueError, match=r"must be one of error, warning, note\. Received: 'bad'"):
        Finding("t", "bad", "s")
