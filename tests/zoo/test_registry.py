import itertools
import re

import pytest

from keras_reid.checkpoints import PUBLISHED
from keras_reid.utils.errors import UserError
from keras_reid.zoo import Row, find_row, rows
from keras_reid.zoo.registry import BUILDERS, PIXELS, TASKS, nearest

ALL = rows()
_BUILT = [row for row in ALL.values() if not row.needs]
_RESULTS = {"on", "rank1", "rank5", "mAP", "mINP"}
_MEASURED = _RESULTS | {"queries", "by", "sha256", "data"}


def test_what_the_zoo_has():
    fastreid = [row for name, row in ALL.items() if name.startswith("fastreid/")]
    assert len(fastreid) == len({row.url for row in fastreid}) == 41
    assert sum(name.startswith("torchreid/") for name in ALL) == 43
    assert {row.published for row in ALL.values()} - {None} == set(PUBLISHED)
    assert {row.task for row in ALL.values()} == set(TASKS)
    assert all("market" in name for name in ALL if ALL[name].trained_on == ("Market-1501",))


@pytest.mark.parametrize("row", ALL.values(), ids=list(ALL))
def test_a_row_is_complete_and_says_only_what_is_known(row):
    row = row.complete()
    assert re.fullmatch(r"[a-z0-9-]+/[a-z0-9-]+", row.name)
    assert row.builder in BUILDERS or row.needs
    assert row.network
    assert row.trained_on
    assert row.licence
    assert row.source.startswith("https://")
    assert row.image_size is None or min(row.image_size) >= 64
    assert row.pixels is None or row.pixels in PIXELS
    assert row.sha256 is None or re.fullmatch("[0-9a-f]{64}", row.sha256)
    assert row.accept <= bool(row.restricted)
    for result in (*row.claimed, *row.measured):
        assert set(result) <= (_RESULTS if result in row.claimed else _MEASURED)
        assert all(0 < result[key] <= 100 for key in _RESULTS - {"on"} if key in result)
    if not row.needs:
        assert row.checked_by != Row.checked_by
        assert row.url.startswith("https://")
        assert row.file.endswith(".pth")
        assert row.image_size


def test_no_two_rows_share_a_file():
    for a, b in itertools.combinations(_BUILT, 2):
        a, b = a.complete(), b.complete()
        assert a.url != b.url, (a.name, b.name)


def test_fastreid_rows_say_all_that_the_weights_do_not():
    for row in _BUILT:
        if row.builder == "fastreid":
            assert tuple(row.config["INPUT"]["SIZE_TEST"]) == row.image_size
            assert (row.config["MODEL"]["META_ARCHITECTURE"] == "MGN") == ("-mgn-" in row.name)


def test_withdrawn_sets_are_flagged():
    assert find_row("fastreid/duke-bot-r50").withdrawn == ("DukeMTMC-reID",)
    assert find_row("torchreid/osnet-ain-x1-0-msmt17-duke-cuhk03").withdrawn == ("MSMT17", "DukeMTMC-reID")
    assert find_row("fastreid/market-bot-r50").withdrawn == ()


def test_addresses():
    assert find_row("fastreid/market-sbs-r50-ibn").url == (
        "https://github.com/JDAI-CV/fast-reid/releases/download/v0.1.1/market_sbs_R50-ibn.pth"
    )
    drive = find_row("torchreid/osnet-x0-25-market")
    assert drive.url == (
        "https://drive.usercontent.google.com/download?id=1z1UghYvOTtjx7kEoRfmqSMu-z62J6MAj&export=download&confirm=t"
    )
    assert drive.where == "https://drive.google.com/file/d/1z1UghYvOTtjx7kEoRfmqSMu-z62J6MAj/view"
    assert find_row("torchvision/resnet50").complete().file == "resnet50-19c8e357.pth"
    imagenet = find_row("torchreid/osnet-x1-0-imagenet").complete()
    assert imagenet.where == "https://drive.google.com/file/d/1LaG1EJpHrxdAxKnSCJ_i0u-nbxSAeiFY/view"


def test_tasks():
    assert list(rows("animal")) == ["miewid/msv2", "miewid/msv3", "megadescriptor/l-384"]
    with pytest.raises(UserError, match=r"one of person, vehicle, animal, general\. Received: birds"):
        rows("birds")


def test_an_unknown_name_is_told_the_nearest():
    assert nearest("fastreid/market-sbs-r5")[0] == "fastreid/market-sbs-r50"
    assert nearest("runs/quickstart") == []
    with pytest.raises(
        UserError, match=r"no published model has this name\. The nearest are fastreid/veri-sbs"
    ):
        find_row("fastreid/veri-sbs-r50")
    with pytest.raises(UserError, match=r"^x: no published model has this name\. `keras-reid zoo list`"):
        find_row("x")
