import pytest

from keras_reid import experiment as ex
from keras_reid.data import (
    BENCHMARKS,
    CUHK03,
    MSMT17,
    DukeMTMC,
    Market1501,
    OccludedDuke,
    PartialREID,
    TrainOnly,
    VehicleID,
    VeRi,
    VeRiWild,
)
from keras_reid.utils.errors import UserError
from tests.data.datasets import miniatures

_MARKET, _DUKE = "Market-1501-v15.09.15/query", "DukeMTMC-reID/query"
_OCCLUDED = "Occluded_Duke/bounding_box_test"


def _labels(samples):
    return [(sample.identity, sample.camera) for sample in samples]


def test_market1501(tmp_path):
    miniatures.market1501(tmp_path)
    dataset = Market1501().read(tmp_path)
    assert (dataset.name, dataset.protocol, dataset.junk) == ("market1501", "cross_camera", (0,))
    assert _labels(dataset.train) == [(2, 0), (10, 0), (10, 5)]
    assert _labels(dataset.query) == [(1, 0), (1501, 5)]
    assert _labels(dataset.gallery) == [(0, 2), (1, 1), (1501, 0)]
    assert dataset.query[0].path == str(tmp_path / "Market-1501-v15.09.15/query/0001_c1s1_001051_00.jpg")


def test_market1501_at_the_root_itself_with_distractors(tmp_path):
    miniatures.market1501(tmp_path)
    root = tmp_path / "Market-1501-v15.09.15"
    plain = Market1501().read(str(root))
    assert len(plain.train) == 3
    more = Market1501(distractors=True).read(root)
    assert _labels(more.gallery) == [*_labels(plain.gallery), (0, 0)]
    assert more.name == "market1501_500k"  # both can be tested on at once
    (root / "images").rename(root / "other")
    with pytest.raises(UserError, match=r"images does not exist; the 500,000 distractors"):
        Market1501(distractors=True).read(root)


@pytest.mark.parametrize(
    ("reader", "write", "name"),
    [
        (DukeMTMC(), miniatures.dukemtmc, "dukemtmc"),
        (OccludedDuke(), miniatures.occluded_duke, "occluded_duke"),
    ],
)
def test_duke(tmp_path, reader, write, name):
    write(tmp_path)
    dataset = reader.read(tmp_path)
    assert (dataset.name, dataset.protocol) == (name, "cross_camera")
    assert _labels(dataset.train) == [(1, 1), (900, 0), (7139, 7)]
    assert _labels(dataset.query) == [(5, 1)]
    assert _labels(dataset.gallery) == [(2, 0), (5, 4)]


def test_veri(tmp_path):
    miniatures.veri(tmp_path)
    dataset = VeRi().read(tmp_path)
    assert (dataset.name, dataset.protocol) == ("veri", "cross_camera")
    assert _labels(dataset.train) == [(1, 0), (9, 19), (10, 19)]
    assert _labels(dataset.query) == [(2, 1)]
    assert _labels(dataset.gallery) == [(2, 2), (776, 2)]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "0001_c1_1.jpg",
            r"1 of 4 images do not fit, the first is .*0001_c1_1\.jpg: VeRi-776 names its images",
        ),
        ("0777_c001_1.jpg", r"0777_c001_1\.jpg: identity 777, camera 1; VeRi-776 has identities 0 to 776"),
        ("0001_c021_1.jpg", "camera 21; VeRi-776 .* cameras 1 to 20"),
    ],
)
def test_veri_names_that_do_not_fit(tmp_path, name, message):
    miniatures.veri(tmp_path)
    miniatures.touch(tmp_path / "veri/image_train", name)
    with pytest.raises(UserError, match=message):
        VeRi().read(tmp_path)


def test_missing_folders_are_named_with_the_layout(tmp_path):
    with pytest.raises(
        UserError, match=r"nowhere does not exist; Market-1501 is laid out as Market-1501-v15"
    ):
        Market1501().read(tmp_path / "nowhere")
    with pytest.raises(
        UserError,
        match=r"Market-1501 is not in \S+: none of \S+/Market-1501-v15\.09\.15, \S+/bounding_box_train exists; .*"
        r"laid out as Market-1501-v15\.09\.15/{bounding_box_train,query,bounding_box_test} .*nothing is downloaded",
    ):
        Market1501().read(tmp_path)
    miniatures.dukemtmc(tmp_path)
    root = tmp_path / "DukeMTMC-reID"
    (root / "query").rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=r"query does not exist; DukeMTMC-reID is laid out as"):
        DukeMTMC().read(tmp_path)
    (root / "query").write_bytes(b"")
    with pytest.raises(UserError, match="query is a file, not a folder"):
        DukeMTMC().read(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "person.jpg",
            r"1 of 3 images do not fit.*person\.jpg: Market-1501 names its images IDENTITY_cCAMERA",
        ),
        ("1502_c1s1_1_00.jpg", r"1502_c1s1_1_00\.jpg: identity 1502, camera 1"),
        ("0001_c7s1_1_00.jpg", "identity 1, camera 7; .* cameras 1 to 6"),
    ],
)
def test_names_that_do_not_fit(tmp_path, name, message):
    miniatures.market1501(tmp_path)
    miniatures.touch(tmp_path / "Market-1501-v15.09.15/query", name)
    with pytest.raises(UserError, match=message):
        Market1501().read(tmp_path)


@pytest.mark.parametrize(
    ("reader", "write", "folder", "name", "message"),
    [
        # The first digit alone would be a camera of the set.
        (
            Market1501(),
            miniatures.market1501,
            _MARKET,
            "0004_c12s1_0.jpg",
            "identity 4, camera 12; Market-1501",
        ),
        (DukeMTMC(), miniatures.dukemtmc, _DUKE, "0004_c12s1_0.jpg", "identity 4, camera 12; DukeMTMC-reID"),
        (
            OccludedDuke(),
            miniatures.occluded_duke,
            _OCCLUDED,
            "0004_c15_f01.jpg",
            "identity 4, camera 15; Occ",
        ),
        (
            VeRi(),
            miniatures.veri,
            "veri/image_query",
            "0004_c0015_1_0.jpg",
            r"1 of 2 .*0004_c0015_1_0\.jpg: VeRi-776",
        ),
        (
            Market1501(),
            miniatures.market1501,
            _MARKET,
            "0004_c1x_0.jpg",
            r"1 of 3 images do not fit.*0004_c1x_0",
        ),
        (
            Market1501(),
            miniatures.market1501,
            _MARKET,
            "0004_c1s1x.jpg",
            r"1 of 3 images do not fit.*0004_c1s1x",
        ),
        (Market1501(), miniatures.market1501, _MARKET, "x0004_c1s1_0.jpg", r"1 of 3 images .*x0004_c1s1_0"),
        (Market1501(), miniatures.market1501, _MARKET, "0004x_c1s1_0.jpg", r"1 of 3 images .*0004x_c1s1_0"),
    ],
)
def test_no_number_is_cut_short(tmp_path, reader, write, folder, name, message):
    write(tmp_path)
    miniatures.touch(tmp_path / folder, name)
    with pytest.raises(UserError, match=message):
        reader.read(tmp_path)


def test_names_of_derived_copies(tmp_path):
    # Style transfer and conversion add to the end of a name; identity and camera are as before.
    miniatures.market1501(tmp_path)
    names = (
        "0003_c1s1_000451_03_fake_1to2.jpg",
        "0003_c2s1_000451_03.jpg.jpg",
        "0003_c3.png",
        "0003_c4s2.jpg",
    )
    miniatures.touch(tmp_path / "Market-1501-v15.09.15/bounding_box_train", *names)
    train = Market1501().read(tmp_path).train
    assert _labels(train) == [(2, 0), *((3, camera) for camera in range(4)), (10, 0), (10, 5)]


def test_an_empty_folder(tmp_path):
    miniatures.market1501(tmp_path)
    query = tmp_path / "Market-1501-v15.09.15/query"
    for file in query.iterdir():
        file.unlink()
    miniatures.touch(query, "notes.txt", ".0001_c1s1_1_00.jpg")
    with pytest.raises(UserError, match=r"no images in .*query: no file there is an image"):
        Market1501().read(tmp_path)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_has_a_test_part_and_the_name_in_the_table(tmp_path, name):
    if name.startswith("cuhk03"):
        miniatures.cuhk03_extracted(tmp_path)
    else:
        write = miniatures.BENCHMARK_MINIATURES
        write[name if name in write else name.partition("_")[0]](tmp_path)
    dataset = BENCHMARKS[name].read(tmp_path)
    assert dataset.name == name
    assert dataset.query


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_says_what_is_missing_and_how_it_is_laid_out(tmp_path, name):
    with pytest.raises(UserError, match=r"is not in \S+: none of .* is laid out as .*nothing is downloaded"):
        BENCHMARKS[name].read(tmp_path)


@pytest.mark.parametrize(
    ("reader", "arguments", "changed"),
    [
        (Market1501(), ["--distractors", "True"], Market1501(distractors=True)),
        (MSMT17(), ["--validation", "True"], MSMT17(validation=True)),
        (CUHK03(), ["--labeled", "False", "--split-id", "3"], CUHK03(labeled=False, split_id=3)),
        (VehicleID(), ["--size", "small", "--split-seed", "4"], VehicleID("small", split_seed=4)),
        (VeRiWild(), ["--size", "medium"], VeRiWild("medium")),
        (PartialREID(), ["--cameras", "part"], PartialREID("part")),
        (TrainOnly("viper"), ["--name", "grid"], TrainOnly("grid")),
    ],
)
def test_the_command_line_reaches_every_argument(reader, arguments, changed):
    experiment = ex.Experiment(data=ex.Data(dataset=reader))
    arguments = [argument.replace("--", "--data.dataset.") for argument in arguments]
    assert ex.override(experiment, arguments).data.dataset == changed
