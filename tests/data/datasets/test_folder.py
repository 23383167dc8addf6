import os

import pytest

from keras_reid.data import Folder
from keras_reid.utils.errors import UserError

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
    with pytest.warns(
        UserWarning, match=r"1 of 1 test identities .* one camera only, the first is 'b' by camera '1'"
    ):
        assert Folder().read(tmp_path).protocol == "all"
    assert Folder(protocol="all").read(tmp_path).protocol == "all"  # who says so is not told


def test_other_folders_beside_the_parts_are_never_passed_over_in_silence(tmp_path):
    _touch(
        tmp_path, "train/a/1_1.jpg", "val/b/1_1.jpg", "test/c/1_1.jpg", "test/c/2_1.jpg", "notes/readme.txt"
    )
    with pytest.raises(
        UserError,
        match=r"holds train/, and next to it test/ \(2 images\), val/ \(1 images\)\. Only train, query, gallery are",
    ):
        Folder().read(tmp_path)
    assert _labels(Folder("test", test_identities=1.0).read(tmp_path).gallery) == [("c", "2")]  # the remedy
    _touch(tmp_path, "query/b/1_1.jpg", "gallery/b/2_1.jpg", "sheet.png")
    with pytest.warns(
        UserWarning, match=r"test/ \(2 images\), val/ .*, the folder itself \(1 images\), which is"
    ):
        dataset = Folder().read(tmp_path)
    assert [len(part) for part in (dataset.train, dataset.query, dataset.gallery)] == [1, 1, 1]


def test_an_identity_that_is_called_as_a_part_is_not_taken_for_one_in_silence(tmp_path):
    _touch(tmp_path, "train/1_1.jpg", "bus/1_1.jpg", "bus/2_1.jpg")
    with pytest.raises(UserError, match=r"next to it bus/ \(2 images\).* where these folders are identities"):
        Folder().read(tmp_path)


MARKET = [f"{i:04d}_c{c}s{s}_{i * c:06d}_00.jpg" for i in (2, 7) for c in (1, 2, 12) for s in (1, 2)]


@pytest.mark.parametrize(
    "names",
    [
        [f"{name[:4]}/{name}" for name in MARKET],
        [f"{int(name[:4])}/{name}" for name in MARKET],  # the same number
        [f"p{name[:4]}/p{name.replace('_c', '_cam', 1)}" for name in MARKET],
        [f"{name[:4]}/{name.replace('_c', 'c', 1)}" for name in MARKET],
        [f"{part}/{name[:4]}/{name}" for name in MARKET for part in ("query", "gallery")],
    ],
)
def test_names_that_begin_with_the_identity_tell_the_camera_after_it(tmp_path, names):
    _touch(tmp_path, *names)
    dataset = Folder(test_identities=1.0).read(tmp_path)
    assert dataset.protocol == "cross_camera"
    for sample in dataset.query + dataset.gallery:
        name = os.path.basename(sample.path)
        assert sample.camera == name.partition("s")[0].rpartition("c" if "cam" not in name else "cam")[2]
    assert {sample.camera for sample in dataset.gallery} == {"1", "2", "12"}
    assert 'camera: the number after "c" that follows the identity in the file name; ' in dataset.read_as
    assert ", camera '1" in dataset.read_as


def test_names_that_begin_with_the_identity_and_tell_no_camera(tmp_path):
    _touch(tmp_path, *(f"{name}/{name}_{number}.jpg" for name in ("anna", "bob") for number in (1, 2)))
    with pytest.warns(
        UserWarning, match=r"such as anna/anna_1\.jpg, and tell no camera .* every gallery image will"
    ):
        dataset = Folder(test_identities=1.0).read(tmp_path)
    assert dataset.protocol == "all"
    assert {sample.camera for sample in dataset.query + dataset.gallery} == {None}
    # Both remedies are what they say.
    second = Folder(pattern=r"(?P<identity>[^/]+)/[^_]+_(?P<camera>[^_.]+)", test_identities=1.0).read(
        tmp_path
    )
    assert _labels(second.query) == [("anna", "1"), ("bob", "1")]
    assert second.protocol == "cross_camera"
    assert (
        Folder(pattern=r"(?P<identity>[^/]+)/", test_identities=1.0).read(tmp_path).gallery == dataset.gallery
    )


@pytest.mark.parametrize(
    ("stray", "others"),
    [("0002/0002_front_1.jpg", []), ("0002/img_1.jpg", []), ("0002/thumb_1.jpg", ["0007/thumb_1.jpg"])],
)
def test_names_of_which_some_begin_with_the_identity_are_refused(tmp_path, stray, others):
    _touch(tmp_path, *(f"{name[:4]}/{name}" for name in MARKET), stray, *others)
    with pytest.raises(
        UserError, match=rf"begin with the identity .*such as 0002/0002_c12s1\S* and {stray};"
    ):
        Folder().read(tmp_path)


def test_a_camera_may_be_called_as_an_identity(tmp_path):
    _touch(
        tmp_path,
        *(f"{identity}/{camera}_0.jpg" for identity in range(1, 5) for camera in (1, 2)),
        "1/12_0.jpg",
    )
    dataset = Folder(test_identities=1.0).read(tmp_path)
    assert {sample.camera for sample in dataset.query + dataset.gallery} == {"1", "2", "12"}
    assert dataset.read_as == (
        "identity: the folder; camera: the file name up to its first \"_\"; 1/12_0.jpg is identity '1', camera '12'"
    )


def test_a_prefix_that_is_no_camera(tmp_path):
    _touch(tmp_path, *(f"{who}/img_{number}.jpg" for who in ("anna", "bob") for number in (1, 2)))
    with pytest.warns(
        UserWarning, match=r"2 of 2 test identities .* the first is 'anna' by camera 'img' .*`pattern`"
    ):
        assert Folder(test_identities=1.0).read(tmp_path).protocol == "all"
    assert not Folder(test_identities=0).read(tmp_path).query  # nothing is tested: nothing to say


@pytest.mark.parametrize(
    ("cameras", "message"),
    [
        (["20240131", "20240201"], "the 2 cameras .* look like dates: .* is read as camera '20240131'"),
        (["2024-01-31", "2024-02-01"], "look like dates"),
        (["20240131120000", "20240201120000"], "look like dates"),
        (
            [f"{number:06d}" for number in range(12)],
            "the 12 cameras of .* are nearly as many as the 12 images",
        ),
    ],
)
def test_dates_and_numbers_as_cameras(tmp_path, cameras, message):
    _touch(tmp_path, *(f"{'ab'[place // 2 % 2]}/{camera}_1.jpg" for place, camera in enumerate(cameras)))
    if len(cameras) == 2:
        _touch(tmp_path, *(f"{identity}/{camera}_2.jpg" for identity in "ab" for camera in cameras))
    with pytest.warns(UserWarning, match=message):
        assert Folder(test_identities=1.0).read(tmp_path).protocol == "cross_camera"
    assert Folder(test_identities=1.0, protocol="cross_camera").read(tmp_path).query


@pytest.mark.parametrize(
    ("pattern", "read"),
    [
        (r"(?P<identity>\d+)_c(?P<camera>\d)", "identity '0004', camera '1'"),
        (r"(?P<identity>\d+)_c(?P<camera>\d).*_0", "identity '0004', camera '1'"),
        (r"(?P<identity>\d{3})", "identity '000'"),
    ],
)
def test_a_pattern_must_not_cut_a_number(tmp_path, pattern, read):
    _touch(tmp_path, "0004_c2s1_0.jpg", "0004_c12s1_0.jpg")
    with pytest.raises(UserError, match=rf"`pattern` must not end, .* in \d of 2 images, .* read as {read};"):
        Folder(pattern=pattern).read(tmp_path)


def test_a_pattern_of_fixed_widths_says_what_follows(tmp_path):
    _touch(tmp_path, "0001001.jpg", "0002001.jpg")
    train = (
        Folder(pattern=r"(?P<identity>\d{4})\d*(?P<camera>[a-z]?)", test_identities=0).read(tmp_path).train
    )
    assert _labels(train) == [("0001", None), ("0002", None)]  # an empty camera is none


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
