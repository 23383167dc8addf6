from keras_reid.data import ReIDDataset, Sample
from keras_reid.data.doctor.counting import count
from keras_reid.data.doctor.subject import Subject


def test_counts_by_identity_and_camera():
    labels = [("a", 10), ("a", 2), ("a", 2), ("b", 2), ("c", None)]
    dataset = ReIDDataset("mine", [Sample(f"{place}.jpg", *label) for place, label in enumerate(labels)])
    (counts,) = count(Subject(dataset, (dataset,)))
    assert counts == {
        "dataset": "mine",
        "part": "train",
        "images": 5,
        "identities": 3,
        "images_of_identity": {"min": 1, "median": 1, "max": 3},
        "cameras": {"2": {"images": 3, "identities": 2}, "10": {"images": 1, "identities": 1}},
    }
    assert list(counts["cameras"]) == ["2", "10"]


def test_cameras_stand_in_their_order():
    names = ["yard", "c10", "c2", "10", "2"]
    dataset = ReIDDataset("mine", [Sample(f"{name}.jpg", 1, name) for name in names])
    assert list(count(Subject(dataset))[0]["cameras"]) == ["2", "10", "c2", "c10", "yard"]
