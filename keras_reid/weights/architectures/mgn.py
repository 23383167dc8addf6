"""MGN's checkpoints: a ResNet whose end exists three times."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from keras_reid.utils.errors import UserError
from keras_reid.weights.architectures.resnet import recognize_resnet
from keras_reid.weights.fastreid_names import plain_resnet_names

if TYPE_CHECKING:
    from keras_reid.weights.architectures.architecture import Architecture


def recognize_mgn(shapes: Mapping[str, tuple[int, ...]]) -> Architecture | None:
    """The `Architecture` of a `MultiGranularityResNet`.

    Args:
        shapes: `{name: shape}` of the whole model's weights.

    Raises:
        UserError: if its backbone is not a ResNet of a known depth.
    """
    plain = recognize_resnet({plain: shapes[name] for plain, name in plain_resnet_names(shapes).items()})
    if plain is None or plain.arguments["depth"] < 50:
        raise UserError(
            "The weights have the heads of an MGN, but not the backbone: a ResNet of 50 layers or more, its start "
            "called 'backbone.0' and its branches 'b1', 'b2' and 'b3'."
        )
    arguments = {key: value for key, value in plain.arguments.items() if key != "non_local"}
    return dataclasses.replace(plain, backbone="MultiGranularityResNet", arguments=arguments)
