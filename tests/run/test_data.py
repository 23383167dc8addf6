import shutil

import pytest

from keras_reid import experiment as ex
from keras_reid.data import CSV, Folder, IdentitySampler
from keras_reid.run.data import IdentityBatches, check_datasets, list_images, print_doubts, read_datasets
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


def test_listing_decodes_nothing_and_checking_leaves_out_what_cannot_be_read(folder):
    (folder / "train" / "a" / "1_0.jpg").write_text("not found, says the server")
    data = ex.Data(Folder(), root=folder, sampler=SAMPLER)
    listed = list_images(data)
    assert [len(listed.train.train), len(listed.tests)] == [4, 1]
    with pytest.raises(UserError, match=r"1_0\.jpg"):
        check_datasets(listed, skip_unreadable=False)
    checked = check_datasets(listed, skip_unreadable=True)
    assert len(checked.train.train) == 3
    assert checked.tests == [checked.train]


@pytest.fixture
def batches(folder):
    data = ex.Data(Folder(), root=folder, sampler=SAMPLER)
    experiment = ex.Experiment(data=data, model=ex.Model(image_size=(8, 4)), training=ex.Training(epochs=3))
    return IdentityBatches.of(experiment, list_images(data).train)


def _identities(batches):
    return [labels["identity"].numpy().tolist() for _, labels in batches]


def test_batches_know_their_shape_and_their_classes(batches):
    assert (batches.steps_per_epoch, batches.batch_size) == (1, 4)
    assert (batches.names, batches.classes) == (["a", "b"], 2)
    assert not batches.renewed


def test_batches_begin_anywhere_and_end_with_the_training(batches):
    whole = _identities(batches.start(None, 0))
    assert len(whole) == 3
    assert _identities(batches.start(None, 1)) == whole[1:]
    assert _identities(batches.start(None, 1, epochs=2)) == whole[1:2]
    assert _identities(batches.start(None, 0, part=(1, 2))) == [batch[2:] for batch in whole]


def test_batches_are_made_once(batches):
    batches.check()
    assert batches.start(None, 0) is batches.start(None, 0)
    assert batches.start(None, 1) is not batches.start(None, 0)


def test_the_pixels_of_a_cache_are_the_same(batches, folder, tmp_path):
    for cache in ("memory", tmp_path / "pixels"):
        experiment = batches.experiment.with_changes({"data.cache": cache})
        cached = IdentityBatches.of(experiment, batches.dataset)
        for (images, _), (kept, _) in zip(batches.start(None, 0), cached.start(None, 0), strict=True):
            assert (images.numpy() == kept.numpy()).all()


def test_the_short_form_of_the_doctor(folder, capsys):
    data = ex.Data(Folder(), root=folder, sampler=SAMPLER)
    print_doubts(list_images(data))
    assert "in the data" not in capsys.readouterr().out
    for identity in "ab":
        (folder / "train" / identity / "2_0.jpg").rename(folder / "train" / identity / "1_1.jpg")
    write_image(folder / "train" / "b" / "2_0.jpg", 90)
    write_image(folder / "train" / "e" / "1_0.jpg", 91)
    datasets = list_images(data)
    capsys.readouterr()
    print_doubts(datasets)
    said = capsys.readouterr().out
    # One identity of one camera is a note, and not said here.
    assert said.splitlines() == [
        "warning in the data: 1 of 3 training identities of "
        f"{folder.name} have one image, such as 'e': no other image of theirs can be learned from. Add images, or "
        "leave them out",
        "keras-reid doctor FILE.py also examines the images",
    ]
    print_doubts(datasets, identities=False)
    assert capsys.readouterr().out == ""
