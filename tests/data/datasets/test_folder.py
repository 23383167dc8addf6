import os

import pytest

from keras_reid.data import Folder
from keras_reid.errors import UserError

PATTERN = r"(?P<identity>[a-z]+_\d+)_cam(?P<camera>\d+)"


def _touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def _labels(samples):
    return [(sample.identity, sample.camera) for sample in samples]


def test_a_folder_an_identity(tmp_path):
    _touch(
        tmp_path, "anna/door_1.jpg", "anna/yard_2.PNG", "bob/yard_1.jpeg", "bob/door_9.bmp", "bob/notes.txt"
    )
    dataset = Folder(test_identities=1.0).read(tmp_path)
    assert dataset.name == tmp_path.name
    assert dataset.protocol == "cross_camera"
    assert _labels(dataset.query) == [("anna", "door"), ("bob", "door")]
    assert _labels(dataset.gallery) == [("anna", "yard"), ("bob", "yard")]


def test_without_cameras(tmp_path):
    _touch(tmp_path, "anna/1.jpg", "anna/2.jpg", "bob/_1.jpg")
    dataset = Folder(test_identities=1.0).read(tmp_path)
    assert dataset.protocol == "all"
    assert _labels(dataset.query) == [("anna", None)]
    assert _labels(dataset.gallery) == [("anna", None), ("bob", None)]


def test_a_pattern(tmp_path):
    _touch(
        tmp_path / "cars", *(f"car_{i:04d}_cam{c}.jpg" for i in range(6) for c in (1, 2)), "LICENSE", ".x.jpg"
    )
    dataset = Folder(directory="cars", pattern=PATTERN, test_identities=2, name="mine").read(tmp_path)
    assert dataset.name == "mine"
    assert len(dataset.train) == 8
    assert [camera for _, camera in _labels(dataset.query)] == ["1", "1"]
    assert [camera for _, camera in _labels(dataset.gallery)] == ["2", "2"]
    assert dataset.query != Folder("cars", PATTERN, 2, seed=3).read(tmp_path).query
    assert Folder("cars", PATTERN, 2, protocol="all").read(tmp_path).protocol == "all"
    assert {i for i, _ in _labels(dataset.train + dataset.query)} == {f"car_{i:04d}" for i in range(6)}


def test_a_pattern_over_folders_with_optional_camera(tmp_path):
    _touch(tmp_path, "site/a/1.jpg", "site/a/2.jpg", "site/b/3.jpg", "site/b/c7/4.jpg")
    pattern = r"site/(?P<identity>[^/]+)/(?:(?P<camera>c\d)/)?"
    dataset = Folder(pattern=pattern, test_identities=0.0).read(tmp_path)
    assert _labels(dataset.train) == [("a", None), ("a", None), ("b", None), ("b", "c7")]


def test_given_parts(tmp_path):
    _touch(
        tmp_path,
        "train/a/1_1.jpg",
        "query/b/1_1.jpg",
        "gallery/b/2_1.jpg",
        "gallery/c/1_1.jpg",
        "gallery/c/1_2.jpg",
    )
    dataset = Folder().read(tmp_path)
    assert _labels(dataset.train) == [("a", "1")]
    assert _labels(dataset.query) == [("b", "1")]
    assert len(dataset.gallery) == 3
    assert dataset.protocol == "cross_camera"
    assert dataset.split == "as given by the sub-folders"


def test_given_parts_seen_by_one_camera(tmp_path):
    _touch(tmp_path, "query/b/1_1.jpg", "gallery/b/1_2.jpg")
    assert Folder().read(tmp_path).protocol == "all"


def test_the_order_is_sorted_and_links_are_followed_once(tmp_path):
    real = _touch(tmp_path / "real", "b/1.jpg", "b/0.jpg", "a/1.jpg")
    (tmp_path / "photos").mkdir()
    os.symlink(real / "a", tmp_path / "photos" / "a")
    os.symlink(real / "b", tmp_path / "photos" / "b")
    os.symlink(tmp_path / "photos", real / "a" / "loop")
    train = Folder(test_identities=0).read(tmp_path / "photos").train
    assert [sample.path.removeprefix(str(tmp_path)) for sample in train] == [
        "/photos/a/1.jpg", "/photos/b/0.jpg", "/photos/b/1.jpg",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("names", "arguments", "message"),
    [
        (
            ["1.jpg"],
            {},
            r"1 of 1 images in .* do not fit: 1\.jpg, …; the layout is IDENTITY/CAMERA_anything.jpg",
        ),
        (["a/b/1.jpg", "a/1.jpg"], {}, r"1 of 2 images in .* do not fit: a/b/1\.jpg"),
        (["x.jpg"], {"pattern": PATTERN}, "must match the beginning of each path"),
        (["x.jpg"], {"pattern": r"(?P<camera>\d)"}, "needs a group"),
        (["x.jpg"], {"pattern": "("}, "is not a regular expression"),
        (["x.txt"], {}, "no images in"),
        (
            ["a/1.jpg"],
            {"directory": "other"},
            "other does not exist; the images of the data set are expected there",
        ),
    ],
)
def test_bad_input(tmp_path, names, arguments, message):
    _touch(tmp_path, *names)
    with pytest.raises(UserError, match=message):
        Folder(**arguments).read(tmp_path)
