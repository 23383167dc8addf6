"""The order of classes is FastReID's, so that imported classifiers keep their meaning: that of "NAME_IDENTITY"."""

import pytest

from keras_reid.data import BENCHMARKS, CUHK03, MSMT17, Combined, DukeMTMC, Market1501, TrainOnly
from tests.data.datasets import miniatures

# By the rule of FastReID's readers: identities are numbers without leading zeros where it makes them numbers.
CLASSES = {
    "market1501": ["10", "2"],
    "dukemtmc": ["1", "7139", "900"],
    "msmt17": ["0", "10", "2"],
    "occluded_duke": ["1", "7139", "900"],
    "veri": ["1", "10", "9"],
    "vehicleid_all": ["10", "2"],
    "veriwild_large": ["10", "2"],
    "cub200": ["1", "100"],
    "sop": ["1", "10"],
    "inshop": ["id_00000002", "id_00000010"],
}


@pytest.mark.parametrize("name", CLASSES)
def test_benchmarks(tmp_path, name):
    write = miniatures.BENCHMARK_MINIATURES
    write[name if name in write else name.partition("_")[0]](tmp_path)
    dataset = BENCHMARKS[name].read(tmp_path)
    assert dataset.train_labels()[2] == CLASSES[name]
    prefixed = sorted(f"{dataset.name}_{sample.identity}" for sample in dataset.train)
    assert list(dict.fromkeys(prefixed)) == [f"{dataset.name}_{identity}" for identity in CLASSES[name]]


def test_cuhk03(tmp_path):
    miniatures.cuhk03_extracted(tmp_path)
    classes = ["0", "1", "10", "11", "2", "3", "4", "5", "6", "7", "8", "9"]
    assert CUHK03().read(tmp_path).train_labels()[2] == classes


def test_train_only_sets_keep_their_zeros(tmp_path):
    miniatures.touch(tmp_path / "CAVIARa", "0010001.jpg", "0009001.jpg")
    assert TrainOnly("caviara").read(tmp_path).train_labels()[2] == ["0009", "0010"]


@pytest.mark.parametrize(
    ("combine_all", "classes"),
    [
        (
            False,
            [
                "dukemtmc_1", "dukemtmc_7139", "dukemtmc_900", "market1501_10", "market1501_2",
                "msmt17_0", "msmt17_10", "msmt17_2",
            ],
        ),
        (
            True,  # MSMT17 counts test identities on from its 3 training identities
            [
                "dukemtmc_1", "dukemtmc_7139", "dukemtmc_900", "dukemtmc_test_2", "dukemtmc_test_5",
                "market1501_10", "market1501_2", "market1501_test_1", "market1501_test_1501",
                "msmt17_0", "msmt17_10", "msmt17_2", "msmt17_test_10", "msmt17_test_3",
            ],
        ),
    ],
)  # fmt: skip
def test_several_sets(tmp_path, combine_all, classes):
    for write in (miniatures.market1501, miniatures.dukemtmc, miniatures.msmt17):
        write(tmp_path)
    reader = Combined((MSMT17(), Market1501(), DukeMTMC()), combine_all=combine_all)
    assert reader.read(tmp_path).train_labels()[2] == classes
