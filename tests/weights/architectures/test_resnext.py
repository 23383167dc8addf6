import pytest

from keras_reid.backbones import ResNet, ResNeXt
from keras_reid.checkpoints import model_targets
from keras_reid.utils.errors import UserError
from keras_reid.weights.architectures import recognize
from keras_reid.weights.architectures.resnext import recognize_resnext
from tests import golden


def shapes(network):
    return {name: target.shapes()[-1] for name, target in model_targets(network).items()}


@pytest.fixture(scope="module")
def usual():
    """Names and shapes of depth 50."""
    return shapes(ResNeXt(width=16))


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({"depth": 101, "ibn": True}, marks=pytest.mark.slow),
        {"ibn": True, "ibn_last_stage": True, "non_local": True},
        {"squeeze_excite": True, "width": 32},
    ],
    ids=str,
)
def test_arguments_from_names_and_shapes(arguments):
    given = {
        "depth": 50,
        "width": 16,
        "ibn": False,
        "ibn_last_stage": False,
        "squeeze_excite": False,
        "non_local": False,
        **arguments,
    }
    found = recognize(shapes(ResNeXt(**given)))
    assert found.backbone == "ResNeXt"
    assert found.arguments == given
    assert found.options == {
        "MODEL.BACKBONE.NAME": "build_resnext_backbone",
        "MODEL.BACKBONE.DEPTH": f"{given['depth']}x",
        "MODEL.BACKBONE.WITH_IBN": given["ibn"],
        "MODEL.BACKBONE.WITH_NL": given["non_local"],
    }
    assert found.open_arguments == {"MODEL.BACKBONE.LAST_STRIDE": "last_stride"}


@pytest.mark.parametrize("case", ["bot_s50", "bot_r50", "bot_r34_ibn_se", "osnet_x0_25"])
def test_names_of_another_family(case):
    names = golden.load(case)["state_dict_shapes"]
    assert recognize_resnext({name.removeprefix("backbone."): s for name, s in names.items()}) is None


@pytest.mark.medium
def test_the_network_is_built_as_it_was(usual):
    found = recognize(usual)
    assert (found.arguments["ibn"], found.arguments["squeeze_excite"]) == (False, False)
    network = found.build({"MODEL.BACKBONE.LAST_STRIDE": 2}, (64, 32))
    assert network.last_stride == 2
    assert shapes(network) == usual


def test_a_resnet_is_no_resnext():
    assert recognize(shapes(ResNet(50, width=2))).backbone == "ResNet"


def test_other_groups_and_depths(usual):
    found = dict(usual)
    found["layer1.0.conv2.weight"] = (256, 8, 3, 3)  # torchvision's 32x8d
    with pytest.raises(UserError, match=r"a ResNeXt, but not 50 or 101 .*shape \(256, 8, 3, 3\)"):
        recognize(found)
    found = dict(usual)
    found["layer2.4.conv1.weight"] = (64, 128, 1, 1)
    with pytest.raises(UserError, match=r"Received: \(3, 5, 6, 3\) blocks"):
        recognize(found)
