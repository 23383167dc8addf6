import numpy as np
import pytest

from keras_reid.backbones import ResNeSt
from keras_reid.checkpoints import model_targets
from keras_reid.utils.errors import UserError
from keras_reid.weights.architectures import recognize
from keras_reid.weights.architectures.resnest import recognize_resnest
from keras_reid.weights.fastreid_options import resolve_options
from tests import golden


def shapes(network):
    return {name: target.shapes()[-1] for name, target in model_targets(network).items()}


@pytest.fixture(scope="module")
def usual():
    """Names and shapes of depth 50."""
    return shapes(ResNeSt(width=2))


@pytest.mark.parametrize(
    "arguments",
    [
        {"depth": 50, "width": 4},
        pytest.param({"depth": 101, "width": 2}, marks=pytest.mark.slow),
        pytest.param({"depth": 200, "width": 2}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_arguments_from_names_and_shapes(arguments):
    found = recognize(shapes(ResNeSt(**arguments)))
    assert found.backbone == "ResNeSt"
    assert found.arguments == {**arguments, "non_local": False, "dilate_last_stage": True}
    assert found.options == {
        "MODEL.BACKBONE.NAME": "build_resnest_backbone",
        "MODEL.BACKBONE.DEPTH": f"{arguments['depth']}x",
    }
    assert found.open_arguments == {"MODEL.BACKBONE.LAST_STRIDE": "last_stride"}


def test_releases_with_non_local_blocks_have_no_dilation(usual):
    found = recognize({**usual, "NL_2.0.g.weight": (1, 16, 1, 1)})
    assert found.arguments["non_local"]
    assert not found.arguments["dilate_last_stage"]
    assert found.options["MODEL.BACKBONE.WITH_NL"] is True


def test_the_network_is_built_as_it_was(usual):
    network = recognize(usual).build({"MODEL.BACKBONE.LAST_STRIDE": 2}, (64, 32))
    assert network.last_stride == 2
    assert shapes(network) == usual


def test_options_that_the_original_does_not_read_are_no_contradiction():
    case = golden.load("bot_s50")
    state = {name: np.empty(shape, "uint8") for name, shape in case["state_dict_shapes"].items()}
    config = golden.config(case)
    config["MODEL"]["BACKBONE"].update(WITH_NL=True, WITH_IBN=True, WITH_SE=True)
    architecture, options = resolve_options(state, config)
    assert architecture.arguments["width"] == 64
    assert options["MODEL.BACKBONE.NAME"] == "build_resnest_backbone"


@pytest.mark.parametrize("case", ["bot_x50", "bot_r50", "osnet_x0_25"])
def test_names_of_another_family(case):
    names = golden.load(case)["state_dict_shapes"]
    assert recognize_resnest({name.removeprefix("backbone."): s for name, s in names.items()}) is None


def test_other_splits_and_depths(usual):
    found = dict(usual)
    found["layer1.0.conv2.conv.weight"] = (8, 1, 3, 3)
    with pytest.raises(UserError, match=r"a ResNeSt, but not .* with two splits\. .* shape \(8, 1\)"):
        recognize(found)
    found = dict(usual)
    found["layer2.4.conv1.weight"] = (4, 16, 1, 1)
    with pytest.raises(UserError, match=r"Received: \(3, 5, 6, 3\) blocks"):
        recognize(found)
