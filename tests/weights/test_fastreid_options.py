"""Where the value of an option comes from."""

from pathlib import Path

import pytest

from keras_reid.utils.errors import UserError
from keras_reid.weights import build_fastreid
from keras_reid.weights.fastreid_names import todays_names
from keras_reid.weights.fastreid_options import resolve_options
from keras_reid.weights.fastreid_yaml import ConfigFile
from tests.weights.test_fastreid import small_state

CONFIGS = Path(__file__).parent / "configs"
WEIGHTS = "the names and shapes of the weights"


def _options(state, config=None, **arguments):
    today = {name: value for name, (_, value) in todays_names(state).items()}
    return resolve_options(today, config, **arguments)[1]


def _write(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.yml").write_text(text)
    return folder / "own.yml"


def test_without_a_config():
    with pytest.warns(
        UserWarning, match=r"so FastReID's BoT recipe is assumed: MODEL\.BACKBONE\.LAST_STRIDE=1,"
    ):
        options = _options(small_state())
    assert options.source("MODEL.HEADS.POOL_LAYER") == "FastReID's BoT recipe"
    assert options.source("MODEL.PIXEL_MEAN") == "FastReID's defaults"
    assert options.source("MODEL.HEADS.NUM_CLASSES") == WEIGHTS


@pytest.mark.filterwarnings("ignore:Neither the weights")
def test_a_dict_and_what_the_weights_file_holds():
    options = _options(
        small_state(gem=True),
        {"MODEL": {"HEADS": {"NECK_FEAT": "after"}}},
        saved={"MODEL.PIXEL_MEAN": (1, 2, 3)},
    )
    sources = {option: options.source(option) for option in options}
    assert sources["MODEL.HEADS.NECK_FEAT"] == "`config`"
    assert sources["MODEL.HEADS.SCALE"] == "FastReID's BoT recipe"
    assert sources["MODEL.PIXEL_STD"] == "FastReID's defaults"
    assert sources["MODEL.PIXEL_MEAN"] == "the weights file"
    assert sources["MODEL.HEADS.POOL_LAYER"] == WEIGHTS


def test_a_file_and_its_bases(tmp_path):
    config = ConfigFile.read(CONFIGS / "today" / "market" / "sbs_ibn.yml")
    assert [path.name for path in config.files] == ["bot.yml", "sbs.yml", "sbs_ibn.yml"]
    named = {
        option: config.source(option).name
        for option in (
            "MODEL.BACKBONE.WITH_IBN",
            "MODEL.BACKBONE.WITH_NL",
            "MODEL.HEADS.POOL_LAYER",
            "MODEL.BACKBONE.NAME",
        )
    }
    assert named == {
        "MODEL.BACKBONE.WITH_IBN": "sbs_ibn.yml",
        "MODEL.BACKBONE.WITH_NL": "sbs.yml",
        "MODEL.HEADS.POOL_LAYER": "sbs.yml",
        "MODEL.BACKBONE.NAME": "bot.yml",
    }
    own = _write(
        tmp_path,
        base="MODEL: {HEADS: {POOL_LAYER: GlobalAvgPool, NECK_FEAT: after}}",
        own="_BASE_: base.yml\nMODEL: {HEADS: {NECK_FEAT: before}}",
    )
    options = _options(small_state(), ConfigFile.read(own))
    assert options.source("MODEL.HEADS.POOL_LAYER") == str(tmp_path / "base.yml")
    assert options.source("MODEL.HEADS.NECK_FEAT") == str(own)
    assert options.source("INPUT.SIZE_TEST") == "FastReID's defaults"


@pytest.mark.parametrize(
    ("base", "own", "gem", "message"),
    [
        ("MODEL: {HEADS: {SCALE: -1}}", "", False, r"SCALE must be .* Received: -1 \(from .*base\.yml\)"),
        ("MODEL: {HEADS: {POOL_LAYER: Flatten}}", "", False, r"Received: 'Flatten' \(from .*base\.yml\)"),
        ("MODEL: {META_ARCHITECTURE: X}", "", False, r"Received: 'X' \(from .*base\.yml\)"),
        (
            "INPUT: {}",
            "MODEL: {BACKBONE: {DEPTH: 50x}}",
            False,
            r"'50x' and '18x'\. The first is from .*own\.yml\. Is",
        ),
        (
            "INPUT: {}",
            "MODEL: {BACKBONE: {DEPTH: 50}}",
            False,
            r"'50x' and '18x'\. The first is from .*own\.yml\. Is",
        ),
        (
            "MODEL: {}",
            "",
            True,
            r"'GlobalAvgPool' and a pooling with .* The first is from FastReID's defaults\. Is",
        ),
    ],
    ids=["value", "name", "kind", "depth", "translated", "default"],
)
def test_errors_say_where_a_value_comes_from(base, own, gem, message, tmp_path):
    file = _write(tmp_path, base=base, own=f"_BASE_: base.yml\n{own}")
    with pytest.raises(UserError, match=message):
        build_fastreid(small_state(gem=gem), file)
