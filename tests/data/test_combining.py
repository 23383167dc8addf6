import pytest

from keras_reid.data import ReIDDataset, Sample, combine, combine_all
from keras_reid.utils.errors import UserError


def _dataset(name="mine", **parts):
    train = [Sample("t1.jpg", identity=7, camera=0), Sample("t2.jpg", identity=10)]
    query, gallery = [Sample("q.jpg", 7, 0)], [Sample("g1.jpg", 7, 1), Sample("g2.jpg", "background", 1)]
    return ReIDDataset(**{"name": name, "train": train, "query": query, "gallery": gallery, **parts})


def _labels(samples):
    return [(sample.path, sample.identity, sample.camera) for sample in samples]


def test_all_parts_are_trained_on():
    dataset = _dataset(validation=[Sample("v.jpg", 10, 3)], junk=["background"])
    combined = combine_all(dataset)
    assert _labels(combined.train) == [
        ("t1.jpg", 7, 0),
        ("t2.jpg", 10, None),
        ("v.jpg", 10, 3),
        ("q.jpg", "test_7", "test_0"),
        ("g1.jpg", "test_7", "test_1"),
    ]
    assert (combined.query, combined.gallery) == (dataset.query, dataset.gallery)
    assert combined.validation == ()
    assert combine_all(_dataset()).train[-1].identity == "test_background"


def test_validation_and_junk_change_nothing_else():
    plain, marked = _dataset(), _dataset(validation=[Sample("v.jpg", 10)], junk=["background"])
    assert marked.train_labels()[2] == plain.train_labels()[2] == ["10", "7"]
    assert marked.test_labels()[1][0].tolist() == plain.test_labels()[1][0].tolist()


def test_an_image_in_query_and_gallery_is_taken_once():
    both = [Sample("a.jpg", 1, 0), Sample("b.jpg", 1, 1)]
    combined = combine_all(_dataset(query=both, gallery=both))
    assert [sample.path for sample in combined.train] == ["t1.jpg", "t2.jpg", "a.jpg", "b.jpg"]


def test_names_that_collide_are_refused():
    with pytest.raises(
        UserError, match="has a training identity 'test_7', the name that a test identity gets"
    ):
        combine_all(_dataset(train=[Sample("t.jpg", "test_7")]))
    first = ReIDDataset("a", train=[Sample("1.jpg", "b_1")])
    second = ReIDDataset("a_b", train=[Sample("2.jpg", 1)])
    with pytest.raises(UserError, match="'a' and 'a_b' both get an identity 'a_b_1'"):
        combine([first, second])


def test_identities_and_cameras_of_different_sets_stay_different():
    combined = combine([_dataset("a"), _dataset("b", train=[Sample("b.jpg", 7, 0)])])
    assert _labels(combined.train) == [
        ("t1.jpg", "a_7", "a_0"),
        ("t2.jpg", "a_10", None),
        ("b.jpg", "b_7", "b_0"),
    ]
    assert (combined.name, combined.query) == ("a+b", ())
    assert combine([_dataset("a")], name="c").name == "c"
