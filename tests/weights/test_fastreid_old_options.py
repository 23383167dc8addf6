import pytest

from keras_reid.weights.fastreid_old_options import todays_options


def heads(backbone=None, architecture="Baseline", **options):
    """The options of the backbone and of the heads, translated."""
    model = {"META_ARCHITECTURE": architecture, "BACKBONE": backbone or {}, "HEADS": options}
    model = todays_options({"MODEL": model})["MODEL"]
    return model["BACKBONE"], model["HEADS"]


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"INPUT": {"SIZE_TEST": [256, 128]}},
        {
            "MODEL": {
                "HEADS": {"NAME": "EmbeddingHead", "POOL_LAYER": "GlobalAvgPool", "CLS_LAYER": "ArcSoftmax"}
            }
        },
        {"MODEL": {"BACKBONE": {"DEPTH": "50x"}, "HEADS": {"WITH_BNNECK": False, "POOL_LAYER": ["odd"]}}},
    ],
)
def test_today(config):
    assert todays_options(config) is config


@pytest.mark.parametrize(
    ("old", "today"),
    [
        ("avgpool", "GlobalAvgPool"),
        ("fastavgpool", "FastGlobalAvgPool"),
        ("maxpool", "GlobalMaxPool"),
        ("gempool", "GeneralizedMeanPooling"),
        ("gempoolP", "GeneralizedMeanPoolingP"),
        ("avgmaxpool", "AdaptiveAvgMaxPool"),
        ("clipavgpool", "ClipGlobalAvgPool"),
        ("identity", "Identity"),
        ("flatten", "Flatten"),
    ],
)
def test_poolings(old, today):
    assert heads(NAME="EmbeddingHead", POOL_LAYER=old)[1]["POOL_LAYER"] == today


@pytest.mark.parametrize(
    "sign",
    [
        {"NAME": "BNneckHead"},
        {"CLS_LAYER": "circle"},
        {"CLS_LAYER": "arcface"},
        {"IN_FEAT": 2048},
        {"REDUCTION_DIM": 512},
        {"NORM_SPLIT": 1},
        {"backbone": {"DEPTH": 50}},
        {"backbone": {"NORM_SPLIT": 1}},
    ],
)
def test_first_gempool_learnt_its_exponent(sign):
    assert heads(POOL_LAYER="gempool", **sign)[1]["POOL_LAYER"] == "GeneralizedMeanPoolingP"


def test_gempool_was_fixed_where_the_weights_have_no_exponent():
    config = {"MODEL": {"HEADS": {"POOL_LAYER": "gempool", "NORM_SPLIT": 1}}}
    heads = todays_options(config, learnt_exponent=False)["MODEL"]["HEADS"]
    assert heads["POOL_LAYER"] == "GeneralizedMeanPooling"


@pytest.mark.parametrize(
    ("old", "today"),
    [
        ("arcface", "ArcSoftmax"),
        ("arcSoftmax", "ArcSoftmax"),
        ("circle", "CircleSoftmax"),
        ("circleSoftmax", "CircleSoftmax"),
        ("amSoftmax", "CosSoftmax"),
        ("cosSoftmax", "CosSoftmax"),
    ],
)
def test_classifiers(old, today):
    _, received = heads(CLS_LAYER=old)
    assert (received["CLS_LAYER"], received["SCALE"], received["MARGIN"]) == (today, 128, 0.15)
    _, received = heads(CLS_LAYER=old, SCALE=30, MARGIN=0.4)
    assert (received["SCALE"], received["MARGIN"]) == (30, 0.4)


def test_linear_classifier_knew_no_scale():
    _, received = heads(CLS_LAYER="linear", SCALE=128, MARGIN=0.15)
    assert (received["CLS_LAYER"], received["SCALE"], received["MARGIN"]) == ("Linear", 1, 0.0)


@pytest.mark.parametrize(
    ("name", "neck"), [("BNneckHead", True), ("LinearHead", False), ("ReductionHead", True)]
)
def test_heads(name, neck):
    _, received = heads(NAME=name)
    assert received["NAME"] == "EmbeddingHead"
    assert received["WITH_BNNECK"] is neck
    assert ("EMBEDDING_DIM" in received) == (name == "ReductionHead")


def test_neck_was_the_default():
    assert heads(CLS_LAYER="linear")[1]["WITH_BNNECK"] is True
    assert heads(CLS_LAYER="linear", NAME="EmbeddingHead", WITH_BNNECK=False)[1]["WITH_BNNECK"] is False


def test_heads_of_others_keep_their_name():
    assert heads(CLS_LAYER="linear", NAME="AttrHead")[1]["NAME"] == "AttrHead"


def test_sizes():
    backbone, received = heads(NAME="ReductionHead")
    assert received["EMBEDDING_DIM"] == 512
    assert heads(NAME="ReductionHead", REDUCTION_DIM=128)[1]["EMBEDDING_DIM"] == 128
    assert "EMBEDDING_DIM" not in heads(NAME="BNneckHead", REDUCTION_DIM=128)[1]
    backbone, received = heads(NAME="BNneckHead", IN_FEAT=512)
    assert backbone == {"FEAT_DIM": 512}
    assert "IN_FEAT" not in received
    # MGN reduced before its heads.
    backbone, received = heads(architecture="MGN", NAME="BNneckHead", IN_FEAT=256)
    assert backbone == {}
    assert received["EMBEDDING_DIM"] == 256
    backbone, received = heads(architecture="MGN", NAME="ReductionHead", REDUCTION_DIM=256)
    assert received["EMBEDDING_DIM"] == 256


@pytest.mark.parametrize(("depth", "today"), [(50, "50x"), (101, "101x"), ("34x", "34x"), ("x0_5", "x0_5")])
def test_depths(depth, today):
    assert heads({"DEPTH": depth, "NORM_SPLIT": 1})[0] == {"DEPTH": today}


def test_the_config_itself_is_not_changed():
    config = {
        "MODEL": {"BACKBONE": {"DEPTH": 50}, "HEADS": {"NAME": "LinearHead"}},
        "INPUT": {"SIZE_TEST": [1, 2]},
    }
    assert todays_options(config)["INPUT"] == {"SIZE_TEST": [1, 2]}
    assert config["MODEL"] == {"BACKBONE": {"DEPTH": 50}, "HEADS": {"NAME": "LinearHead"}}
