import pytest

from keras_reid import experiment as ex
from keras_reid.data import (
    Combined,
    DukeMTMC,
    Folder,
    Market1501,
    PartialREID,
    ReIDDataset,
    Sample,
    VehicleID,
    combine,
    combine_all,
)
from keras_reid.utils.errors import UserError
from tests.data.datasets import miniatures


@pytest.fixture
def root(tmp_path):
    for write in (miniatures.market1501, miniatures.dukemtmc, miniatures.partialreid, miniatures.vehicleid):
        write(tmp_path)
    return tmp_path


def test_two_sets(root):
    dataset = Combined((Market1501(), DukeMTMC())).read(root)
    assert dataset.name == "market1501+dukemtmc"
    assert (dataset.query, dataset.gallery) == ((), ())
    assert [(sample.identity, sample.camera) for sample in dataset.train] == [
        ("market1501_2", "market1501_0"),
        ("market1501_10", "market1501_0"),
        ("market1501_10", "market1501_5"),
        ("dukemtmc_1", "dukemtmc_1"),
        ("dukemtmc_900", "dukemtmc_0"),
        ("dukemtmc_7139", "dukemtmc_7"),
    ]
    assert Combined([Market1501(), DukeMTMC()], name="both").read(root).name == "both"


def test_all_parts_without_background(root):
    dataset = Combined((Market1501(distractors=True),), combine_all=True).read(root)
    assert [(sample.identity, sample.camera) for sample in dataset.train[3:]] == [
        ("market1501_500k_test_1", "market1501_500k_test_0"),
        ("market1501_500k_test_1501", "market1501_500k_test_5"),
        ("market1501_500k_test_1", "market1501_500k_test_1"),
        ("market1501_500k_test_1501", "market1501_500k_test_0"),
    ]


def test_test_parts_are_trained_on_only_if_asked_for(root):
    with pytest.raises(UserError, match=r"'partialreid' has no training images.*combine_all=True"):
        Combined((Market1501(), PartialREID())).read(root)
    both = Combined((Market1501(), PartialREID()), combine_all=True).read(root)
    assert "partialreid_test_12" in both.train_labels()[2]


def test_the_same_images_twice_are_refused(root):
    with pytest.raises(
        UserError, match=r"0000003\.jpg is combined twice, as identity 'vehicleid_small_10' and as"
    ):
        Combined((VehicleID("small"), VehicleID("large"))).read(root)
    with pytest.raises(
        UserError, match=r"must have different names. Received: \['market1501', 'market1501'\]"
    ):
        Combined((Market1501(), Market1501())).read(root)


@pytest.mark.parametrize("datasets", [(), Market1501(), "market1501"])
def test_it_needs_readers(datasets):
    with pytest.raises(UserError, match="`datasets` must be a tuple of one reader or more"):
        Combined(datasets)


def test_each_must_be_a_reader():
    with pytest.raises(UserError, match=r"`datasets` must hold readers, .*Received: 'market1501'"):
        Combined(("market1501",))


def test_in_an_experiment_and_from_the_command_line():
    experiment = ex.Experiment(data=ex.Data(dataset=Combined((Market1501(), Folder()))))
    changed = ex.override(
        experiment, ["--data.dataset.combine-all", "True", "--data.dataset.datasets.1.directory", "own"]
    )
    assert changed.data.dataset == Combined((Market1501(), Folder(directory="own")), combine_all=True)


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
