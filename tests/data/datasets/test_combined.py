import pytest

from keras_reid import experiment as ex
from keras_reid.data import Combined, DukeMTMC, Folder, Market1501, PartialREID, VehicleID
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
