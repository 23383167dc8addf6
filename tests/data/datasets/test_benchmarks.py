import pytest

from keras_reid.data import DukeMTMC, Market1501
from keras_reid.errors import UserError

# As distributed: sequences, frames and boxes in the name, a helper file, capitals, a junk and a background
# identity.
MARKET = {
    "bounding_box_train": [
        "0002_c1s1_000451_03.jpg",
        "0010_c6s4_000100_01.JPG",
        "0010_c1s1_000001_01.jpg",
        "Thumbs.db",
    ],
    "query": ["0001_c1s1_001051_00.jpg", "1501_c6s3_1_00.jpg"],
    "bounding_box_test": [
        "-1_c1s1_000401_03.jpg",
        "0000_c3s1_2_05.jpg",
        "0001_c2s1_3_00.jpg",
        "1501_c1s1_4_00.jpg",
    ],
}
DUKE = {
    "bounding_box_train": ["0001_c2_f0046182.jpg", "7139_c8_f0000001.jpg"],
    "query": ["0005_c2_f0046985.jpg"],
    "bounding_box_test": ["0002_c1_f0044158.jpg", "0005_c5_f0051781.jpg"],
}


def _write(folder, parts):
    for part, names in parts.items():
        (folder / part).mkdir(parents=True)
        for name in names:
            (folder / part / name).write_bytes(b"")
    return folder


def _labels(samples):
    return [(sample.identity, sample.camera) for sample in samples]


def test_market1501(tmp_path):
    _write(tmp_path / "Market-1501-v15.09.15", MARKET)
    dataset = Market1501().read(tmp_path)
    assert (dataset.name, dataset.protocol) == ("market1501", "cross_camera")
    assert _labels(dataset.train) == [(2, 0), (10, 0), (10, 5)]
    assert dataset.train_labels()[2] == ["10", "2"]
    assert _labels(dataset.query) == [(1, 0), (1501, 5)]
    assert _labels(dataset.gallery) == [(0, 2), (1, 1), (1501, 0)]
    assert dataset.query[0].path == str(tmp_path / "Market-1501-v15.09.15/query/0001_c1s1_001051_00.jpg")


def test_market1501_at_the_root_itself_with_distractors(tmp_path):
    _write(tmp_path, MARKET)
    plain = Market1501().read(str(tmp_path))
    with pytest.raises(UserError, match=r"images does not exist; the 500,000 distractors"):
        Market1501(distractors=True).read(tmp_path)
    _write(tmp_path, {"images": ["0000_c1s1_9_00.jpg", "-1_c1s1_9_01.jpg"]})
    more = Market1501(distractors=True).read(tmp_path)
    assert _labels(more.gallery) == [*_labels(plain.gallery), (0, 0)]


def test_dukemtmc(tmp_path):
    _write(tmp_path / "DukeMTMC-reID", DUKE)
    dataset = DukeMTMC().read(tmp_path)
    assert (dataset.name, dataset.protocol) == ("dukemtmc", "cross_camera")
    assert _labels(dataset.train) == [(1, 1), (7139, 7)]
    assert _labels(dataset.query) == [(5, 1)]
    assert _labels(dataset.gallery) == [(2, 0), (5, 4)]


def test_missing_folders_are_named_with_the_layout(tmp_path):
    with pytest.raises(
        UserError, match=r"nowhere does not exist; Market-1501 is laid out as Market-1501-v15"
    ):
        Market1501().read(tmp_path / "nowhere")
    _write(tmp_path, {part: names for part, names in DUKE.items() if part != "query"})
    with pytest.raises(UserError, match=r"query does not exist; DukeMTMC-reID is laid out as"):
        DukeMTMC().read(tmp_path)
    (tmp_path / "query").write_bytes(b"")
    with pytest.raises(UserError, match="query is a file, not a folder"):
        DukeMTMC().read(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("person.jpg", r"person\.jpg: Market-1501 names its images IDENTITY_cCAMERA"),
        ("1502_c1s1_1_00.jpg", r"1502_c1s1_1_00\.jpg: identity 1502, camera 1"),
        ("0001_c7s1_1_00.jpg", "identity 1, camera 7; .* cameras 1 to 6"),
    ],
)
def test_names_that_do_not_fit(tmp_path, name, message):
    _write(tmp_path, {**MARKET, "query": [name]})
    with pytest.raises(UserError, match=message):
        Market1501().read(tmp_path)


def test_an_empty_folder(tmp_path):
    _write(tmp_path, {**MARKET, "query": ["notes.txt", ".0001_c1s1_1_00.jpg"]})
    with pytest.raises(UserError, match=r"no images in .*query: no file there ends in \.jpg"):
        Market1501().read(tmp_path)
