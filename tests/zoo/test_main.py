"""`keras-reid zoo`, and names of published models in the other commands."""

import json

import pytest

from tests.web_server import WebServer
from tests.zoo import small_model
from tests.zoo.small_model import FILE, NAME


@pytest.fixture
def site(monkeypatch, tmp_path):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    with WebServer().running() as server:
        server.files[f"/{FILE}"] = small_model.content(tmp_path / FILE)
        small_model.publish(monkeypatch, server.address)
        yield server


def test_list_and_show(command):
    assert "fastreid/veri-sbs-r50-ibn" in command("zoo", "list", "--task", "vehicle").stdout
    shown = json.loads(command("zoo", "show", "torchreid/osnet-x0-25-market", "--json").stdout)
    assert shown["measured"] == "not measured"
    assert shown["url"].startswith(
        "https://drive.usercontent.google.com/download?id=1z1UghYvOTtjx7kEoRfmqSMu"
    )
    listed = json.loads(command("zoo", "list", "--json", "--task", "general").stdout)
    assert "resnet50-19c8e357.pth" in {row.get("file") for row in listed}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show"], "error: name a model after show; `keras-reid zoo list` lists all"),
        (["list", "x"], "error: list takes no name; --task chooses among person, vehicle, animal, general"),
        (["verify", "torchreid/osnet-x0-25-marke"], "The nearest are torchreid/osnet-x0-25-market"),
        (["measure", "fastreid/market-bot-r50"], "error: measure needs --dataset"),
        (["measure", "fastreid/market-bot-r50", "--dataset", "nothing"], "nothing"),
    ],
)
def test_mistakes(words, said, command):
    finished = command("zoo", *words, ok=False)
    assert finished.returncode == 2
    assert said in finished.stderr


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("embed", ["NAME", "IMAGE", "--output", "x.npz"]),
        ("evaluate", ["NAME"]),
        ("calibrate", ["NAME"]),
        ("verify", ["NAME", "IMAGE", "IMAGE"]),
        ("ranked_list", ["NAME", "--query", "0"]),
        ("export.__main__", ["NAME", "--output", "exports"]),
        ("search", ["IMAGE", "IMAGE", "--model", "NAME"]),
        ("search", ["IMAGE", "--gallery", "FOLDER", "--model", "NAME"]),
        ("doctor", ["FOLDER", "--model", "NAME"]),
        ("zoo.__main__", ["verify", "NAME"]),
    ],
)
def test_every_command_that_takes_a_model_takes_its_name(name, words, command, tmp_path):
    """As the refusal of a name shows that they know but cannot build."""
    (tmp_path / "images").mkdir()
    image = tmp_path / "images" / "0001_c1.png"
    image.write_bytes((small_model.IMAGES / "person-1.png").read_bytes())
    words = [
        {"NAME": "miewid/msv3", "IMAGE": image, "FOLDER": image.parent}.get(word, word) for word in words
    ]
    finished = command(name.removesuffix(".__main__"), *words, ok=False, cwd=tmp_path)
    assert finished.returncode == 2
    assert "miewid/msv3 is listed, but cannot be used by name: it needs an EfficientNetV2" in finished.stderr


@pytest.mark.medium
@pytest.mark.usefixtures("site")
def test_by_name_from_embedding_to_proof(command, tmp_path):
    image = small_model.IMAGES / "person-1.png"
    said = command("embed", NAME, image, "--output", tmp_path / "a.npz", cwd=tmp_path).stderr
    assert f"fetching {FILE}" in said
    first = command("zoo", "verify", NAME, "--offline", cwd=tmp_path).stdout
    assert "hash: " in first
    assert "not verified: its publisher gives none" in first
    assert "embedding: not verified: nobody else computed it; recorded in" in first
    assert f"{NAME}: in order, but not verified" in first
    found = json.loads(command("zoo", "verify", NAME, "--json", cwd=tmp_path).stdout)
    assert found["lines"]["embedding"].startswith("not verified; as recorded on ")
    assert found["verified"] is False


@pytest.mark.medium
@pytest.mark.usefixtures("site")
def test_measure_evaluate_and_calibrate(command, tmp_path):
    (tmp_path / "drawn.py").write_text(
        "from keras_reid import experiment as ex\nfrom keras_reid.data import Synthetic\n"
        'experiment = ex.Experiment(name="drawn", data=ex.Data(dataset=Synthetic("tiny")))\n'
    )
    command("zoo", "measure", NAME, "--dataset", "drawn.py", cwd=tmp_path)
    row = (tmp_path / "fastreid-small-bot-r18.toml").read_text()
    assert row.startswith(f'# In [models."{NAME}"]:\nmeasured = [{{ on = "')
    assert "queries = 24" in row
    command("evaluate", NAME, "--dataset", "drawn.py", cwd=tmp_path)
    assert "results" in json.loads((tmp_path / "fastreid-small-bot-r18.evaluation.json").read_text())
    command("calibrate", NAME, "--dataset", "drawn.py", cwd=tmp_path)
    own = tmp_path / "fastreid-small-bot-r18.keras"
    assert own.is_file()
    again = command("calibrate", NAME, "--dataset", "drawn.py", cwd=tmp_path, ok=False)
    assert "exists already. Calibrate it by that path" in again.stderr
    image = small_model.IMAGES / "person-1.png"
    assert "calibrate " + NAME in command("verify", NAME, image, image, cwd=tmp_path, ok=False).stderr
    assert command("verify", own, image, image, cwd=tmp_path).stdout
