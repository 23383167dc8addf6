"""Names of torchvision's networks where they differ from those of the layers here."""

from __future__ import annotations


def mobilenet_v2_name(name: str) -> str:
    """The name here, which is FastReID's, of a weight of torchvision's MobileNetV2.

    torchvision counts a convolution with its normalisation and ReLU6 as one step of a block, FastReID as three, and
    the last convolution as one more of the features.

    Args:
        name: A name in torchvision's file, as "features.2.conv.1.0.weight". One that belongs to no part of the
            feature extractor (the classifier) stays as it is.

    Example:
        >>> mobilenet_v2_name("features.2.conv.1.0.weight")
        'features.2.conv.3.weight'
        >>> mobilenet_v2_name("features.18.0.weight")
        'conv.0.weight'
    """
    parts = name.split(".")
    if parts[:2] == ["features", "18"]:
        return ".".join(["conv", *parts[2:]])
    if parts[0] != "features" or parts[2:3] != ["conv"]:
        return name
    _, block, _, step, *rest = parts
    if len(rest) == 2:  # step and place within it
        step, rest = 3 * int(step) + int(rest[0]), rest[1:]
    else:  # behind one step of three in the first block, which does not widen, and behind two in the others
        step = int(step) + (2 if block == "1" else 4)
    return ".".join(["features", block, "conv", str(step), *rest])
