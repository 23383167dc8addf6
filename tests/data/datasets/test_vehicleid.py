import pytest

from keras_reid.data import VehicleID
from keras_reid.utils.errors import UserError
from tests.data.datasets import miniatures


@pytest.fixture
def root(tmp_path):
    miniatures.vehicleid(tmp_path)
    return tmp_path


def _identities(samples):
    return [sample.identity for sample in samples]


def test_one_image_of_each_vehicle_goes_to_the_gallery(root):
    dataset = VehicleID("small").read(root)
    assert (dataset.name, dataset.protocol) == ("vehicleid_small", "all")
    assert _identities(dataset.train) == [10, 2, 2]
    assert dataset.train[0].path == str(root / "vehicleid/image/0000003.jpg")
    assert {sample.camera for sample in dataset.train + dataset.query} == {None}
    assert _identities(dataset.gallery) == [7, 30, 31, 99]
    assert _identities(dataset.query) == [7] * 7 + [30] * 7 + [31] * 7
    assert len({sample.path for sample in dataset.query + dataset.gallery}) == 25
    assert "seed 0" in dataset.split


@pytest.mark.parametrize(
    ("size", "count"), [("small", 800), ("medium", 1600), ("large", 2400), ("all", 13164)]
)
def test_sizes(root, size, count):
    assert f"/{count}" in VehicleID(size).read(root).gallery[0].path


def test_all_is_the_default(root):
    assert VehicleID().read(root) == VehicleID("all").read(root)


def test_the_draw_depends_on_the_seed_alone(root):
    first = VehicleID("small").read(root)
    assert VehicleID("small").read(root) == first
    lists = root / "vehicleid/train_test_split/test_list_800.txt"
    lists.write_text("\n".join(reversed(lists.read_text().split("\n"))))
    assert VehicleID("small").read(root) == first
    assert VehicleID("small", split_seed=1).read(root).gallery != first.gallery


def test_ten_repetitions(root):
    repetitions = list(VehicleID("small", split_seed=2).repetitions(root))
    assert [dataset.name for dataset in repetitions] == [f"vehicleid_small_{seed}" for seed in range(2, 12)]
    assert repetitions[3] == VehicleID("small", split_seed=5).read(root)
    assert len({dataset.gallery for dataset in repetitions}) == 10
    assert {dataset.train for dataset in repetitions} == {repetitions[0].train}
    assert len(list(VehicleID("small").repetitions(root, count=3))) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": "huge"}, "`size` of VehicleID must be one of 'small', .*Received: 'huge'"),
        ({"split_seed": -1}, "`split_seed` must be an integer, 0 or larger"),
        ({"split_seed": True}, "`split_seed` must be an integer"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(UserError, match=message):
        VehicleID(**arguments)


def test_a_line_that_does_not_fit_and_a_missing_list(root):
    lists = root / "vehicleid/train_test_split"
    (lists / "train_list.txt").write_text("0000001.jpg 3\n")
    with pytest.raises(
        UserError, match=r"1 of 1 lines of .* line 1, '0000001\.jpg 3'; each must read IMAGE VEHICLE"
    ):
        VehicleID().read(root)
    (lists / "train_list.txt").unlink()
    with pytest.raises(
        UserError, match=r"train_list\.txt does not exist; VehicleID is laid out as vehicleid/image/"
    ):
        VehicleID().read(root)
