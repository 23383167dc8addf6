import shutil

import pytest

from keras_reid.data import ReIDDataset, Sample
from keras_reid.data.doctor import Finding, Picture, Subject, examine
from keras_reid.data.doctor.examination import LISTS, Examination
from tests.data.doctor.test_copies import image


@pytest.fixture
def subject(tmp_path):
    paths = [image(tmp_path / "a" / f"{place}.jpg", place) for place in range(8)]
    broken = tmp_path / "a" / "8.jpg"
    broken.write_bytes(b"\xff\xd8\xff and no more")
    paths.append(str(broken))
    paths.append(str(shutil.copyfile(paths[0], tmp_path / "a" / "9.jpg")))
    (tmp_path / "a" / "labels.txt").touch()
    dataset = ReIDDataset(
        "mine", [Sample(path, f"i{place // 2}", place % 2) for place, path in enumerate(paths)]
    )
    return Subject(dataset, (dataset,))


def test_everything_is_found_the_worst_first(subject):
    result = examine(subject, "mine")
    assert [(found.severity, found.lists[-1]) for found in result.findings] == [
        ("error", "unreadable"),
        ("error", "conflicting_labels"),
        ("note", "passed_over"),
    ]
    assert (result.severity, result.is_clean(), len(result.paths)) == ("error", False, 9)
    written = result.to_dict()
    assert set(LISTS) < set(written)
    folder = subject.train.train[0].path.rpartition("/")[0]
    assert written["duplicates"] == written["conflicting_labels"] == [[f"{folder}/0.jpg", f"{folder}/9.jpg"]]
    assert written["unreadable"] == [f"{folder}/8.jpg"]
    assert written["passed_over"] == [f"{folder}/labels.txt"]
    assert written["suspect_identities"] == []
    assert written["counts"][0]["images"] == 10
    assert written["findings"][0]["sentence"].startswith("1 of 10 images cannot be read, such as ")
    assert "8.jpg: truncated or damaged" in written["findings"][0]["sentence"]


def test_every_list_of_a_finding_is_in_the_file(subject):
    for found in examine(subject, "mine").findings:
        assert set(found.lists) <= set(LISTS)


def test_verdict():
    def verdict(*severities):
        findings = [Finding("t", severity, "s") for severity in severities]
        result = Examination("x", [], findings, [])
        return result.severity, result.is_clean()

    assert verdict() == (None, True)
    assert verdict("note") == ("note", True)
    assert verdict("warning", "note") == ("warning", False)


def test_findings_are_added():
    more = Examination("x", [], [Finding("n", "note", "s")], []).with_findings(
        [Finding("w", "warning", "s", ((Picture("a"),),), ("suspect_identities",))]
    )
    assert [found.title for found in more.findings] == ["w", "n"]
    assert more.to_dict()["suspect_identities"] == ["a"]
