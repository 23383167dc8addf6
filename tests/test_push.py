"""`keras-reid push`: to a folder and to a Hub on loopback, all or nothing, and read back."""

import json
import subprocess
import sys

import numpy as np
import pytest

from keras_reid.export.hashes import note_model
from keras_reid.models import load_model
from keras_reid.push import main
from keras_reid.utils.errors import UserError
from keras_reid.utils.manifest import MANIFEST, check_folder
from keras_reid.utils.model_file import fingerprint
from keras_reid.zoo.hub import fetch
from tests.shared_run import CALIBRATION, write_exports, write_run

FILES = {
    *("README.md", "model.keras", "metrics.json", "experiment.json", MANIFEST),
    *("exports/onnx/float32/model.onnx", "exports/onnx/float32/parity.json"),
}


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "runs", calibration=CALIBRATION)


def names(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_to_a_folder(run, tmp_path, capsys):
    target = tmp_path / "shared"
    main([str(run), str(target), "--exports", str(write_exports(tmp_path)), "--licence", "mit"])
    assert names(target) == FILES
    assert set(check_folder(target)) == FILES - {MANIFEST}
    assert (target / "model.keras").read_bytes() == (run / "model.keras").read_bytes()
    printed = capsys.readouterr().out
    assert f"{target}: 6 files and their SHA-256\n" in printed
    settings = json.loads((target / "experiment.json").read_text())
    assert settings["data"]["root"] == "…/datasets"
    assert "/home" not in (target / "README.md").read_text() + (target / "experiment.json").read_text()


def test_a_shared_folder_is_replaced_and_nothing_else(run, tmp_path):
    target = tmp_path / "shared"
    main([str(run), str(target), "--exports", str(write_exports(tmp_path))])
    main([str(run), str(target)])
    assert names(target) == {name for name in FILES if not name.startswith("exports")}
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(UserError, match="is not an earlier export"):
        main([str(run), str(tmp_path / "mine")])


def test_to_the_hub(run, hub, tmp_path, capsys):
    main([str(run), "hf://me/market", "--private", "--exports", str(write_exports(tmp_path))])
    assert set(hub.files("me/market")) >= FILES
    assert hub.private == {"me/market"}
    assert len(hub.repositories["me/market"]) == 2  # the Hub's own first commit, and ours
    assert f"{hub.url}/me/market/commit/" in capsys.readouterr().out
    assert fetch("hf://me/market").read_bytes() == (run / "model.keras").read_bytes()
    assert b"keras-reid embed hf://me/market IMAGES" in hub.files("me/market")["README.md"]
    assert b"hf_secret" not in b"".join(hub.files("me/market").values())


def test_a_card_of_ones_own(run, tmp_path, capsys):
    (run / "README.md").write_text("# Mine\n")
    main([str(run), str(tmp_path / "shared")])
    assert (tmp_path / "shared" / "README.md").read_text() == "# Mine\n"
    assert f"card: {run / 'README.md'}\n" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"--licence is for a card that is made now.*Change it there"):
        main([str(run), str(tmp_path / "shared"), "--licence", "mit"])


def test_exports_that_are_not_what_was_verified(run, tmp_path):
    exports = write_exports(tmp_path)
    (exports / "onnx" / "float32" / "model.onnx").write_bytes(b"grapf")
    with pytest.raises(UserError, match=r"model\.onnx has changed since the artefact was verified"):
        main([str(run), str(tmp_path / "shared"), "--exports", str(exports)])
    unverified = write_exports(tmp_path / "b", verified=False)
    with pytest.raises(UserError, match="does not say that the artefact was verified"):
        main([str(run), str(tmp_path / "shared"), "--exports", str(unverified)])
    assert not (tmp_path / "shared").exists()


def test_exports_of_another_model(run, tmp_path):
    exports = write_exports(tmp_path)
    note_model(exports / "onnx" / "float32", "0" * 32)
    with pytest.raises(
        UserError, match=r"onnx/float32 was made of another model than .*market_r18\. Export this one"
    ):
        main([str(run), str(tmp_path / "shared"), "--exports", str(exports)])
    note_model(exports / "onnx" / "float32", fingerprint(run / "model.keras"))
    main([str(run), str(tmp_path / "shared"), "--exports", str(exports)])


def test_what_is_refused_before_anything_is_read(run, tmp_path):
    for arguments, message in (
        ([str(run), "hf://me"], "must be hf://ORGANISATION/REPOSITORY"),
        ([str(run), str(tmp_path / "x"), "--private"], "--private is for the Hub, and TARGET is a folder"),
        ([str(tmp_path / "none"), "hf://me/a"], "there is no such run directory"),
    ):
        with pytest.raises(UserError, match=message):
            main(arguments)


def test_without_huggingface_hub(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError, match=r"pip install 'keras_reid\[hub\]'"):
        main([str(run), "hf://me/market"])


@pytest.mark.medium
def test_it_needs_no_keras(run, tmp_path):
    code = "import sys; from keras_reid.push import main; main(sys.argv[1:]); print('keras' in sys.modules)"
    finished = subprocess.run(
        [sys.executable, "-c", code, str(run), str(tmp_path / "shared")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout.endswith("False\n")


@pytest.mark.medium
def test_a_trained_model_comes_back(smoke_run, hub, tmp_path):
    run, _ = smoke_run
    main([str(run), "hf://me/quickstart"])
    main([str(run), str(tmp_path / "shared")])
    ours = load_model(run)
    images = np.random.default_rng(0).integers(0, 256, (2, *ours.image_size, 3)).astype("uint8")
    for source in (fetch("hf://me/quickstart"), tmp_path / "shared", tmp_path / "shared" / "model.keras"):
        again = load_model(source).predict(images, verbose=0)
        np.testing.assert_array_equal(again, ours.predict(images, verbose=0))
    content = bytearray((tmp_path / "shared" / "model.keras").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "shared" / "model.keras").write_bytes(content)
    with pytest.raises(UserError, match=r"shared/model\.keras has changed since it was shared"):
        load_model(tmp_path / "shared")
