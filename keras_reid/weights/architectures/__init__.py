"""Which backbone a checkpoint belongs to, told from its names and shapes: one file a family."""

from __future__ import annotations

from collections.abc import Mapping

from keras_reid.utils.errors import UserError
from keras_reid.weights.architectures.architecture import Architecture
from keras_reid.weights.architectures.mgn import recognize_mgn as _recognize_mgn
from keras_reid.weights.architectures.mobilenet_v2 import recognize_mobilenet_v2
from keras_reid.weights.architectures.osnet import recognize_osnet
from keras_reid.weights.architectures.repvgg import recognize_repvgg
from keras_reid.weights.architectures.resnest import recognize_resnest
from keras_reid.weights.architectures.resnet import recognize_resnet
from keras_reid.weights.architectures.resnext import recognize_resnext
from keras_reid.weights.architectures.vit import recognize_vit

# Each takes {name: shape} and returns an Architecture, or None if the names are not its family's.
_FAMILIES = (
    recognize_resnet,
    recognize_resnext,
    recognize_resnest,
    recognize_osnet,
    recognize_mobilenet_v2,
    recognize_repvgg,
    recognize_vit,
)

__all__ = ["Architecture", "check_values", "recognize", "recognize_mgn"]


def recognize(shapes: Mapping[str, tuple[int, ...]]) -> Architecture:
    """The `Architecture` of a backbone.

    Args:
        shapes: `{name: shape}` of its weights, without a prefix as `backbone.`.

    Raises:
        UserError: if no family knows the names, or a network of these sizes does not exist.
    """
    for family in _FAMILIES:
        found = _ask(family, shapes)
        if found is not None:
            return found
    raise UserError(
        "The weights are those of no network that can be built here. "
        f"They start with: {', '.join(list(shapes)[:3]) or 'nothing'}"
    )


def recognize_mgn(shapes: Mapping[str, tuple[int, ...]]) -> Architecture | None:
    """The `Architecture` of an MGN's backbone, from `{name: shape}` of the whole model's weights.

    Raises:
        UserError: if it cannot be built here.
    """
    return _ask(_recognize_mgn, shapes)


def check_values(shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuses weights without values, whose other sizes could be anything.

    Raises:
        UserError: naming one of them.
    """
    for name, shape in shapes.items():
        if 0 in shape:
            raise UserError(f"The weights have no values under {name!r}: its shape is {shape}.")


def _ask(family, shapes):
    check_values(shapes)
    try:
        return family(shapes)
    except (IndexError, ZeroDivisionError) as error:
        raise UserError(
            "The weights have the names of a network, but other shapes than it could have."
        ) from error
