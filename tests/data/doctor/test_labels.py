import pytest

from keras_reid.data import ReIDDataset, Sample
from keras_reid.data.doctor.labels import label_findings
from keras_reid.data.doctor.subject import Subject


def samples(table, prefix=""):
    """Identity → cameras, one image each."""
    return [
        Sample(f"{prefix}{identity}_{camera}_{number}.jpg", identity, camera)
        for identity, cameras in table.items()
        for number, camera in enumerate(cameras)
    ]


def found_in(query, gallery, protocol=None):
    dataset = ReIDDataset("mine", (), samples(query, "q"), samples(gallery, "g"), protocol)
    return label_findings(Subject(None, (dataset,)))


def trained(table):
    return label_findings(Subject(ReIDDataset("mine", samples(table))))


def test_nothing_is_said_of_good_data():
    assert trained({"a": [1, 2], "b": [1, 2, 2], "c": [3, 1]}) == []
    assert found_in({"a": [1], "b": [2]}, {"a": [2, 3], "b": [1], "x": [1]}) == []
    assert trained({"a": [None, None], "b": [None, None]}) == []


def test_identities_with_one_image():
    (found,) = trained({"a": [1, 2], "b": [2], "c": [1]})
    assert (found.severity, found.paths()) == ("warning", ["b_2_0.jpg", "c_1_0.jpg"])
    assert found.sentence.startswith("2 of 3 training identities of mine have one image, such as 'b'")


def test_a_camera_that_is_constant_within_identities():
    (found,) = trained({"a": [1, 1], "b": [2, 2]})
    assert found.severity == "warning"
    assert "nothing can be learned across cameras" in found.sentence
    (found,) = found_in({"a": [1], "b": [2]}, {"a": [1], "b": [2]}, "all")
    assert found.severity == "error"
    assert found.lists == ("single_camera_identities",)
    assert found.sentence == (
        "each of the 2 test identities of mine with several images was seen by one camera only, such as 'a' by camera "
        "1 (ga_1_0.jpg): an evaluation across cameras is impossible. If that is not a camera, say how to read it "
        "(`pattern` of Folder, column camera of CSV)"
    )


def test_one_camera_in_all_is_no_mistake_in_reading_it():
    assert trained({"a": [1, 1], "b": [1, 1]}) == []


def test_some_identities_of_one_camera_are_a_note():
    (found,) = trained({"a": [1, 1], "b": [1, 2]})
    assert (found.severity, found.title, found.paths()) == ("note", "Identities of one camera", ["a_1_0.jpg"])
    assert "they teach nothing across cameras" in found.sentence
    (found, note) = found_in({"a": [1], "b": [2]}, {"a": [2], "b": [2]}, "cross_camera")
    assert "under another camera, such as qb_2_0.jpg" in found.sentence
    assert "across cameras there is nothing to find" in note.sentence


@pytest.mark.parametrize(
    ("query", "gallery", "protocol", "vain"),
    [
        ({"a": [1], "b": [1]}, {"a": [2], "b": [1]}, "cross_camera", ["qb_1_0.jpg"]),
        ({"a": [1], "b": [1]}, {"a": [2], "b": [2], "c": [1]}, "all", []),
        ({"a": [1], "b": [1]}, {"a": [1], "c": [2]}, "all", ["qb_1_0.jpg"]),
    ],
)
def test_queries_with_nothing_to_find(query, gallery, protocol, vain):
    paths = [path for found in found_in(query, gallery, protocol) for path in found.paths() if path[0] == "q"]
    assert paths == vain


def test_a_query_is_no_match_of_its_own():
    same = samples({"a": [None, None], "b": [None]})
    found = label_findings(Subject(None, (ReIDDataset("mine", (), same, same, "leave_one_out"),)))
    assert [one.paths() for one in found] == [["b_None_0.jpg"]]
    assert "have no match in the gallery" in found[0].sentence


def test_names_that_differ_in_writing():
    (found,) = trained(
        {"7": [1, 2], "007": [1, 2], "70": [1, 2], "Anna": [1, 2], "anna ": [1, 2], "0": [1, 2]}
    )
    assert found.paths() == [["007_1_0.jpg", "7_1_0.jpg"], ["Anna_1_0.jpg", "anna _1_0.jpg"]]
    assert "such as '007' and '7'" in found.sentence


def test_an_identity_that_may_be_several():
    table = {str(identity): [1, 2] for identity in range(20)}
    assert trained({**table, "unknown": [1, 2] * 10}) == []
    (found,) = trained({**table, "unknown": [1, 2] * 30})
    assert found.sentence.startswith("'unknown' of the training identities of mine has 60 of 100 images")
