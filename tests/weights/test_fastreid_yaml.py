import pathlib
import shutil

import pytest

from keras_reid.utils.errors import UserError
from keras_reid.weights.fastreid_old_options import todays_options
from keras_reid.weights.fastreid_yaml import read_config

CONFIGS = pathlib.Path(__file__).parent / "configs"
BOT = {
    "NAME": "EmbeddingHead",
    "WITH_BNNECK": True,
    "POOL_LAYER": "GlobalAvgPool",
    "NECK_FEAT": "before",
    "CLS_LAYER": "Linear",
}
SBS = {
    **BOT,
    "NECK_FEAT": "after",
    "POOL_LAYER": "GeneralizedMeanPoolingP",
    "CLS_LAYER": "CircleSoftmax",
    "SCALE": 64,
    "MARGIN": 0.35,
}
R50 = {
    "NAME": "build_resnet_backbone",
    "NORM": "BN",
    "DEPTH": "50x",
    "LAST_STRIDE": 1,
    "FEAT_DIM": 2048,
    "WITH_IBN": False,
}


def test_one_file():
    assert read_config(CONFIGS / "today" / "bot.yml") == {
        "MODEL": {
            "META_ARCHITECTURE": "Baseline",
            "BACKBONE": R50,
            "HEADS": BOT,
            "LOSSES": {"NAME": ("CrossEntropyLoss", "TripletLoss")},
        },
        "INPUT": {"SIZE_TEST": [256, 128]},
    }


@pytest.mark.parametrize(
    ("name", "architecture", "backbone", "heads", "size"),
    [
        ("bot", "Baseline", {}, BOT, [256, 128]),
        ("sbs", "Baseline", {"WITH_NL": True}, SBS, (384, 128)),
        ("mgn", "MGN", {"WITH_NL": False}, {**SBS, "EMBEDDING_DIM": 256}, (384, 128)),
    ],
)
def test_files_based_on_files(name, architecture, backbone, heads, size):
    config = read_config(str(CONFIGS / "today" / "market" / f"{name}_ibn.yml"))
    assert config["MODEL"]["META_ARCHITECTURE"] == architecture
    assert config["MODEL"]["BACKBONE"] == {**R50, "WITH_IBN": True, **backbone}
    assert config["MODEL"]["HEADS"] == heads
    assert config["INPUT"]["SIZE_TEST"] == size
    assert set(config) == {"MODEL", "INPUT"}


def test_second_generation():
    config = todays_options(read_config(CONFIGS / "second" / "sbs.yml"))
    assert config["MODEL"]["HEADS"] == {key: SBS[key] for key in SBS if key != "NECK_FEAT"}


def test_first_generation():
    model = todays_options(read_config(CONFIGS / "first" / "agw.yml"))["MODEL"]
    assert model["BACKBONE"] == {
        "NAME": "build_resnet_backbone",
        "NORM": "BN",
        "DEPTH": "50x",
        "LAST_STRIDE": 1,
        "WITH_NL": True,
        "FEAT_DIM": 2048,
    }
    assert model["HEADS"] == {**BOT, "POOL_LAYER": "GeneralizedMeanPoolingP", "SCALE": 1, "MARGIN": 0.0}
    model = todays_options(read_config(CONFIGS / "first" / "mgn.yml"))["MODEL"]
    assert model["BACKBONE"] == {"NAME": "build_resnet_backbone", "DEPTH": "50x", "WITH_IBN": False}
    assert model["HEADS"] == {**SBS, "EMBEDDING_DIM": 256}


@pytest.mark.parametrize("form", ["absolute", "home"])
def test_other_forms_of_a_base(form, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    shutil.copy(CONFIGS / "today" / "bot.yml", tmp_path / "home")
    base = tmp_path / "home" / "bot.yml" if form == "absolute" else "~/bot.yml"
    (tmp_path / "own.yml").write_text(f"_BASE_: {base}\nMODEL: {{BACKBONE: {{DEPTH: 101x}}}}")
    assert read_config(tmp_path / "own.yml")["MODEL"]["BACKBONE"] == {**R50, "DEPTH": "101x"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("(256, 128)", (256, 128)),
        ("'(256, 128)'", (256, 128)),
        ("[256, 128]", [256, 128]),
        ("50x", "50x"),
        ("x1_0", "x1_0"),
        ("'0.5'", 0.5),
        ("1e-4", 1e-4),  # text to YAML, a number to Python
        ("__import__('os')", "__import__('os')"),
    ],
)
def test_values(text, value, tmp_path):
    (tmp_path / "own.yml").write_text(f"INPUT:\n  SIZE_TEST: {text}")
    received = read_config(tmp_path / "own.yml")["INPUT"]["SIZE_TEST"]
    assert received == value
    assert type(received) is type(value)


def refuses(path, text, message):
    path.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        read_config(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("_BASE_: nothing.yml", r"Config file not found: .*nothing\.yml, which .*own\.yml is based on"),
        (
            "_BASE_: https://example.org/a.yml",
            r"own\.yml: _BASE_ is on the web and is not fetched\. Fetch https://",
        ),
        ("_BASE_: [a.yml]", r"own\.yml: _BASE_ must be the path of a file\. Received: \['a\.yml'\]"),
        ("_BASE_: own.yml", r"own\.yml is based on itself: .*own\.yml → .*own\.yml"),
        (
            "_BASE_: base.yml\nMODEL: {BACKBONE: 5}",
            r"own\.yml: MODEL\.BACKBONE is a value, but a group of options in",
        ),
        (
            "_BASE_: base.yml\nINPUT: {SIZE: {A: 1}}",
            r"own\.yml: INPUT\.SIZE is a group of options, but a value in",
        ),
        ("MODEL: 5", r"own\.yml: MODEL must be a group of options\. Received: 5"),
        ("MODEL: {HEADS: [1]}", r"own\.yml: MODEL\.HEADS must be a group of options\. Received: \[1\]"),
        ("SOLVER: {A: 1}", r"own\.yml is not a FastReID config of a network: it has neither MODEL nor INPUT"),
        ("- 1", r"own\.yml must hold options with their values\. Received: list"),
        ("", r"own\.yml must hold options with their values\. Received: NoneType"),
        (
            "MODEL: {HEADS: {POOL_LAYERS: x}}",
            r"MODEL\.HEADS\.POOL_LAYERS is not an option .*Did you mean MODEL\.HEADS\.POOL_LAYER\?",
        ),
        ("MODEL: {BACKBONE: {A: 1}}\ninput: {}", r"^input is not an option .*Did you mean INPUT\?"),
        ("MODEL: {", r"own\.yml is not valid YAML: .* in line 1"),
        ("MODEL:\n\tA: 1", r"own\.yml is not valid YAML: .*'\\t'.* in line 2"),
        (
            "MODEL: !!python/object/apply:os.system ['touch ran']",
            r"own\.yml may hold plain values only: .* in line 1",
        ),
        ("MODEL: !!python/name:os.system", r"own\.yml may hold plain values only"),
        ("MODEL: \x01", r"own\.yml is not YAML text"),
        ("MODEL: &a {BACKBONE: *a}", r"own\.yml nests its options too deeply"),
        ("MODEL: " + "[" * 1000, r"own\.yml nests its options too deeply"),
    ],
)
def test_refused(text, message, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.yml").write_text("MODEL: {BACKBONE: {DEPTH: 50x}}\nINPUT: {SIZE: 1}")
    refuses(tmp_path / "own.yml", text, message)
    assert not (tmp_path / "ran").exists()


def test_other_files(tmp_path):
    with pytest.raises(UserError, match=r"Config file not found: .*nothing\.yml$"):
        read_config(tmp_path / "nothing.yml")
    (tmp_path / "own.yml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"own\.yml is not YAML text"):
        read_config(tmp_path / "own.yml")


def test_circle_of_files(tmp_path):
    (tmp_path / "a.yml").write_text("_BASE_: b.yml")
    (tmp_path / "b.yml").write_text("_BASE_: a.yml")
    with pytest.raises(UserError, match=r"a\.yml is based on itself: .*a\.yml → .*b\.yml → .*a\.yml$"):
        read_config(tmp_path / "a.yml")


BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]\n" for k in range(1, 30))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB, "must stand for at most 10,000 values"),
        (BOMB + "MODEL: {<<: [*a29, *a29]}\n", "must stand for at most 10,000 values"),
        ("MODEL: &a\n  A: *a\n", "nests its options too deeply"),
        ("MODEL: " + "[" * 50_000, "nests its options too deeply"),
        ("MODEL: " + "{A: " * 50_000, "nests its options too deeply"),
        ("# " + "x" * 2**20, "must have at most 1,048,576 bytes"),
        ("MODEL: {SCALE: '" + "(" * 5000 + "'}", None),
    ],
    ids=["aliases", "merged", "cyclic", "deep list", "deep mapping", "huge", "deep text"],
)
def test_files_that_stand_for_more_than_they_hold(tmp_path, text, said):
    file = tmp_path / "config.yml"
    file.write_text(text)
    if said is None:
        assert read_config(file)["MODEL"]["SCALE"] == "(" * 5000
        return
    with pytest.raises(UserError, match=rf"config\.yml {said}"):
        read_config(file)


def test_an_alias_is_its_value(tmp_path):
    (tmp_path / "config.yml").write_text(
        "A: &a {DEPTH: 50x}\nMODEL: {BACKBONE: {<<: *a, NORM: BN}, HEADS: *a}\n"
    )
    assert read_config(tmp_path / "config.yml")["MODEL"] == {
        "BACKBONE": {"DEPTH": "50x", "NORM": "BN"},
        "HEADS": {"DEPTH": "50x"},
    }
