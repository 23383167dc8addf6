import pytest

from keras_reid.data import VeRiWild
from keras_reid.utils.errors import UserError
from tests.data.datasets import miniatures


@pytest.fixture
def root(tmp_path):
    miniatures.veriwild(tmp_path)
    return tmp_path


def _labels(samples):
    return [(sample.identity, sample.camera) for sample in samples]


def test_cameras_come_from_vehicle_info(root):
    dataset = VeRiWild("small").read(root)
    assert (dataset.name, dataset.protocol) == ("veriwild_small", "cross_camera")
    assert _labels(dataset.train) == [(2, 116), (10, 3)]
    assert _labels(dataset.query) == [(300, 3)]
    assert _labels(dataset.gallery) == [(300, 16)]
    assert dataset.query[0].path == str(root / "VERI-Wild/images/00300/000003.jpg")


@pytest.mark.parametrize(("size", "count"), [("small", 3000), ("medium", 5000), ("large", 10000)])
def test_sizes(root, size, count):
    query = root / f"VERI-Wild/train_test_split/test_{count}_query.txt"
    query.write_text("00300/000003\n00010/000002\n")
    assert len(VeRiWild(size).read(root).query) == 2
    query.unlink()
    with pytest.raises(UserError, match=rf"test_{count}_query\.txt does not exist; VERI-Wild is laid out as"):
        VeRiWild(size).read(root)


def test_large_is_the_default(root):
    assert VeRiWild() == VeRiWild("large")
    with pytest.raises(UserError, match="`size` of VeRiWild must be one of 'small', 'medium', 'large'"):
        VeRiWild("all")


def test_what_does_not_fit_is_named(root):
    lists = root / "VERI-Wild/train_test_split"
    miniatures.write(lists / "train_list.txt", "00002/000001", "00002/000009")
    with pytest.raises(UserError, match=r"train_list\.txt: image 00002/000009 is not in vehicle_info\.txt"):
        VeRiWild().read(root)
    miniatures.write(lists / "vehicle_info.txt", "id/image;Camera ID", "00002/000001;north")
    with pytest.raises(
        UserError, match=r"1 of 2 lines of \S+vehicle_info\.txt do not fit, the first is line 2"
    ):
        VeRiWild().read(root)
