from keras_reid.data import ReIDDataset, Sample
from keras_reid.data.doctor.subject import Subject


def samples(identity, *files):
    return [Sample(file, identity, camera) for camera, file in enumerate(files)]


def test_parts_that_are_used():
    one = ReIDDataset("one", samples(1, "a", "b"), samples(2, "c")[:1], [Sample("d", 2, 1)])
    other = ReIDDataset("other", samples(3, "x"), samples(4, "e"), [Sample("f", 4, 1), Sample("e", 4, 0)])
    subject = Subject(one, (other,))
    assert [(dataset.name, part, len(some)) for dataset, part, some in subject.parts()] == [
        ("one", "train", 2),
        ("other", "query", 1),
        ("other", "gallery", 2),
    ]
    assert subject.paths() == ["a", "b", "e", "f"]
    assert [str(place) for place in subject.places()][1:3] == ["train, 1, camera 1", "query, 4, camera 0"]
    assert subject.datasets == [one, other]
    assert Subject(one, (one, other)).datasets == [one, other]
    assert len(Subject(None, (one,)).parts()) == 2


def test_a_camera_may_be_unknown():
    (place,) = Subject(ReIDDataset("one", [Sample("a", 7)])).places()
    assert (place.identity, place.camera, place.tested, str(place)) == ("7", None, False, "train, 7")
