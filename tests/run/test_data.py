import shutil

import pytest

from keras_reid import experiment as ex
from keras_reid.data import CSV, Folder, IdentitySampler
from keras_reid.run.data import read_datasets
from keras_reid.utils.errors import UserError
from tests.data.images import write_image

SAMPLER = IdentitySampler(identities_per_batch=2, images_per_identity=2)


@pytest.fixture
def folder(tmp_path):
    """Two identities to train on and two to test on, seen by two cameras."""
    places = [("train", identity, camera) for identity in "ab" for camera in (1, 2)]
    places += [
        (part, identity, camera) for identity in "cd" for part, camera in (("query", 1), ("gallery", 2))
    ]
    for seed, (part, identity, camera) in enumerate(places):
        write_image(tmp_path / part / identity / f"{camera}_0.jpg", seed)
    return tmp_path


def _read(root, **arguments):
    return read_datasets(ex.Data(arguments.pop("dataset", Folder()), root=root, sampler=SAMPLER), **arguments)


def test_files_in_one_role(folder):
    trained, (tested,) = _read(folder)
    assert trained is tested
    assert [len(part) for part in (tested.train, tested.query, tested.gallery)] == [4, 2, 2]


def test_queries_copied_into_the_gallery_under_another_camera_stop_every_command(folder):
    for identity in "cd":
        shutil.copy(folder / "query" / identity / "1_0.jpg", folder / "gallery" / identity / "3_0.jpg")
    for train in (True, False):
        with pytest.raises(
            UserError, match=r"2 of 2 queries of data set .* have a copy of themselves in the gallery"
        ):
            _read(folder, train=train)


def test_test_images_among_the_training_images_are_told(folder):
    shutil.copy(folder / "gallery" / "c" / "2_0.jpg", folder / "train" / "a" / "2_1.jpg")
    for train in (True, False):
        with pytest.warns(
            UserWarning, match=r"1 of 4 test images .* are also trained on, such as \S+/gallery/c/2_0"
        ):
            _read(folder, train=train)


def test_copies_of_unlabelled_images_are_no_contradiction(folder):
    shutil.copy(folder / "train" / "a" / "1_0.jpg", folder / "train" / "b" / "1_1.jpg")
    _read(folder, identities=False)
    with pytest.warns(UserWarning, match="1 training images .* are copies of one of another identity"):
        _read(folder)


def test_an_unlabelled_image_that_is_listed_twice_is_one(folder):
    rows = ["train/a/1_0.jpg,a,1,train", "train/a/1_0.jpg,a,1,train", "train/b/1_0.jpg,b,1,train"]
    rows += ["query/c/1_0.jpg,c,1,query", "gallery/c/2_0.jpg,c,2,gallery"]
    (folder / "dataset.csv").write_text("\n".join(["path,identity,camera,subset", *rows]))
    trained, _ = _read(folder, dataset=CSV(), identities=False)
    assert [sample.identity for sample in trained.train] == [0, 0, 1]


def test_the_protocol_of_a_command_is_that_which_is_checked(folder, capsys):
    shutil.copy(folder / "query" / "c" / "1_0.jpg", folder / "gallery" / "c" / "1_1.jpg")
    _, (tested,) = _read(folder, train=False)
    assert tested.protocol == "cross_camera"
    capsys.readouterr()
    with pytest.warns(UserWarning, match="1 of 2 queries of data set"):
        _, (tested,) = _read(folder, train=False, protocol="all")
    assert tested.protocol == "all"
    assert "protocol: all (" in capsys.readouterr().out


def test_unreadable_copies_are_left_out_before(folder):
    for part in ("query/c/1_0.jpg", "gallery/c/2_0.jpg", "gallery/d/2_1.jpg"):
        (folder / part).write_text("not found, says the server")
    _, (tested,) = read_datasets(
        ex.Data(Folder(), root=folder, sampler=SAMPLER, skip_unreadable=True), train=False
    )
    assert [len(part) for part in (tested.query, tested.gallery)] == [1, 1]
