"""Which backbone a checkpoint belongs to, told from its names and shapes: one file a family."""

from keras_reid.errors import UserError
from keras_reid.weights.architectures.architecture import Architecture
from keras_reid.weights.architectures.resnet import recognize_resnet

# Each takes {name: shape} and returns an Architecture, or None if the names are not its family's.
_FAMILIES = (recognize_resnet,)

__all__ = ["Architecture", "recognize"]


def recognize(shapes):
    """The `Architecture` of a backbone.

    Args:
        shapes: `{name: shape}` of its weights, without a prefix as `backbone.`.

    Raises:
        UserError: if no family knows the names, or the family's sizes are none that exist.
    """
    for family in _FAMILIES:
        found = family(shapes)
        if found is not None:
            return found
    raise UserError(
        "The weights are those of no network that can be built here. "
        f"They start with: {', '.join(list(shapes)[:3]) or 'nothing'}"
    )
