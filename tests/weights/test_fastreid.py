import numpy as np
import pytest

from keras_reid.backbones import ResNet
from keras_reid.heads import BNNeckHead, LinearHead, ReductionHead
from keras_reid.layers import CircleSoftmax, GeMPooling2D
from keras_reid.models import ReIDModel
from keras_reid.utils.errors import UserError
from keras_reid.weights import build_fastreid, load_fastreid
from keras_reid.weights.fastreid import _saved_options
from keras_reid.weights.fastreid_names import todays_names
from keras_reid.weights.fastreid_options import resolve_options
from tests import golden
from tests.checkpoints import pickles
from tests.weights.original_names import vit_small

CLASSES = 37
POOL = {"POOL_LAYER": "GlobalAvgPool"}
CONFIG = {
    "MODEL": {
        "BACKBONE": {"LAST_STRIDE": 2},
        "HEADS": {**POOL, "NECK_FEAT": "after", "CLS_LAYER": "CosSoftmax", "SCALE": 30, "MARGIN": 0.2},
        "PIXEL_MEAN": [127.5, 127.5, 127.5],
        "PIXEL_STD": [127.5, 127.5, 127.5],
    },
    "INPUT": {"SIZE_TEST": [64, 32]},
    "SOLVER": {"BASE_LR": 3e-4},
}


def small_state(width=4, gem=False, neck=True, embedding_dim=0):
    """State dict of a ResNet-18 like the golden one with fewer channels."""
    shapes = {}
    for name, shape in golden.load("agw_r18")["state_dict_shapes"].items():
        if not name.startswith("heads."):
            shapes[name] = [
                3 if n == 3 and i == 1 else n * width // 64 if n >= 64 else n for i, n in enumerate(shape)
            ]
    channels = 8 * width
    if gem:
        shapes["heads.pool_layer.p"] = [1]
    if embedding_dim:
        shapes["heads.bottleneck.0.weight"] = [embedding_dim, channels, 1, 1]
    if neck:
        norm = f"heads.bottleneck.{int(embedding_dim > 0)}"
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{norm}.{part}"] = [embedding_dim or channels]
        shapes[f"{norm}.num_batches_tracked"] = []
    shapes["heads.weight"] = [CLASSES, embedding_dim or channels]
    return golden.state_dict({"state_dict_shapes": shapes})


def small_model(classes=CLASSES, pooling=None, head=None, width=4):
    return ReIDModel(
        ResNet(18, width=width),
        pooling or GeMPooling2D(learnable=False),
        head or BNNeckHead(classes),
        (64, 32),
    )


def test_config_says_what_names_and_shapes_cannot():
    model = build_fastreid(small_state(), CONFIG)
    assert model.backbone.last_stride == 2
    assert model.head.metric_feature == "after"
    classifier = model.head.classifier
    assert (type(classifier).__name__, classifier.scale, classifier.margin) == ("CosSoftmax", 30, 0.2)
    assert model.image_size == (64, 32)
    assert model.metadata["pixel_mean"] == [127.5, 127.5, 127.5]
    assert model.metadata["pixel_std"] == [127.5, 127.5, 127.5]
    provenance = model.metadata["provenance"]
    assert provenance["source"] == "FastReID"
    assert provenance["options"]["MODEL.BACKBONE.DEPTH"] == "18x"
    assert provenance["options"]["MODEL.BACKBONE.LAST_STRIDE"] == 2


def test_what_has_to_be_assumed_is_said():
    with pytest.warns(UserWarning, match="BoT recipe is assumed") as caught:
        model = build_fastreid(small_state())
    text = str(caught[0].message)
    for option in (
        "MODEL.BACKBONE.LAST_STRIDE=1",
        "MODEL.HEADS.POOL_LAYER='GlobalAvgPool'",
        "MODEL.HEADS.NECK_FEAT='before'",
        "MODEL.HEADS.CLS_LAYER='Linear'",
        "INPUT.SIZE_TEST=(256, 128)",
    ):
        assert option in text
    assert caught[0].filename == __file__
    assert type(model.pooling).__name__ == "GlobalAveragePooling2D"
    assert model.image_size == (256, 128)


@pytest.mark.parametrize(
    ("extra", "recipe", "expected"),
    [
        ({}, "BoT", ("GlobalAvgPool", "Linear", "before", (256, 128))),
        ({"heads.pool_layer.p"}, "BoT", ("GeneralizedMeanPoolingP", "Linear", "before", (256, 128))),
        ({"backbone.NL_2.0.g.weight"}, "AGW", ("GeneralizedMeanPooling", "Linear", "before", (256, 128))),
        (
            {"backbone.NL_2.0.g.weight", "heads.pool_layer.p"},
            "SBS",
            ("GeneralizedMeanPoolingP", "CircleSoftmax", "after", (384, 128)),
        ),
    ],
    ids=["bot", "bot with gem", "agw", "sbs"],
)
def test_recipe_is_recognised(extra, recipe, expected):
    state = {**small_state(), **dict.fromkeys(extra, np.ones(1))}
    with pytest.warns(UserWarning, match=f"{recipe} recipe"):
        _, options = resolve_options(state)
    found = tuple(
        options[key]
        for key in (
            "MODEL.HEADS.POOL_LAYER",
            "MODEL.HEADS.CLS_LAYER",
            "MODEL.HEADS.NECK_FEAT",
            "INPUT.SIZE_TEST",
        )
    )
    assert found == expected


def test_network_is_inferred_from_names_and_shapes():
    for case, expected in {
        "bot_r50": ("50x", False, False, False, 0),
        "sbs_r50_ibn": ("50x", True, False, True, 0),
        "bot_r34_ibn_se": ("34x", True, True, False, 0),
        "bot_r50_reduced": ("50x", False, False, False, 512),
    }.items():
        golden_case = golden.load(case)
        state = {k: np.empty(s, "uint8") for k, s in golden_case["state_dict_shapes"].items()}
        _, options = resolve_options(state, golden.config(golden_case))
        keys = (
            "BACKBONE.DEPTH",
            "BACKBONE.WITH_IBN",
            "BACKBONE.WITH_SE",
            "BACKBONE.WITH_NL",
            "HEADS.EMBEDDING_DIM",
        )
        assert tuple(options[f"MODEL.{key}"] for key in keys) == expected


@pytest.mark.filterwarnings("ignore:Neither the weights")
def test_head_is_inferred():
    model = build_fastreid(small_state(neck=False))
    assert isinstance(model.head, LinearHead)
    model = build_fastreid(small_state(embedding_dim=6, gem=True))
    assert model.head.embedding_dim == 6
    assert float(model.pooling.p[0]) == 2.5
    assert model.pooling.learnable


def first_release(state):
    """The same weights as the first releases saved them."""
    old = {}
    for name, value in state.items():
        name = name.replace("heads.bottleneck.0.", "heads.bnneck.").replace(
            "heads.weight", "heads.classifier.weight"
        )
        old[f"module.{name}"] = value
    return old


def test_names_of_the_first_releases():
    state = small_state()
    a, b = build_fastreid(state, CONFIG), build_fastreid(first_release(state), CONFIG)
    for x, y in zip(a.weights, b.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(x), np.asarray(y))


def test_report_has_the_files_own_names():
    old = first_release(small_state())
    report = load_fastreid(small_model(classes=5), old)
    assert "module.heads.bnneck.weight" in report.used
    assert report.unused == ("module.heads.classifier.weight",)
    assert report.unfilled == ("module.heads.classifier.weight",)
    assert report.mismatched == {"module.heads.classifier.weight": ((CLASSES, 32), (5, 32))}


@pytest.mark.parametrize("prefix", ["", "module."])
def test_saved_pixel_statistics_are_used(prefix):
    state = {prefix + name: value for name, value in small_state().items()} | {
        f"{prefix}pixel_mean": np.full((1, 3, 1, 1), 100.0),
        f"{prefix}pixel_std": np.full((1, 3, 1, 1), 50.0),
    }
    model = build_fastreid(state, CONFIG)
    assert model.metadata["pixel_mean"] == [100.0, 100.0, 100.0]
    assert model.metadata["pixel_std"] == [50.0, 50.0, 50.0]
    state[f"{prefix}pixel_std"] = np.zeros(3)
    with pytest.raises(UserError, match=r"MODEL\.PIXEL_STD must be three positive numbers"):
        build_fastreid(state, CONFIG)


def test_saved_pixel_statistics_are_certain():
    state = golden.state_dict({"state_dict_shapes": vit_small(16 * 8)})
    state |= {"module.pixel_mean": np.full(3, 100.0), "pixel_std": np.full(3, 50.0)}
    with pytest.warns(UserWarning, match="ViT recipe is assumed") as caught:
        _, options = resolve_options(state, saved=_saved_options(state))
    assert "PIXEL" not in str(caught[0].message)
    assert options["MODEL.PIXEL_MEAN"] == (100.0, 100.0, 100.0)


@pytest.mark.parametrize("architecture", ["Distiller", "MoCo"])
def test_baselines_with_something_beside_them_in_training(architecture):
    config = {**CONFIG, "MODEL": {**CONFIG["MODEL"], "META_ARCHITECTURE": architecture}}
    queue = {"memory.queue": np.zeros((32, 64)), "memory.queue_label": np.zeros((1, 64), "int64")}
    state = {**small_state(), **queue, "memory.queue_ptr": np.zeros(1, "int64")}
    assert isinstance(build_fastreid(state, config).head, BNNeckHead)


def test_load_reports_every_leftover():
    state = small_state()
    del state["backbone.layer3.1.bn2.running_var"]
    state["backbone.layer5.0.conv1.weight"] = np.zeros((2, 2, 1, 1), "float32")
    model = small_model()
    report = load_fastreid(model, state)
    assert not report.complete
    assert report.unused == ("backbone.layer5.0.conv1.weight",)
    assert report.unfilled == ("backbone.layer3.1.bn2.running_var",)
    assert "1 unused, 1 unfilled" in str(report)
    assert "unused: backbone.layer5.0.conv1.weight" in str(report)
    assert not any(name.endswith("num_batches_tracked") for name in report.used)


def test_other_number_of_classes_keeps_the_classifier():
    model = small_model(head=BNNeckHead(5, CircleSoftmax(5)))
    before = np.array(model.head.classifier.kernel)
    report = load_fastreid(model, small_state())
    assert report.unfilled == ("heads.weight",)
    np.testing.assert_array_equal(np.asarray(model.head.classifier.kernel), before)
    assert "other shape: heads.weight: (37, 32) in the file, (5, 32) in the model" in str(report)


def test_exponent_goes_into_a_fixed_pooling_too():
    model = small_model()
    assert load_fastreid(model, small_state(gem=True)).complete
    assert float(model.pooling.p[0]) == 2.5
    assert load_fastreid(small_model(), small_state()).complete
    assert load_fastreid(small_model(pooling=GeMPooling2D()), small_state()).unfilled == (
        "heads.pool_layer.p",
    )


def test_a_head_that_the_original_does_not_have():
    with pytest.raises(UserError, match=r"fit a BNNeckHead, LinearHead or .* Received: a ReductionHead"):
        load_fastreid(small_model(head=ReductionHead(5)), small_state())


def changed(**changes):
    """The config with options changed, by dotted name with __ for the dots."""
    config = {"MODEL": {"BACKBONE": {}, "HEADS": dict(POOL)}, "INPUT": {"SIZE_TEST": [64, 32]}}
    for key, value in changes.items():
        *path, last = key.split("__")
        target = config
        for part in path:
            target = target[part]
        target[last] = value
    return config


@pytest.mark.filterwarnings("ignore:Neither the weights")
@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            changed(MODEL__META_ARCHITECTURE="MGN"),
            r"disagree about MODEL\.META_ARCHITECTURE: 'MGN' and 'Baseline'",
        ),
        (
            changed(MODEL__BACKBONE__NAME="build_osnet_backbone"),
            r"disagree about MODEL\.BACKBONE\.NAME: 'build_osnet",
        ),
        (changed(MODEL__HEADS__NAME="DSRHead"), r"MODEL\.HEADS\.NAME must be one of"),
        (changed(MODEL__BACKBONE__DEPTH="50x"), r"disagree about MODEL\.BACKBONE\.DEPTH: '50x' and '18x'"),
        (
            changed(MODEL__BACKBONE__WITH_IBN=True),
            r"disagree about MODEL\.BACKBONE\.WITH_IBN: True and False",
        ),
        (changed(MODEL__HEADS__POOL_LAYER="Flatten"), r"MODEL\.HEADS\.POOL_LAYER must be one of .*'Flatten'"),
        (changed(MODEL__HEADS__POOL_LAYER="GeneralizedMeanPoolingP"), r"unfilled: heads\.pool_layer\.p"),
        (changed(MODEL__HEADS__CLS_LAYER="Softmax"), r"MODEL\.HEADS\.CLS_LAYER must be one of .*'Softmax'"),
        (changed(INPUT__SIZE_TEST=[256]), r"INPUT\.SIZE_TEST must be \[height, width\].*\(256,\)"),
        ("missing.yml", r"missing\.yml"),
        (changed(MODEL__HEADS__NECK_FEAT="both"), r"MODEL\.HEADS\.NECK_FEAT must be 'before' or .*'both'"),
        (changed(MODEL__BACKBONE__LAST_STRIDE=3), r"MODEL\.BACKBONE\.LAST_STRIDE must be 1 or 2 .*3"),
        (changed(INPUT__SIZE_TEST=["a", "b"]), r"INPUT\.SIZE_TEST must be \[height, width\]"),
        (changed(INPUT__SIZE_TEST=[64.5, 32]), r"INPUT\.SIZE_TEST must be \[height, width\].*64\.5"),
        (changed(MODEL__HEADS__POOL_LAYER=["x"]), r"MODEL\.HEADS\.POOL_LAYER must be the name of a layer"),
        (changed(MODEL__HEADS__CLS_LAYER=5), r"MODEL\.HEADS\.CLS_LAYER must be the name of a layer"),
        (changed(MODEL__HEADS__SCALE=-1), r"MODEL\.HEADS\.SCALE must be a positive number .*-1"),
        (changed(MODEL__HEADS__SCALE="a"), r"MODEL\.HEADS\.SCALE must be a positive number .*'a'"),
        (
            changed(MODEL__HEADS__CLS_LAYER="CircleSoftmax", MODEL__HEADS__MARGIN=2),
            r"MODEL\.HEADS\.MARGIN cannot be imported: `margin` of CircleSoftmax must be from 0 to 1",
        ),
        (changed(MODEL__PIXEL_MEAN=[1, 2]), r"MODEL\.PIXEL_MEAN must be three numbers .*\(1, 2\)"),
        (changed(MODEL__PIXEL_STD=[1, 2, 0]), r"MODEL\.PIXEL_STD must be three positive numbers"),
        (changed(MODEL__HEADS__POOL_LAYERS="x"), r"Did you mean MODEL\.HEADS\.POOL_LAYER\?"),
        (changed(MODEL__BACKBONE__LAST_STRIDES=1), r"Did you mean MODEL\.BACKBONE\.LAST_STRIDE\?"),
        (changed(MODEL__heads={}), r"MODEL\.heads is not an option .*Did you mean MODEL\.HEADS\?"),
        ({"model": {}}, r"^model is not an option of FastReID's\. Did you mean MODEL\?"),
        (changed(MODEL__HEADS__POOL_LAYER="Identity"), r"POOL_LAYER 'Identity' takes the first position"),
        ({"MODEL": {"HEADS": 3}}, r"Received: MODEL\.HEADS=3"),
        (["MODEL"], r"`config` must be a nested dict.*Received: config=\['MODEL'\]"),
    ],
)
def test_bad_config(config, message):
    with pytest.raises(UserError, match=message):
        build_fastreid(small_state(), config)


def test_config_without_exponent_for_weights_with_one():
    with pytest.raises(UserError, match=r"disagree about MODEL\.HEADS\.POOL_LAYER: 'GlobalAvgPool'"):
        build_fastreid(small_state(gem=True), changed())


def test_options_that_only_look_like_disagreement():
    config = changed(
        MODEL__BACKBONE__WITH_NL=True, MODEL__HEADS__NUM_CLASSES=0, MODEL__HEADS__CLS_LAYER="Linear"
    )
    config["MODEL"]["HEADS"]["NECK_FEAT"] = "before"
    config["MODEL"]["BACKBONE"]["LAST_STRIDE"] = 1
    _, options = resolve_options({k: v for k, (_, v) in todays_names(small_state()).items()}, config)
    assert options["MODEL.HEADS.NUM_CLASSES"] == CLASSES
    assert options["MODEL.HEADS.SCALE"] == 1


def test_first_gempool_without_an_exponent_is_fixed():
    config = changed(MODEL__HEADS__POOL_LAYER="gempool", MODEL__HEADS__NORM_SPLIT=1)
    config["MODEL"]["HEADS"] |= {"NAME": "BNneckHead", "CLS_LAYER": "linear", "NECK_FEAT": "before"}
    config["MODEL"]["BACKBONE"]["LAST_STRIDE"] = 1
    assert not build_fastreid(small_state(), config).pooling.learnable
    assert build_fastreid(small_state(gem=True), config).pooling.learnable


def test_text_is_read_as_the_original_reads_it():
    config = changed(MODEL__HEADS__SCALE="30", INPUT__SIZE_TEST="(32, 16)", MODEL__PROJECT="any", KD={"A": 1})
    config["MODEL"]["HEADS"] |= {"NECK_FEAT": "after", "CLS_LAYER": "CosSoftmax", "PROJECT_OPTION": 5}
    config["MODEL"]["BACKBONE"]["LAST_STRIDE"] = "2"
    _, options = resolve_options({k: v for k, (_, v) in todays_names(small_state()).items()}, config)
    assert options["MODEL.HEADS.SCALE"] == 30
    assert options["MODEL.BACKBONE.LAST_STRIDE"] == 2
    assert options["INPUT.SIZE_TEST"] == (32, 16)


def without(name):
    state = small_state()
    del state[name]
    return state


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (
            {"conv1.weight": np.zeros((4, 3, 7, 7))},
            r"no 'heads\.weight'.*start with: conv1\.weight",
        ),
        (without("heads.weight"), r"no 'heads\.weight'"),
        (
            {**small_state(), "backbone.layer4.2.conv1.weight": np.zeros((32, 32, 3, 3))},
            r"ResNet, but not 18, 34",
        ),
        (without("backbone.layer2.0.bn1.bias"), r"unfilled: backbone\.layer2\.0\.bn1\.bias"),
        ({**small_state(), "backbone.conv9.weight": np.zeros(3)}, r"unused: backbone\.conv9\.weight"),
        (
            {**small_state(), "backbone.bn1.bias": np.zeros(9)},
            r"other shape: backbone\.bn1\.bias: \(9,\) in the file",
        ),
        ({**small_state(), "epoch": object()}, r"'epoch' must be an array\. Received: object"),
        ({**small_state(), "heads.weight": np.float32(3)}, r"'heads\.weight' must be a matrix"),
        ({**small_state(), "heads.classifier.weight": np.ones((37, 32))}, r"two names of the same weight"),
        ({**small_state(), "heads.weight": np.zeros((2**40, 0))}, r"no values under 'heads\.weight'"),
        ({**small_state(), "backbone.conv1.weight": np.float32(3)}, r"other shapes than it could have"),
        (
            {**small_state(), "backbone.conv1.weight": np.zeros((2**40, 0, 7, 7))},
            r"no values under 'backbone\.conv1",
        ),
        (
            {"b1_head.weight": np.ones((5, 4)), "b1_head.bottleneck.0.weight": np.ones(4)},
            r"heads of an MGN, but",
        ),
    ],
    ids=[
        *("other names", "no classifier", "other blocks", "missing", "left over", "other shape", "no array"),
        *(
            "number as head",
            "two names",
            "empty head",
            "number as stem",
            "empty stem",
            "heads of an MGN alone",
        ),
    ],
)
def test_bad_weights(state, message):
    with pytest.raises(UserError, match=message):
        build_fastreid(state, CONFIG)


@pytest.mark.parametrize("container", [None, "model", "state_dict"])
def test_file(container, tmp_path):
    path = pickles.saved(tmp_path / "duke_bot_R18.pth", small_state(), container)
    model = build_fastreid(path, CONFIG)
    assert model.metadata["provenance"]["file"] == "duke_bot_R18.pth"
    np.testing.assert_array_equal(
        model.backbone.get_layer("bn1").gamma, small_state()["backbone.bn1.weight"], strict=False
    )


def test_bad_files(tmp_path):
    with pytest.raises(UserError, match=r"Weights file not found: .*nothing\.pth"):
        build_fastreid(tmp_path / "nothing.pth")
    path = tmp_path / "model.pth"
    path.touch()
    with pytest.raises(UserError, match=r"model\.pth is empty"):
        load_fastreid(small_model(), str(path))
