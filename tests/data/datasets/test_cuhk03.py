import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from keras_reid.data import CUHK03
from keras_reid.data.datasets import extract_cuhk03
from keras_reid.data.datasets.extract_cuhk03 import extract, main
from keras_reid.utils.errors import UserError
from tests.data.datasets import miniatures


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """CUHK03 as distributed, and extracted."""
    root = tmp_path_factory.mktemp("cuhk03")
    miniatures.cuhk03(root)
    main([str(root / "cuhk03")])
    return root


def _labels(samples):
    return [(sample.path.rpartition("/")[2], sample.identity, sample.camera) for sample in samples]


@pytest.mark.parametrize("labeled", [True, False])
def test_the_new_protocol(root, labeled):
    dataset = CUHK03(labeled=labeled).read(root)
    assert (dataset.name, dataset.protocol) == ("cuhk03" if labeled else "cuhk03_detected", "cross_camera")
    # The persons' labels are 1, 5, 9, 13, 2, …, of which 5, 10 and 12 are tested; classes count the others from 0.
    assert _labels(dataset.train)[:6] == [
        ("1_001_1_01.png", 0, 0),
        ("1_001_2_06.png", 0, 1),
        ("1_003_1_01.png", 7, 0),
        ("1_003_2_06.png", 7, 1),
        ("1_004_1_01.png", 9, 0),
        ("1_004_2_06.png", 9, 1),
    ]
    assert len(dataset.train_labels()[2]) == 12
    assert _labels(dataset.query) == [
        ("1_002_1_01.png", 5, 0),
        ("1_007_1_01.png", 10, 0),
        ("2_003_1_01.png", 12, 0),
    ]
    assert _labels(dataset.gallery) == [
        (name.replace("_1_01", "_2_06"), identity, 1) for name, identity, _ in _labels(dataset.query)
    ]
    assert f"images_{'labeled' if labeled else 'detected'}" in dataset.query[0].path


@pytest.mark.parametrize(("split_id", "tested"), [(0, ["1_002", "1_007", "2_003"]), (1, ["1_001", "2_001"])])
def test_the_classic_protocol(root, split_id, tested):
    dataset = CUHK03(classic_split=True, split_id=split_id).read(root)
    assert dataset.name == f"cuhk03_classic{split_id}"
    expected = [
        (f"{person}_{view + 1}_{5 * view + 1:02d}.png", place, view)
        for place, person in enumerate(tested)
        for view in (0, 1)
    ]
    assert _labels(dataset.query) == _labels(dataset.gallery) == expected
    assert [sample.identity for sample in dataset.train[::2]] == list(range(15 - len(tested)))
    assert not {sample.path for sample in dataset.train} & {sample.path for sample in dataset.query}


@pytest.mark.parametrize("boxes", ["labeled", "detected"])
def test_images_are_extracted_to_the_pixel(root, boxes):
    for name in ("1_003_2_06.png", "2_001_1_01.png"):
        pixels = np.asarray(Image.open(root / "cuhk03" / f"images_{boxes}" / name))
        pair, person, _, number = (int(field) for field in name[:-4].split("_"))
        np.testing.assert_array_equal(pixels, miniatures.cuhk03_pixels(boxes, pair, person, number))


def test_what_another_toolbox_extracted_is_read(tmp_path):
    miniatures.cuhk03_extracted(tmp_path)
    dataset = CUHK03(classic_split=True, split_id=19).read(tmp_path)
    assert dataset.train[0].path == str(tmp_path / "cuhk03/images_labeled/1_001_1_01.png")
    assert CUHK03().read(tmp_path / "cuhk03").train == dataset.train  # the root itself


@pytest.mark.parametrize(
    ("arguments", "last"),
    [({"split_id": 1}, 0), ({"classic_split": True, "split_id": 20}, 19), ({"split_id": -1}, 0)],
)
def test_a_split_that_is_not_there(tmp_path, arguments, last):
    miniatures.cuhk03_extracted(tmp_path)
    with pytest.raises(UserError, match=rf"`split_id` must be 0 … {last} for .*Received: split_id="):
        CUHK03(**arguments).read(tmp_path)


def test_reading_writes_nothing_and_says_how_to_extract(tmp_path):
    miniatures.cuhk03(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(
        UserError,
        match=r"images_labeled does not exist; CUHK03 is laid out as .*"
        r"`python -m keras_reid\.data\.datasets\.extract_cuhk03 ROOT/cuhk03` makes",
    ):
        CUHK03().read(tmp_path)
    assert sorted(tmp_path.rglob("*")) == before
    miniatures.cuhk03_extracted(tmp_path)
    file = tmp_path / "cuhk03/splits_new_labeled.json"
    for content in ("{", "[1]", '[{"train": []}]', json.dumps([{"train": [1], "query": [], "gallery": []}])):
        file.write_text(content)
        with pytest.raises(UserError, match=r"splits_new_labeled\.json is not a list of splits with train"):
            CUHK03().read(tmp_path)
    file.unlink()
    with pytest.raises(UserError, match=r"splits_new_labeled\.json does not exist; CUHK03 is laid out as"):
        CUHK03().read(tmp_path)


def test_extracting_says_what_is_wrong_and_writes_nothing(tmp_path):
    miniatures.cuhk03(tmp_path)
    folder, output = tmp_path / "cuhk03", tmp_path / "new"
    release, config = folder / "cuhk03_release/cuhk-03.mat", folder / "cuhk03_new_protocol_config_labeled.mat"
    release.rename(tmp_path / "aside")
    with pytest.raises(UserError, match=r"cuhk-03\.mat does not exist; CUHK03 is distributed as"):
        extract(folder, output)
    release.write_bytes(b"MATLAB")
    with pytest.raises(UserError, match=r"cuhk-03\.mat is not a MATLAB file of version 7\.3"):
        extract(folder, output)
    config.write_bytes(b"MATLAB")
    with pytest.raises(UserError, match=r"config_labeled\.mat is not a MATLAB file of versions 5 to 7"):
        extract(folder, output)
    assert not output.exists()


@pytest.mark.parametrize("name", ["1_001_3_01.png", "1_001_12_01.png", "1_001.png", "1_001_1_01"])
def test_a_view_that_is_none_is_refused(name):
    with pytest.raises(
        UserError, match=f"PAIR_PERSON_VIEW_IMAGE.png, where VIEW is 1 or 2. Received: '{name}'"
    ):
        extract_cuhk03._camera(name)


def test_the_command_writes_where_it_is_told(tmp_path):
    miniatures.cuhk03(tmp_path)
    before = sorted((tmp_path / "cuhk03").rglob("*"))
    command = [sys.executable, "-W", "error", "-m", "keras_reid.data.datasets.extract_cuhk03"]
    subprocess.run([*command, str(tmp_path / "cuhk03"), "--output", str(tmp_path / "out")], check=True)
    assert sorted((tmp_path / "cuhk03").rglob("*")) == before
    assert len(CUHK03().read(tmp_path / "out").train) == 24
