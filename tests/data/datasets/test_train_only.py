import pytest

from keras_reid.data import TrainOnly
from keras_reid.data.datasets.train_only import _ROWS
from keras_reid.utils.errors import UserError
from tests.data.datasets import miniatures


def _labels(dataset):
    return [(sample.identity, sample.camera) for sample in dataset.train]


@pytest.mark.parametrize("name", miniatures.TRAIN_ONLY)
def test_layouts(tmp_path, name):
    files, labels = miniatures.TRAIN_ONLY[name]
    miniatures.touch(tmp_path, *files, "README.txt")
    dataset = TrainOnly(name).read(tmp_path)
    assert _labels(dataset) == labels
    assert (dataset.name, dataset.query, dataset.gallery) == (name, (), ())
    assert {sample.path for sample in dataset.train} <= {str(tmp_path / file) for file in files}


def test_airport_is_a_list_with_backslashes_and_keeps_tracked_persons(tmp_path):
    labels = miniatures.airport(tmp_path)
    dataset = TrainOnly("airport").read(tmp_path)
    assert _labels(dataset) == labels
    assert dataset.train[1].path == str(tmp_path / "AirportALERT/cam1/11001/1.jpg")


def test_every_set_is_tested_and_documented():
    assert set(_ROWS) == {*miniatures.TRAIN_ONLY, "airport"}
    assert len(_ROWS) == 17
    assert all(name in TrainOnly.__doc__ for name in _ROWS)


def test_other_files_are_no_images_of_the_set(tmp_path):
    files, labels = miniatures.TRAIN_ONLY["viper"]
    miniatures.touch(tmp_path, *files, "VIPeR/cam_a/preview.png", "VIPeR/cam_a/._000_45.bmp", "VIPeR/x_1.bmp")
    assert _labels(TrainOnly("viper").read(tmp_path)) == labels


@pytest.mark.parametrize("name", _ROWS)
def test_a_missing_folder_is_named_with_the_layout(tmp_path, name):
    folder = _ROWS[name].folder
    with pytest.raises(UserError, match=rf"{tmp_path / folder} does not exist; .* is laid out as {folder}/"):
        TrainOnly(name).read(tmp_path)
    (tmp_path / folder).mkdir(parents=True)
    with pytest.raises(UserError, match=rf"(there is no|filepath).*is laid out as {folder}/"):
        TrainOnly(name).read(tmp_path)


def test_each_part_must_be_there(tmp_path):
    miniatures.touch(tmp_path, "VIPeR/cam_a/000_45.bmp")
    with pytest.raises(
        UserError, match=r"there is no .*VIPeR/cam_b/\*\.bmp; VIPeR is laid out as VIPeR/cam_a/"
    ):
        TrainOnly("viper").read(tmp_path)


def test_names_that_do_not_fit_are_counted_and_the_first_is_named(tmp_path):
    miniatures.touch(tmp_path, "PKUv1a_128x48/001_1_01.png", "PKUv1a_128x48/b.png", "PKUv1a_128x48/a.png")
    with pytest.raises(UserError, match=r"2 of 3 images do not fit, the first is .*a\.png: PKU-Reid"):
        TrainOnly("pku").read(tmp_path)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("caviara", "CAVIARa/001.jpg"),  # was identity "001."
        ("caviara", "CAVIARa/0001001x.jpg"),
        ("cuhksysu", "cuhk_sysu/cropped_images/p12x_s1_1.jpg"),
        ("viper", "VIPeR/cam_a/45.bmp"),
        ("wildtrack", "Wildtrack_crop_dataset/crop/0/_1.png"),
        ("saivt", "SAIVT-SoftBio/cropped_images/003/003-0001.jpeg"),
    ],
)
def test_a_name_without_its_fields_is_not_guessed_at(tmp_path, name, file):
    files, _ = miniatures.TRAIN_ONLY[name]
    miniatures.touch(tmp_path, *files, file)
    with pytest.raises(UserError, match=rf"1 of {len(files) + 1} images do not fit, the first is \S*{file}:"):
        TrainOnly(name).read(tmp_path)


def test_an_unknown_name():
    with pytest.raises(UserError, match=r"`name` of TrainOnly must be one of airport, .*Received: 'VIPeR'"):
        TrainOnly("VIPeR")
