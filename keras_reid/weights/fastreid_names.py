"""FastReID's names of a whole model's weights, today's and those of the first releases."""

from keras_reid.checkpoints import Target, layer_targets, model_targets, named
from keras_reid.errors import UserError
from keras_reid.heads import BNNeckHead, LinearHead
from keras_reid.layers import GeMPooling2D
from keras_reid.layers.margin.base import ClassificationLayer

# Names of the first releases, whose files are the ones published.
_OLD_NAMES = (("heads.bnneck.", "heads.bottleneck.0."), ("heads.classifier.weight", "heads.weight"))


def todays_names(state):
    """`{today's name: (its own name, array)}` of a state dict, without what does not count."""
    return named(state, _todays_name)


def _todays_name(name):
    for old, today in _OLD_NAMES:
        if name.startswith(old):
            return today + name[len(old) :]
    return name


def targets(model):
    """`{name in the state dict: Target}` of a whole `ReIDModel`."""
    return {
        **model_targets(model.backbone, rename=lambda name: f"backbone.{name}"),
        **_pooling("heads", model.pooling),
        **_head("heads", model.head),
    }


def _pooling(name, pooling):
    if not isinstance(pooling, GeMPooling2D):
        return {}
    # A fixed exponent is in the code there, not in the file.
    return {f"{name}.pool_layer.p": Target(pooling.p, optional=not pooling.learnable)}


def _head(name, head):
    """Reduction (if any) and neck (if any) are numbered parts of the original's "bottleneck"."""
    if not isinstance(head, (BNNeckHead, LinearHead)):
        raise UserError(
            f"FastReID's weights fit a BNNeckHead or LinearHead. Received: a {type(head).__name__}"
        )
    parts = [head.reduce] if head.reduce is not None else []
    if isinstance(head, BNNeckHead):
        parts.append(head.neck)
    found = {}
    for position, part in enumerate(parts):
        found.update(layer_targets(f"{name}.bottleneck.{position}", part))
    if isinstance(head.classifier, ClassificationLayer):
        found[f"{name}.weight"] = Target(head.classifier.kernel, "matrix")
    return found
