from keras_reid.data import ReIDDataset, Sample
from keras_reid.data.doctor.passed_over import passed_over_files
from keras_reid.data.doctor.subject import Subject
from tests.data.images import write_image


def test_images_and_other_files_beside_the_images(tmp_path):
    used = write_image(tmp_path / "a" / "0_1.jpg")
    left = write_image(tmp_path / "a" / "0_2.jpg")
    for name in ("labels.txt", "labels.csv", "notes.txt", ".hidden", "scan"):
        (tmp_path / "a" / name).write_text("text")
    write_image(tmp_path / "elsewhere" / "0_3.jpg")
    images, others = passed_over_files(Subject(ReIDDataset("mine", [Sample(used, "a")])))
    assert images.paths() == [left]
    assert (images.severity, images.drawn) == ("note", False)
    assert [path.rpartition("/")[2] for path in others.paths()] == [
        "labels.csv",
        "labels.txt",
        "notes.txt",
        "scan",
    ]
    assert "passed over next to the images: 4 other files (2 .txt, 1 .csv, 1 no suffix)" in others.sentence


def test_parts_that_are_not_examined_are_not_passed_over(tmp_path):
    paths = [write_image(tmp_path / f"{place}.jpg") for place in range(3)]
    dataset = ReIDDataset("mine", [Sample(paths[0], 1)], [Sample(paths[1], 2, 0)], [Sample(paths[2], 2, 1)])
    assert passed_over_files(Subject(dataset)) == []


def test_records_and_missing_folders_have_nothing_beside_them(tmp_path):
    samples = [Sample(f"{tmp_path}/a.tfrecord#0", 1), Sample(f"{tmp_path}/nowhere/a.jpg", 1)]
    (tmp_path / "a.tfrecord").touch()
    assert passed_over_files(Subject(ReIDDataset("mine", samples))) == []
