import contextlib
import errno
import hashlib
import io
import shutil
import threading
import types

import numpy as np
import pytest

from keras_reid.backbones import ResNet
from keras_reid.heads import BNNeckHead
from keras_reid.models import Distiller, ReIDModel
from keras_reid.utils.errors import UserError
from keras_reid.utils.manifest import write_manifest
from keras_reid.utils.model_file import find_model_file
from keras_reid.zoo import building, entry, resolve
from keras_reid.zoo.hub import send
from keras_reid.zoo.resolving import file_name, is_published, weights_file
from tests.web_server import WebServer
from tests.weights.test_fastreid import small_state
from tests.zoo import small_model
from tests.zoo.small_model import FILE, NAME


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    return small_model.content(tmp_path_factory.mktemp("small") / FILE)


@pytest.fixture
def site(monkeypatch, tmp_path, content):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("KERAS_REID_OFFLINE", raising=False)
    with WebServer().running() as server:
        server.files[f"/{FILE}"] = content
        yield server


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "home" / "keras_reid" / "zoo" / "fastreid" / "small-bot-r18"


@pytest.fixture(scope="module")
def built(content, tmp_path_factory):
    """The cache with the converted model, which costs a second to make; what was said; the requests; the model."""
    with pytest.MonkeyPatch.context() as patch, WebServer().running() as server:
        home = tmp_path_factory.mktemp("built")
        patch.setenv("no_proxy", "*")
        patch.setenv("KERAS_HOME", str(home))
        server.files[f"/{FILE}"] = content
        small_model.publish(patch, server.address)
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            model = ReIDModel.from_preset(NAME)
        return types.SimpleNamespace(
            cache=home / "keras_reid", said=said.getvalue(), requests=server.requests, model=model
        )


@pytest.fixture
def cached(built, site, folder, monkeypatch):
    """The model is in the cache."""
    small_model.publish(monkeypatch, site.address)
    shutil.copytree(built.cache, folder.parents[2], dirs_exist_ok=True)


def test_by_name_it_is_fetched_converted_and_loaded(built, content):
    model, folder = built.model, built.cache / "zoo" / "fastreid" / "small-bot-r18"
    state = small_state()
    np.testing.assert_array_equal(np.asarray(model.head.classifier.kernel).T, state["heads.weight"])
    kernel = np.asarray(model.backbone.get_layer("conv1").kernel)
    np.testing.assert_array_equal(kernel.transpose(3, 2, 0, 1), state["backbone.conv1.weight"])
    assert model.image_size == (256, 128)
    digest = hashlib.sha256(content).hexdigest()
    assert f"{NAME}: licence: none stated; trained on MSMT17, which its authors withdrew\n" in built.said
    assert f"fetching {FILE}" in built.said
    assert f"{FILE}: SHA-256 {digest}, not verified: its publisher gives no hash\n" in built.said
    assert f"converting {FILE} to Keras; later calls use {folder / 'model.keras'}\n" in built.said
    assert sorted(file.name for file in folder.iterdir()) == ["model.keras", FILE, "zoo.json"]
    assert len(built.requests) == 1
    provenance = model.metadata["provenance"]["zoo"]
    assert provenance["name"] == NAME
    assert provenance["sha256"] == digest
    assert provenance["trained_on"] == ["Market-1501", "MSMT17"]


@pytest.mark.usefixtures("cached")
def test_from_the_cache_without_a_network(site, folder, monkeypatch, capsys):
    monkeypatch.setattr(building, "build", None)  # nothing is converted again
    monkeypatch.setenv("KERAS_REID_OFFLINE", "1")
    assert resolve(NAME) == str(folder / "model.keras")
    assert find_model_file(resolve(NAME, offline=True)) == folder / "model.keras"
    assert site.requests == []
    assert capsys.readouterr().err == ""  # terms and hash are told once


@pytest.mark.usefixtures("cached")
def test_made_again_where_it_would_become_another(site, folder, monkeypatch, capsys):
    config = {"MODEL": {"META_ARCHITECTURE": "Baseline"}}
    small_model.publish(monkeypatch, site.address, sha256=None, size=None)
    made = []
    monkeypatch.setattr(building, "build", lambda row, file: made.append(row.config) or _Saved())
    row = small_model.publish(monkeypatch, site.address)
    object.__setattr__(row, "config", config)
    resolve(NAME, offline=True)
    assert made == [config]
    assert (folder / "model.keras").read_text() == "saved"


class _Saved:
    def __init__(self):
        self.metadata = {}

    def save(self, path):
        path.write_text("saved")


def test_two_at_once_convert_once(site, folder, monkeypatch):
    small_model.publish(monkeypatch, site.address)
    made = []
    monkeypatch.setattr(building, "build", lambda row, file: made.append(row) or _Saved())
    threads = [threading.Thread(target=resolve, args=(NAME,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == len(site.requests) == 1
    assert sorted(file.name for file in folder.iterdir()) == ["model.keras", FILE, "zoo.json"]


def test_a_full_disk_leaves_the_file_and_no_model(site, folder, monkeypatch):
    small_model.publish(monkeypatch, site.address)

    class Full(_Saved):
        def save(self, path):
            path.write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(building, "build", lambda row, file: Full())
    with pytest.raises(OSError, match="No space left") as caught:
        resolve(NAME)
    assert caught.value.filename == str(folder / "model.keras")
    assert sorted(file.name for file in folder.iterdir()) == [FILE, "zoo.json"]


def test_offline_without_the_file(site, folder, monkeypatch):
    small_model.publish(monkeypatch, site.address)
    with pytest.raises(
        UserError, match=rf"not in the cache, and nothing is fetched .*put the file at {folder / FILE}"
    ):
        resolve(NAME, offline=True)
    assert site.requests == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sha256": "0" * 64}, "its SHA-256 should begin with 00000000"),
        ({"size": 5}, "it should have 5 bytes, and the server has"),
    ],
)
def test_a_file_that_is_not_the_published_one(changes, said, site, folder, monkeypatch):
    small_model.publish(monkeypatch, site.address, **changes)
    with pytest.raises(UserError, match=said):
        resolve(NAME)
    assert not (folder / FILE).exists()
    assert not (folder / "model.keras").exists()


def test_a_hash_that_is_published(site, folder, monkeypatch, content, capsys):
    digest = hashlib.sha256(content).hexdigest()
    small_model.publish(monkeypatch, site.address, sha256=digest, size=len(content))
    assert weights_file(NAME) == folder / FILE
    assert f"SHA-256 {digest}, as published" in capsys.readouterr().err


def test_a_copy_of_others(site, monkeypatch, content, capsys):
    copies = ({"at": "https://example.org/copy", "sha256": hashlib.sha256(content).hexdigest()},)
    small_model.publish(monkeypatch, site.address, copies=copies)
    weights_file(NAME)
    assert "equal to the file at https://example.org/copy" in capsys.readouterr().err


@pytest.mark.usefixtures("cached")
def test_another_file_than_the_first_time(folder, content):
    (folder / FILE).write_bytes(content[:-1] + b"!")
    with pytest.raises(
        UserError, match=rf"is not the file of \d.*; if the new one is right, remove {folder}"
    ):
        weights_file(NAME)


def test_a_file_put_there_by_hand(site, folder, monkeypatch, content):
    small_model.publish(monkeypatch, site.address)
    folder.mkdir(parents=True)
    (folder / FILE).write_bytes(content)
    assert weights_file(NAME, offline=True) == folder / FILE
    (folder / FILE).write_text("<html>")
    with pytest.raises(UserError, match=r"is not the file published at .* is a web page"):
        weights_file(NAME)
    assert site.requests == []


def test_google_sends_a_page(site, folder, monkeypatch):
    """As it does where a file is asked for too often, or wants a person to confirm."""
    site.files[f"/{FILE}"] = b"<!DOCTYPE html><html>Quota exceeded</html>"
    row = small_model.publish(monkeypatch, site.address, drive="ID", base_url="")
    monkeypatch.setattr(type(row), "url", property(lambda self: f"{site.address}/{FILE}"))
    page = r"https://drive\.google\.com/file/d/ID/view"
    with pytest.raises(
        UserError, match=rf"is a web page.*open {page} in a browser.*put the file at {folder / FILE}"
    ):
        resolve(NAME)


def test_a_damaged_file_leaves_no_model(site, folder, monkeypatch, content):
    site.files[f"/{FILE}"] = content[: len(content) // 2]
    small_model.publish(monkeypatch, site.address)
    with pytest.raises(UserError, match=rf"^{NAME}: .*damaged or cut short"):
        resolve(NAME)
    assert not (folder / "model.keras").exists()


def test_a_licence_that_must_be_accepted(site, monkeypatch):
    terms = {"licence": "CC BY-NC 4.0", "restricted": "its licence forbids commercial use", "accept": True}
    small_model.publish(monkeypatch, site.address, **terms)
    monkeypatch.setenv("KERAS_REID_ACCEPT_LICENCES", "another/model")
    with pytest.raises(
        UserError, match=r"licence is CC BY-NC 4\.0: .*--accept-licence .*ACCEPT_LICENCES=fastreid/"
    ):
        weights_file(NAME)
    assert site.requests == []
    weights_file(NAME, accept_licence=True)
    monkeypatch.setenv("KERAS_REID_ACCEPT_LICENCES", f"another/model,{NAME}")
    weights_file(NAME)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "solider/swin-base-msmt17",
            r"it needs a Swin backbone .* It is at https://drive\.google\.com/file/d/1Y-R",
        ),
        ("torchvision/resnet50", r'a backbone without a head.* pretrained="torchvision/resnet50"'),
        ("keras-hub/dinov2-small", "it needs keras-hub"),
    ],
)
def test_what_cannot_be_used_by_name(name, said):
    with pytest.raises(UserError, match=said):
        resolve(name)


def test_an_existing_path_wins_over_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "fastreid" / "market-bot-r50"
    path.mkdir(parents=True)
    assert resolve("fastreid/market-bot-r50") == "fastreid/market-bot-r50"
    assert not is_published("fastreid/market-bot-r50")


def test_neither_path_nor_name():
    with pytest.raises(
        UserError, match=r"no such run directory .* The nearest names .* are fastreid/market-bot-r50,"
    ):
        resolve("fastreid/market-bot-r5")
    assert resolve("runs/missing") == "runs/missing"  # the command says that it is missing


@pytest.mark.usefixtures("cached")
def test_an_address_of_a_model(site, folder, tmp_path):
    site.files["/mine.keras"] = (folder / "model.keras").read_bytes()
    path = resolve(site.url("/mine.keras", hashed=True))
    assert path.endswith("/mine.keras")
    assert resolve(site.url("/mine.keras", hashed=True), offline=True) == path
    assert find_model_file(path).read_bytes() == site.files["/mine.keras"]


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("https://example.org/a.keras", r"must say which file it means: URL#sha256=HEX"),
        ("https://example.org/a.keras#sha256=12", r"must say which file it means"),
        (f"https://example.org/#sha256={'0' * 64}", r"must end in the name .* Received: no name"),
        (f"https://example.org/a.zip#sha256={'0' * 64}", r"must end in the name .* Received: a\.zip"),
    ],
)
def test_an_address_that_says_too_little(address, said):
    with pytest.raises(UserError, match=said):
        resolve(address)


def test_an_address_of_the_hub(hub, site, tmp_path, built, monkeypatch):
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "model.keras").write_bytes((built.cache / "zoo" / NAME / "model.keras").read_bytes())
    (shared / FILE).write_bytes(site.files[f"/{FILE}"])
    write_manifest(shared)
    send(shared, "hf://me/mine")
    path = find_model_file(resolve("hf://me/mine"))
    assert path.read_bytes() == (shared / "model.keras").read_bytes()
    made = []
    monkeypatch.setattr(
        building, "build", lambda row, file: made.append((row.builder, file.name)) or _Saved()
    )
    path = resolve(f"hf://me/mine/{FILE}")
    hub.requests.clear()
    assert resolve(f"hf://me/mine/{FILE}", offline=True) == path
    assert made == [("file", FILE)]
    assert not hub.requests


@pytest.mark.usefixtures("cached")
def test_a_backbone_starts_from_it(built):
    backbone = ResNet(depth=18, width=4, pretrained=NAME)
    for weight, expected in zip(backbone.weights, built.model.backbone.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(weight), np.asarray(expected))


@pytest.mark.medium
@pytest.mark.usefixtures("cached")
def test_a_student_learns_from_it(built):
    student = ReIDModel(ResNet(depth=18, width=4), built.model.pooling, BNNeckHead(37), (256, 128))
    (teacher,) = Distiller(student, NAME, logit_loss=None)._teaching.teachers
    np.testing.assert_array_equal(teacher.head.classifier.kernel, built.model.head.classifier.kernel)


@pytest.mark.usefixtures("cached")
def test_a_damaged_record(folder):
    (folder / "zoo.json").write_text("[]")
    with pytest.raises(UserError, match=r"zoo\.json: is damaged\. Remove it"):
        entry.Entry(NAME).record()


def test_names_of_results():
    assert str(file_name("fastreid/market-bot-r50", ".json")) == "fastreid-market-bot-r50.json"
    assert str(file_name("https://a.org/b/c.keras#sha256=0", ".json")) == "a.org-b-c.json"
