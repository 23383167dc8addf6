"""Networks of the registry by their names, from generated files, against what PyTorch computed (`tests/golden`)."""

import warnings

import numpy as np
import pytest

from keras_reid.models import ReIDModel
from keras_reid.zoo import registry
from keras_reid.zoo.building import build
from tests import golden
from tests.checkpoints import writing
from tests.web_server import WebServer
from tests.weights import test_torchreid, test_transreid
from tests.weights.test_fastreid import first_release


def by_name(name, file, home, monkeypatch):
    """The model of a name, fetched from a server of this machine that has `file`."""
    monkeypatch.setenv("KERAS_HOME", str(home))
    monkeypatch.setenv("no_proxy", "*")
    row = registry.find_row(name)
    with WebServer().running() as server, warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # the registry tells everything: nothing may be assumed
        server.files[f"/{row.file}"] = file.read_bytes()
        monkeypatch.setattr(registry.Row, "url", property(lambda row: f"{server.address}/{row.file}"))
        return ReIDModel.from_preset(name)


@pytest.mark.parametrize(
    ("name", "case", "first_names"),
    [
        pytest.param("fastreid/market-bot-r50", "bot_r50", True, marks=pytest.mark.medium),
        pytest.param("fastreid/market-sbs-r50-ibn", "sbs_r50_ibn", True, marks=pytest.mark.slow),
        pytest.param("fastreid/veri-sbs-r50-ibn", "sbs_r50_ibn", True, marks=pytest.mark.slow),
        # Under the first names, a ResNeSt has no dilation, and an MGN other heads (tests/weights/test_first_releases).
        pytest.param("fastreid/market-bot-s50", "bot_s50", False, marks=pytest.mark.slow),
        pytest.param("fastreid/market-mgn-r50-ibn", "mgn_r50_ibn", False, marks=pytest.mark.slow),
    ],
)
def test_by_name_it_gives_the_embedding_that_pytorch_computed(name, case, first_names, tmp_path, monkeypatch):
    expected = golden.load(case)
    state = golden.state_dict(expected)
    file = writing.write_torch_file(tmp_path / "file.pth", first_release(state) if first_names else state)
    model = by_name(name, file, tmp_path, monkeypatch)
    row = registry.find_row(name)
    assert model.image_size == row.image_size
    feature_map = model.backbone(model.normalize(golden.images(expected)), training=False)
    embedding = np.asarray(model.head(model.pooling(feature_map))["embedding"])
    assert golden.relative_error(embedding[:, :64], expected["embedding_first_64"]) < 1e-4
    assert golden.relative_error(np.linalg.norm(embedding, axis=1), expected["embedding_l2_norms"]) < 1e-4


@pytest.mark.medium
def test_osnet_ain_by_name(tmp_path, monkeypatch):
    state, expected = test_torchreid.ain_state()
    file = writing.write_torch_file(tmp_path / "file.pth", state)
    model = by_name("torchreid/osnet-ain-x1-0-market", file, tmp_path, monkeypatch)
    test_torchreid.check(model, state, expected)


@pytest.mark.medium
def test_transreid_by_name(tmp_path, monkeypatch):
    """The published networks have 768 channels, this one 128."""
    state, expected = test_transreid.case("transreid_plain")
    file = writing.write_torch_file(tmp_path / "file.pth", state)
    model = by_name("transreid/vit-veri", file, tmp_path, monkeypatch)
    assert model.image_size == (256, 256)
    rows = [2 * camera + view for camera, view in zip(expected["cameras"], expected["views"], strict=True)]
    test_transreid.check(model, rows, expected)


@pytest.mark.medium
def test_personvit_from_a_path(tmp_path):
    """Its row cannot be fetched by name, but says all that the weights do not."""
    state, expected = test_transreid.case("personvit_stem")
    file = writing.write_torch_file(tmp_path / "file.pth", {f"module.{name}": x for name, x in state.items()})
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model = build(registry.find_row("personvit/reid"), file)
    test_transreid.check(model, None, expected)
