import pytest

from keras_reid.data import MSMT17
from keras_reid.utils.errors import UserError
from tests.data.datasets import miniatures


def _labels(samples):
    return [(sample.identity, sample.camera) for sample in samples]


@pytest.mark.parametrize(
    ("version", "train", "test"), [("V1", "train", "test"), ("V2", "mask_train_v2", "mask_test_v2")]
)
def test_lists(tmp_path, version, train, test):
    miniatures.msmt17(tmp_path, version)
    dataset = MSMT17().read(tmp_path)
    assert (dataset.name, dataset.protocol) == ("msmt17", "cross_camera")
    assert _labels(dataset.train) == [(0, 0), (2, 13), (10, 14)]
    assert _labels(dataset.validation) == [(10, 1)]
    # 3 training identities come before those of the test part.
    assert _labels(dataset.query) == [(3, 0), (10, 3)]
    assert _labels(dataset.gallery) == [(3, 2), (10, 14)]
    folder = tmp_path / f"MSMT17_{version}"
    name = "0000_000_01_0303morning_0008_0.jpg"
    assert dataset.train[0].path == str(folder / train / "0000" / name)
    assert dataset.query[0].path == str(folder / test / "0000" / name)
    assert MSMT17().read(folder).query == dataset.query  # the root itself


def test_validation_images_are_trained_on_if_asked_for(tmp_path):
    miniatures.msmt17(tmp_path)
    dataset = MSMT17(validation=True).read(tmp_path)
    assert _labels(dataset.train) == [(0, 0), (2, 13), (10, 14), (10, 1)]
    assert dataset.validation == ()
    assert dataset.query == MSMT17().read(tmp_path).query


def test_the_first_version_is_taken(tmp_path):
    for version in ("V2", "V1"):
        miniatures.msmt17(tmp_path, version)
    assert "MSMT17_V1" in MSMT17().read(tmp_path).train[0].path


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("0001/0001_000_16_0303morning_0008_0.jpg", r"0001_000_16_\S+ tells no camera of MSMT17, .* 1 to 15"),
        ("0001/0001_000_00_0303morning_0008_0.jpg", r"0001_000_00_\S+ tells no camera of MSMT17"),
        ("0001/0001_000_1x_0303morning_0008_0.jpg", r"1 of 3 lines of \S+list_gallery\.txt do not fit"),
    ],
)
def test_cameras_that_are_none(tmp_path, path, message):
    miniatures.msmt17(tmp_path)
    with open(tmp_path / "MSMT17_V1" / "list_gallery.txt", "a") as file:
        file.write(f"{path} 1\n")
    with pytest.raises(UserError, match=message):
        MSMT17().read(tmp_path)


def test_what_is_missing_or_does_not_fit_is_named(tmp_path):
    miniatures.msmt17(tmp_path)
    folder = tmp_path / "MSMT17_V1"
    with open(folder / "list_query.txt", "a") as file:
        file.write("\n0001.jpg 1\nx\n")
    with pytest.raises(
        UserError, match=r"2 of 4 lines of \S+list_query\.txt do not fit, the first is line 4, '0001"
    ):
        MSMT17().read(tmp_path)
    (folder / "list_query.txt").write_text("\n")
    with pytest.raises(UserError, match=r"list_query\.txt has no lines; each must read PATH IDENTITY"):
        MSMT17().read(tmp_path)
    (folder / "list_query.txt").unlink()
    with pytest.raises(UserError, match=r"list_query\.txt does not exist; MSMT17 is laid out as MSMT17_V1/"):
        MSMT17().read(tmp_path)
    (folder / "test").rmdir()
    with pytest.raises(UserError, match=r"MSMT17_V1/test does not exist; MSMT17 is laid out as"):
        MSMT17().read(tmp_path)
