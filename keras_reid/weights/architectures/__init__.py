"""Which backbone a checkpoint belongs to, told from its names and shapes: one file a family."""

from keras_reid.errors import UserError
from keras_reid.weights.architectures.architecture import Architecture
from keras_reid.weights.architectures.mgn import recognize_mgn
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

__all__ = ["Architecture", "recognize", "recognize_mgn"]


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
