import pytest

from keras_reid.backbones import MobileNetV2
from keras_reid.checkpoints import model_targets, named
from keras_reid.checkpoints.torchvision_names import mobilenet_v2_name

_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def torchvision_names():
    """All 314 names of torchvision's MobileNetV2, as its modules are nested there."""
    names = []

    def unit(name, norm):
        names.append(f"{name}.weight")
        names.extend(f"{norm}.{part}" for part in _NORM)

    unit("features.0.0", "features.0.1")
    for block in range(1, 18):
        units = 1 if block == 1 else 2  # each a convolution with normalisation and ReLU6
        for step in range(units):
            unit(f"features.{block}.conv.{step}.0", f"features.{block}.conv.{step}.1")
        unit(f"features.{block}.conv.{units}", f"features.{block}.conv.{units + 1}")
    unit("features.18.0", "features.18.1")
    return [*names, "classifier.1.weight", "classifier.1.bias"]


def test_all_names_of_the_network():
    names = torchvision_names()
    assert len(names) == 314
    found = named(dict.fromkeys(names), mobilenet_v2_name)
    assert len({mobilenet_v2_name(name) for name in names}) == len(names)
    wanted = model_targets(MobileNetV2(0.1))
    assert set(found) - set(wanted) == {"classifier.1.weight", "classifier.1.bias"}
    assert set(wanted) <= set(found)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("features.0.0.weight", "features.0.0.weight"),
        ("features.0.1.running_var", "features.0.1.running_var"),
        ("features.1.conv.0.0.weight", "features.1.conv.0.weight"),
        ("features.1.conv.0.1.bias", "features.1.conv.1.bias"),
        ("features.1.conv.1.weight", "features.1.conv.3.weight"),
        ("features.1.conv.2.running_mean", "features.1.conv.4.running_mean"),
        ("features.17.conv.0.0.weight", "features.17.conv.0.weight"),
        ("features.17.conv.0.1.weight", "features.17.conv.1.weight"),
        ("features.17.conv.1.0.weight", "features.17.conv.3.weight"),
        ("features.17.conv.1.1.running_var", "features.17.conv.4.running_var"),
        ("features.17.conv.2.weight", "features.17.conv.6.weight"),
        ("features.17.conv.3.bias", "features.17.conv.7.bias"),
        ("features.18.0.weight", "conv.0.weight"),
        ("features.18.1.running_mean", "conv.1.running_mean"),
        ("classifier.1.bias", "classifier.1.bias"),
    ],
)
def test_one_name(name, expected):
    assert mobilenet_v2_name(name) == expected
