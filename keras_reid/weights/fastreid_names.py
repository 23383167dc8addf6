"""From the original's names of weights to the variables of a `ReIDModel`.

The model says which names it wants, layer by layer: `targets(model)`. Nothing is matched by order.
"""

import re
from typing import NamedTuple

import keras
import numpy as np

from keras_reid.errors import UserError
from keras_reid.heads import BNNeckHead, LinearHead
from keras_reid.layers import IBN, GeMPooling2D, NonLocal2D, SqueezeExcite
from keras_reid.layers.margin.base import ClassificationLayer

# Names of the first releases, whose files are the ones published.
_OLD_NAMES = (("heads.bnneck.", "heads.bottleneck.0."), ("heads.classifier.weight", "heads.weight"))
_IGNORED = re.compile(r"(^|\.)num_batches_tracked$|^pixel_(mean|std)$")


class Target(NamedTuple):
    """A variable and the layout in which the file holds it."""

    variable: object
    layout: str = "as is"  # or "convolution", "matrix"
    optional: bool = False

    def convert(self, value):
        """The file's array in the variable's layout."""
        if self.layout == "convolution":  # (out, in, height, width) → (height, width, in, out)
            return np.transpose(value, (2, 3, 1, 0))
        if self.layout == "matrix":  # (out, in) or the same as a 1×1 convolution → (in, out)
            return np.transpose(value.reshape(value.shape[:2]))
        return value

    def shapes(self):
        """The shapes that the file may have."""
        shape = tuple(self.variable.shape)
        if self.layout == "convolution":
            return ((shape[3], shape[2], shape[0], shape[1]),)
        if self.layout == "matrix":
            return (shape[::-1], (*shape[::-1], 1, 1))
        return (shape,)


def rename(state):
    """`{today's name: (its own name, array)}` of a state dict, without what does not count."""
    renamed = {}
    for name, value in state.items():
        new = name.removeprefix("module.")
        for old, today in _OLD_NAMES:
            if new.startswith(old):
                new = today + new[len(old) :]
        if not _IGNORED.search(new):
            renamed[new] = (name, value)
    return renamed


def targets(model):
    """`{name in the state dict: Target}` of a whole `ReIDModel`."""
    found = {}
    for layer in model.backbone.layers:
        found.update(_layer(f"backbone.{_backbone_name(layer.name)}", layer))
    if isinstance(model.pooling, GeMPooling2D):
        # A fixed exponent is in the code there, not in the file.
        found["heads.pool_layer.p"] = Target(model.pooling.p, optional=not model.pooling.learnable)
    found.update(_head(model.head))
    return found


def _backbone_name(name):
    """`layer1_0_downsample_bn` → `layer1.0.downsample.1`, `non_local2_0` → `NL_2.0`, `bn1` → `bn1`."""
    name = re.sub(r"^non_local(\d)_", r"NL_\1.", name)
    name = re.sub(r"^(layer\d)_(\d+)_", r"\1.\2.", name)
    return name.replace("downsample_conv", "downsample.0").replace("downsample_bn", "downsample.1")


def _layer(name, layer):
    """The names under `name` that belong to one layer of a backbone; none for a layer without weights."""
    if isinstance(layer, keras.layers.Conv2D):
        return _weight_and_bias(name, layer, "convolution")
    if isinstance(layer, keras.layers.BatchNormalization):
        return _batch_norm(name, layer)
    if isinstance(layer, IBN):
        return {
            f"{name}.IN.weight": Target(layer.gamma),
            f"{name}.IN.bias": Target(layer.beta),
            **_batch_norm(f"{name}.BN", layer.batch_norm),
        }
    if isinstance(layer, NonLocal2D):
        return {
            **_weight_and_bias(f"{name}.g", layer.g, "matrix"),
            **_weight_and_bias(f"{name}.theta", layer.theta, "matrix"),
            **_weight_and_bias(f"{name}.phi", layer.phi, "matrix"),
            **_weight_and_bias(f"{name}.W.0", layer.w, "matrix"),
            **_batch_norm(f"{name}.W.1", layer.norm),
        }
    if isinstance(layer, SqueezeExcite):
        return {
            **_weight_and_bias(f"{name}.fc.0", layer.squeeze, "matrix"),
            **_weight_and_bias(f"{name}.fc.2", layer.excite, "matrix"),
        }
    return {}


def _weight_and_bias(name, layer, layout):
    found = {f"{name}.weight": Target(layer.kernel, layout)}
    if layer.bias is not None:
        found[f"{name}.bias"] = Target(layer.bias)
    return found


def _batch_norm(name, layer):
    return {
        f"{name}.weight": Target(layer.gamma),
        f"{name}.bias": Target(layer.beta),
        f"{name}.running_mean": Target(layer.moving_mean),
        f"{name}.running_var": Target(layer.moving_variance),
    }


def _head(head):
    """Reduction (if any) and neck (if any) are numbered parts of the original's "bottleneck"."""
    if not isinstance(head, (BNNeckHead, LinearHead)):
        raise UserError(
            f"FastReID's weights fit a BNNeckHead or LinearHead. Received: a {type(head).__name__}"
        )
    parts = []
    if head.reduce is not None:
        parts.append(_weight_and_bias(f"heads.bottleneck.{len(parts)}", head.reduce, "matrix"))
    if isinstance(head, BNNeckHead):
        parts.append(_batch_norm(f"heads.bottleneck.{len(parts)}", head.neck))
    found = {name: target for part in parts for name, target in part.items()}
    if isinstance(head.classifier, ClassificationLayer):
        found["heads.weight"] = Target(head.classifier.kernel, "matrix")
    return found
