import pytest

from keras_reid.data import OccludedREID, PartialiLIDS, PartialREID
from keras_reid.utils.errors import UserError
from tests.data.datasets import miniatures

SETS = [
    (PartialREID, miniatures.partialreid, "partialreid", [(1, 1), (12, 1)], [(1, 2), (12, 1)]),
    (PartialiLIDS, miniatures.partialilids, "partialilids", [(1, 0)], [(1, 1), (100, 1)]),
    (OccludedREID, miniatures.occludedreid, "occludedreid", [(1, 0), (200, 0)], [(1, 1), (200, 1)]),
]


def _labels(samples):
    return [(sample.identity, sample.camera) for sample in samples]


@pytest.mark.parametrize(("reader", "write", "name", "query", "gallery"), SETS)
def test_cameras_from_the_name(tmp_path, reader, write, name, query, gallery):
    write(tmp_path)
    dataset = reader().read(tmp_path)
    assert (dataset.name, dataset.protocol, dataset.train) == (name, "cross_camera", ())
    assert _labels(dataset.query) == query
    assert _labels(dataset.gallery) == gallery


@pytest.mark.parametrize(("reader", "write", "name", "query", "gallery"), SETS)
def test_cameras_from_the_part(tmp_path, reader, write, name, query, gallery):
    write(tmp_path)
    dataset = reader(cameras="part").read(tmp_path)
    assert _labels(dataset.query) == [(identity, 0) for identity, _ in query]
    assert _labels(dataset.gallery) == [(identity, 1) for identity, _ in gallery]


def test_a_copy_without_cameras(tmp_path):
    miniatures.touch(tmp_path / "PartialiLIDS", "query/001.jpg", "gallery/001.jpg", "gallery/002.jpg")
    with pytest.raises(
        UserError,
        match=r"1 of 1 images do not fit.*query/001\.jpg: Partial-iLIDS names its images IDENTITY_CAMERA…, .*"
        r"cameras='part'",
    ):
        PartialiLIDS().read(tmp_path)
    assert _labels(PartialiLIDS("part").read(tmp_path).gallery) == [(1, 1), (2, 1)]
    miniatures.touch(tmp_path / "PartialiLIDS", "query/first.jpg")
    with pytest.raises(UserError, match=r"1 of 2 images do not fit.*first\.jpg"):
        PartialiLIDS("part").read(tmp_path)


@pytest.mark.parametrize(
    ("cameras", "name"), [("name", "012_1x.jpg"), ("name", "x012_1.jpg"), ("part", "012x.jpg")]
)
def test_no_number_is_cut_short(tmp_path, cameras, name):
    miniatures.occludedreid(tmp_path)
    miniatures.touch(tmp_path / "OccludedREID/query", name)
    with pytest.raises(UserError, match=rf"1 of 3 images do not fit, the first is .*/{name}: Occluded-REID"):
        OccludedREID(cameras).read(tmp_path)


def test_a_bad_argument_and_a_missing_part(tmp_path):
    with pytest.raises(
        UserError, match=r"`cameras` of Occluded-REID must be 'name' or 'part'. Received: 'file'"
    ):
        OccludedREID("file").read(tmp_path)
    miniatures.touch(tmp_path / "OccludedREID", "query/001_1.jpg")
    with pytest.raises(
        UserError, match=r"gallery does not exist; Occluded-REID is laid out as OccludedREID/{query,"
    ):
        OccludedREID().read(tmp_path)
