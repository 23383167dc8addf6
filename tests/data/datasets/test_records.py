import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from keras_reid.data import Records, ReIDDataset, Sample, ShuffleSampler
from keras_reid.data.contents import read_contents
from keras_reid.data.datasets.records import write_records
from keras_reid.data.pipeline import train_batches
from keras_reid.data.pixel_cache import PixelCache
from keras_reid.data.unreadable import check_images
from keras_reid.utils.errors import UserError
from keras_reid.visualization.thumbnails import thumbnail
from tests.data.images import write_image


@pytest.fixture
def dataset(tmp_path):
    samples = [
        Sample(write_image(tmp_path / f"{place}.jpg", place, (9 + place, 6)), place // 2, place % 2)
        for place in range(8)
    ]
    # The last two are in both parts.
    return ReIDDataset(
        "mine",
        train=samples[:6],
        query=samples[6:],
        gallery=samples[4:],
        split="by hand",
        junk=(0,),
        read_as="x",
    )


@pytest.fixture
def packed(dataset, tmp_path):
    write_records(dataset, tmp_path / "packed", shard_bytes=700)
    return Records("packed").read(tmp_path)


def test_the_same_images_identities_and_cameras_come_back(dataset, packed):
    for part in ("train", "query", "gallery"):
        before, after = getattr(dataset, part), getattr(packed, part)
        for old, new in zip(before, after, strict=True):
            assert (str(old.identity), str(old.camera)) == (new.identity, new.camera)
            assert read_contents(new.path).numpy() == read_contents(old.path).numpy()
    facts = ("name", "protocol", "split", "read_as")
    assert [getattr(packed, name) for name in facts] == [getattr(dataset, name) for name in facts]
    assert packed.junk == ("0",)
    np.testing.assert_array_equal(packed.train_labels()[0], dataset.train_labels()[0])


def test_an_image_is_written_once_and_files_have_about_the_wanted_size(dataset, tmp_path):
    assert write_records(dataset, tmp_path / "one") == 1
    records = list(tf.data.TFRecordDataset(str(tmp_path / "one" / "images-00000.tfrecord")))
    assert len(records) == 8
    several = write_records(dataset, tmp_path / "several", shard_bytes=700)
    assert 1 < several < 8
    assert len(list((tmp_path / "several").glob("*.tfrecord"))) == several


def test_everything_that_takes_a_path_takes_a_record(dataset, packed):
    paths = [sample.path for sample in packed.train]
    assert check_images(paths) == list(range(6))
    assert thumbnail(paths[2], (6, 11)).size == (6, 11)
    plain, cached, unpacked = (
        next(iter(train_batches(of, ShuffleSampler(4), (8, 8), pixels=pixels)[0]))
        for of, pixels in ((packed, None), (packed, PixelCache.of(paths, "memory")), (dataset, None))
    )
    np.testing.assert_array_equal(plain[0], unpacked[0])
    np.testing.assert_array_equal(cached[0], unpacked[0])


def test_a_damaged_record_is_named(packed):
    file, _, offset = packed.train[1].path.partition("#")
    with open(file, "r+b") as stream:
        stream.seek(int(offset) + 40)
        stream.write(b"damage")
    with pytest.raises(UserError, match=r"1 of 6 images cannot be read: .*tfrecord#\d+: corrupted record"):
        check_images([sample.path for sample in packed.train])


def test_an_unknown_camera_stays_unknown(tmp_path):
    path = write_image(tmp_path / "a.jpg")
    write_records(ReIDDataset("x", train=[Sample(path, "anna")]), tmp_path / "packed")
    (sample,) = Records("packed").read(tmp_path).train
    assert dataclasses.astuple(sample)[1:] == ("anna", None)


def test_the_folder_is_whole_or_not_there(dataset, tmp_path):
    gone = dataclasses.replace(dataset, train=[*dataset.train, Sample(tmp_path / "gone.jpg", 1, 0)])
    with pytest.raises(UserError, match=r"gone\.jpg is listed in the data set and does not exist"):
        write_records(gone, tmp_path / "packed")
    assert not list(tmp_path.glob("*packed*"))
    (tmp_path / "packed").mkdir()
    with pytest.raises(UserError, match="packed exists already"):
        write_records(dataset, tmp_path / "packed")


def test_what_is_missing_or_damaged_is_said(packed, tmp_path):
    with pytest.raises(UserError, match=r"neither .*other nor .* has an index.csv; keras-reid pack"):
        Records("other").read(tmp_path)
    folder = tmp_path / "packed"
    index = (folder / "index.csv").read_text()
    for text, message in (
        ("a,b\n", r"index\.csv, line 1: the columns must be"),
        (index.replace("train,", "training,", 1), r"index\.csv, line 2: damaged"),
        (index.replace("train,", "x" * 200_000, 1), r"index\.csv: damaged: field larger than field limit"),
        (index.replace("images-00000", "images-00009", 1), r"images-00009\.tfrecord does not exist"),
    ):
        (folder / "index.csv").write_text(text)
        with pytest.raises(UserError, match=message):
            Records("packed").read(tmp_path)
    (folder / "index.csv").write_text(index)
    (folder / "dataset.json").write_text("{")
    with pytest.raises(UserError, match=r"dataset\.json is missing or damaged"):
        Records("packed").read(tmp_path)
