import shutil

import numpy as np
import pytest
from PIL import Image

from keras_reid.data import ReIDDataset, Sample
from keras_reid.data.doctor import copies
from keras_reid.data.doctor.copies import Relation, copy_findings, relation_of
from keras_reid.data.doctor.small_pictures import small_pictures
from keras_reid.data.doctor.subject import Subject
from tests.data.doctor.test_same_picture import picture


def image(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(seed).save(path, "JPEG", quality=95)
    return str(path)


def near_copy(path, of):
    pixels = np.asarray(Image.open(of).crop((1, 2, 64, 126)), float) * 0.9
    Image.fromarray(pixels.astype(np.uint8)).save(path, "JPEG", quality=70)
    return str(path)


def find(train=(), query=(), gallery=(), protocol=None):
    dataset = ReIDDataset("mine", train, query, gallery, protocol)
    subject = Subject(dataset, (dataset,))
    return copy_findings(subject, small_pictures(subject.paths()))


@pytest.fixture
def files(tmp_path):
    """Twelve images that have nothing in common, and a function that makes a copy."""
    paths = [image(tmp_path / f"{place}.jpg", place) for place in range(12)]

    def copied(place, near):
        path = tmp_path / f"copy{place}.jpg"
        return near_copy(path, paths[place]) if near else shutil.copyfile(paths[place], path)

    return paths, lambda place, near: str(copied(place, near))


def samples(paths):
    """Two images of an identity, by two cameras."""
    return [Sample(path, f"i{place // 2}", place % 2) for place, path in enumerate(paths)]


def test_nothing_is_said_of_different_images(files):
    paths, _ = files
    some = samples(paths)
    assert find(some[:4], some[4:12:2], some[5:12:2]) == []


@pytest.mark.parametrize("near", [False, True])
def test_each_relation(files, near):
    paths, copied = files
    some = samples(paths)
    train, query, gallery = some[:4], some[4::2], some[5::2]
    kind = "near_duplicates" if near else "exact_duplicates"
    severe = "warning" if near else "error"

    def check(found, title, severity, place, path, lists=("duplicates", kind)):
        assert [(one.title, one.severity, one.lists) for one in found] == [
            (f"{'Near copies' if near else 'Copies'} {title}", severity, tuple(lists))
        ]
        assert [sorted(case) for case in found[0].paths()] == [sorted([paths[place], path])]

    path = copied(0, near)
    lists = ("duplicates", kind, "conflicting_labels")
    check(find([*train, Sample(path, "i1", 0)]), "under two identities", severe, 0, path, lists)
    check(find(train, query, [*gallery, Sample(path, "x", 0)]), "in training and test", "warning", 0, path)
    check(find([*train, Sample(path, "i0", 1)]), "under two cameras", "warning", 0, path)
    path = copied(4, near)
    found = find(train, query, [*gallery, Sample(path, "i2", 3)])
    check(found, "of queries in the gallery", "warning", 4, path)
    assert "the query finds itself" in found[0].sentence
    # As the protocol leaves it out, it is only counted.
    (found,) = find(train, query, [*gallery, Sample(path, "i2", 0)])
    assert (found.severity, found.cases) == ("note", ())
    assert found.sentence.startswith(
        "2 of 13 images have a copy or near copy of the same identity and camera"
    )


def test_more_than_half_of_the_queries_are_an_error(files):
    paths, copied = files
    query, gallery = [Sample(paths[0], "a", 0)], [Sample(paths[1], "a", 1), Sample(copied(0, False), "a", 2)]
    assert [found.severity for found in find((), query, gallery)] == ["error"]


def test_relations_of_test_sets(files):
    paths, _ = files
    some = samples(paths)
    one = ReIDDataset("one", some[:2], some[2:3], some[3:4])
    other = ReIDDataset("other", (), some[2:3], some[3:4], "all")
    same = ReIDDataset("same", (), some[4:6], some[4:6], "leave_one_out")
    places = {}
    for place in Subject(one, (one, other, same)).places():
        places.setdefault((place.dataset.name, place.part, place.sample.path), []).append(place)

    def relation(first, second):
        return relation_of(*(places[name, part, paths[number]] for name, part, number in (first, second)))

    assert relation(("one", "query", 2), ("other", "gallery", 3)) == Relation.APART
    assert relation(("one", "train", 0), ("other", "gallery", 3)) == Relation.TRAINED
    assert relation(("other", "query", 2), ("other", "gallery", 3)) == Relation.FOUND
    assert relation(("same", "query", 4), ("same", "gallery", 5)) == Relation.FOUND
    assert relation(("same", "query", 4), ("same", "query", 5)) == Relation.CAMERAS


def test_many_files_of_one_content(files):
    paths, _ = files
    copy = [shutil.copyfile(paths[0], f"{paths[0]}.{number}.jpg") for number in range(30)]
    found = find([*samples(paths), *(Sample(path, f"x{number}", 0) for number, path in enumerate(copy))])
    assert [one.title for one in found] == ["Copies under two identities"]
    assert {path for case in found[0].paths() for path in case} == {paths[0], *copy}
    assert len(found[0].cases) == 30


def test_of_long_videos_each_frame_is_compared_with_few(monkeypatch):
    relations = np.array([1] * 45 + [5] * 45)
    pairs = np.array([(i, j) for i in range(10) for j in range(i + 1, 10)] * 2)
    hashes = np.random.default_rng(0).random((10, 63)) < 0.5
    monkeypatch.setattr(copies, "_NEAREST", 3)
    kept, of = copies._nearest_few(pairs, relations, hashes)
    counts = [np.bincount(kept[of == relation].ravel(), minlength=10) for relation in (1, 5)]
    assert counts[0].min() >= 1
    assert counts[1].min() >= 3
    assert len(kept) < 70
