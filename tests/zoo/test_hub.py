"""Files of the Hub: fetched, checked and committed, on a server on loopback."""

import pathlib
import shutil
import sys

import pytest

from keras_reid.utils.errors import UserError
from keras_reid.utils.manifest import MANIFEST, write_manifest
from keras_reid.zoo.hub import HubPath, fetch, send

FILES = {
    "README.md": b"---\nlicense: mit\n---\n",
    "model.keras": b"weights",
    "exports/onnx/model.onnx": b"graph",
}


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "shared"
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    write_manifest(folder)
    return folder


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("hf://me/model", ("me/model", None, None)),
        ("hf://me/model@v1.0", ("me/model", "v1.0", None)),
        ("hf://me/model/a/b.keras", ("me/model", None, "a/b.keras")),
        ("hf://me/my-model_2@main/b.keras", ("me/my-model_2", "main", "b.keras")),
    ],
)
def test_addresses(spec, parts):
    assert HubPath.parse(spec) == HubPath(*parts)
    assert str(HubPath.parse(spec)) == spec


@pytest.mark.parametrize(
    "spec", ["hf://me", "hf://me/model/../x", "hf://me/model@", "me/model", "hf://me/model//x", "hf://me/m o"]
)
def test_addresses_of_another_form(spec):
    with pytest.raises(
        UserError, match=r"must be hf://ORGANISATION/REPOSITORY\[@REVISION\]\[/FILE\]\. Received"
    ):
        HubPath.parse(spec)


def test_without_huggingface_hub(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError, match=r"hf:// needs huggingface_hub.*pip install 'keras_reid\[hub\]'"):
        fetch("hf://me/model")


def test_sent_and_fetched(hub, folder):
    address = send(folder, "hf://me/model", private=True)
    assert address == f"{hub.url}/me/model/commit/{1:040x}"
    assert hub.private == {"me/model"}
    sent = hub.files("me/model")
    assert {name: sent[name] for name in FILES} == FILES
    assert [path for method, path in hub.requests if "/commit/" in path] == [
        "/api/models/me/model/commit/main"
    ]
    for spec, name in (
        ("hf://me/model", "model.keras"),
        (f"hf://me/model@{1:040x}", "model.keras"),
        ("hf://me/model/exports/onnx/model.onnx", "exports/onnx/model.onnx"),
    ):
        assert fetch(spec).read_bytes() == FILES[name]
    hub.requests.clear()
    assert fetch("hf://me/model", offline=True).read_bytes() == FILES["model.keras"]
    assert not hub.requests


def test_what_is_gone_is_removed(hub, folder):
    send(folder, "hf://me/model")
    shutil.rmtree(folder / "exports")
    (folder / "model.keras").write_bytes(b"better weights")
    write_manifest(folder)
    send(folder, "hf://me/model")
    assert set(hub.files("me/model")) == {".gitattributes", "README.md", "model.keras", MANIFEST}
    assert fetch("hf://me/model").read_bytes() == b"better weights"
    assert fetch(f"hf://me/model@{1:040x}").read_bytes() == FILES["model.keras"]


@pytest.mark.parametrize("name", FILES)
def test_a_changed_byte_is_refused_by_name(hub, folder, name):
    send(folder, "hf://me/model")
    files = hub.files("me/model")
    files[name] = files[name][:-1] + bytes([files[name][-1] ^ 1])
    with pytest.raises(UserError, match=rf"{name} has changed since it was shared: its SHA-256 begins with"):
        fetch(f"hf://me/model/{name}")


def test_a_changed_byte_in_the_cache(hub, folder):
    send(folder, "hf://me/model")
    path = fetch("hf://me/model").resolve()
    path.write_bytes(b"w3ights")
    with pytest.raises(
        UserError, match=rf"hf://me/model/model\.keras is not what the Hub has.*Remove {path}"
    ):
        fetch("hf://me/model", offline=True)


def test_repositories_of_others(hub):
    hub.repositories["you/plain"] = [{"README.md": b"", "model.safetensors": b"tensors"}]
    assert fetch("hf://you/plain").name == "model.safetensors"
    hub.repositories["you/two"] = [{"a.pth": b"", "b.pth": b""}]
    with pytest.raises(
        UserError, match=r"not exactly one weights file\. Received: a\.pth, b\.pth\. Name the file"
    ):
        fetch("hf://you/two")
    assert fetch("hf://you/two/b.pth").name == "b.pth"


def test_what_the_hub_does_not_have(hub, folder):
    send(folder, "hf://me/model")
    for spec, message in (
        ("hf://me/other", "there is no such repository, or it is not yours to read"),
        ("hf://me/model@v9", "the repository has no such revision"),
        ("hf://me/model/b.keras", "is not named by the repository's SHA256SUMS, which names README.md"),
    ):
        with pytest.raises(UserError, match=message):
            fetch(spec)
    with pytest.raises(UserError, match="not in the cache, and --offline fetches nothing"):
        fetch("hf://me/model", offline=True)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, r"not yours to read.*set HF_TOKEN|status 401"),
        (403, r"refused it \(status 403\); nothing was changed there\. Log in"),
        (500, r"answered with status 500; nothing was changed there\. Try again later"),
    ],
)
def test_refusals_name_no_token_and_nothing_is_sent(hub, folder, status, message):
    """A commit that fails leaves the repository as it was."""

    def say(method, path, headers):
        if "/commit/" in path:
            return status, {"error": f"bad token {headers['Authorization']}"}
        return None

    hub.say = say
    with pytest.raises(UserError, match=message) as caught:
        send(folder, "hf://me/model")
    assert "hf_secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert set(hub.files("me/model")) == {".gitattributes"}


def test_a_public_repository_is_not_taken_for_a_private_one(hub, folder):
    send(folder, "hf://me/model")
    with pytest.raises(UserError, match="there and public, and --private was asked for; nothing was sent"):
        send(folder, "hf://me/model", private=True)
    assert len(hub.repositories["me/model"]) == 2


def test_a_file_is_no_repository(folder):
    with pytest.raises(UserError, match=r"pass hf://me/model\. Received: hf://me/model/b\.keras"):
        send(folder, "hf://me/model/b.keras")


def test_no_connection(folder, hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)  # between its five tries
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(
        UserError, match=r"http://127\.0\.0\.1:9 cannot be reached\. Check the network\. Download"
    ):
        fetch("hf://me/model")
    with pytest.raises(UserError, match=r"cannot be reached; nothing was changed there\. Check the network"):
        send(folder, "hf://me/model")


def test_the_cache_is_the_hubs_own(hub, folder, tmp_path):
    send(folder, "hf://me/model")
    assert pathlib.Path(fetch("hf://me/model")).is_relative_to(tmp_path / "cache" / "models--me--model")
