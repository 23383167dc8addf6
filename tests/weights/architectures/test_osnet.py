import pytest

from keras_reid.utils.errors import UserError
from keras_reid.weights.architectures import recognize
from keras_reid.weights.architectures.osnet import recognize_osnet
from tests import golden


def shapes(channels, ibn=False):
    found = {
        "conv1.conv.weight": (channels, 3, 7, 7),
        "conv2.0.conv2d.3.conv2.weight": (channels, 1, 3, 3),
    }
    return {**found, "conv2.0.IN.weight": (4 * channels,)} if ibn else found


@pytest.mark.parametrize(
    ("channels", "ibn", "width", "depth"),
    [
        (64, False, 1.0, "x1_0"),
        (64, True, 1.0, "x1_0"),
        (48, False, 0.75, "x0_75"),
        (32, True, 0.5, "x0_5"),
        (16, False, 0.25, "x0_25"),
    ],
)
def test_width_and_ibn(channels, ibn, width, depth):
    found = recognize(shapes(channels, ibn))
    assert found.backbone == "OSNet"
    assert found.arguments == {"width": width, "ibn": ibn}
    assert found.options == {
        "MODEL.BACKBONE.NAME": "build_osnet_backbone",
        "MODEL.BACKBONE.DEPTH": depth,
        "MODEL.BACKBONE.WITH_IBN": ibn,
    }
    assert found.open_arguments == {}


@pytest.mark.parametrize(("channels", "width"), [(64, 1.0), (16, 0.25)])
def test_osnet_ain(channels, width):
    names = shapes(channels)
    names["conv2.0.conv2.3.layers.3.conv2.weight"] = names.pop("conv2.0.conv2d.3.conv2.weight")
    found = recognize(names)
    assert (found.backbone, found.arguments) == ("OSNetAIN", {"width": width})


def test_another_width():
    with pytest.raises(UserError, match=r"an OSNet, but .* Received: 20 channels"):
        recognize(shapes(20))


def test_names_of_another_family():
    names = golden.load("bot_r50")["state_dict_shapes"]
    assert recognize_osnet({name.removeprefix("backbone."): shape for name, shape in names.items()}) is None
