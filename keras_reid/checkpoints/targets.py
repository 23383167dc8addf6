"""From the names in a PyTorch checkpoint to the variables of Keras layers.

A layer says which names it wants; nothing is matched by order.

- A layer with inner parts has a property `checkpoint_parts`: name in the checkpoint, below the layer's → layer or
  variable.
- A layer whose parts have no name above theirs in the checkpoint has a `checkpoint_name` of "".
- A model whose files exist under two kinds of names has `checkpoint_aliases`: pairs of a part of a name and its other
  form.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np


class Target(NamedTuple):
    """A variable and the layout in which the file holds it."""

    variable: Any
    layout: str = "as is"  # or "convolution", "depthwise", "matrix"
    optional: bool = False

    def convert(self, value: np.ndarray) -> np.ndarray:
        """The file's array in the variable's layout."""
        if self.layout == "convolution":  # (out, in, height, width) → (height, width, in, out)
            return np.transpose(value, (2, 3, 1, 0))
        if self.layout == "depthwise":  # (channels, 1, height, width) → (height, width, channels, 1)
            return np.transpose(value, (2, 3, 0, 1))
        if self.layout == "matrix":  # (out, in) or the same as a 1×1 convolution → (in, out)
            return np.transpose(value.reshape(value.shape[:2]))
        return value

    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shapes that the file may have."""
        shape = tuple(self.variable.shape)
        if self.layout == "convolution":
            return ((shape[3], shape[2], shape[0], shape[1]),)
        if self.layout == "depthwise":
            return ((shape[2], shape[3], shape[0], shape[1]),)
        if self.layout == "matrix":
            return (shape[::-1], (*shape[::-1], 1, 1))
        return (shape,)


def model_targets(model: Any, rename: Callable[[str], str] | None = None) -> dict[str, Target]:
    """`{name in the checkpoint: Target}` of all layers of a functional model.

    Args:
        model: A Keras model whose layers are named as in the checkpoint.
        rename: Function from a name as the layers have it to the name in the checkpoint, where they differ.
    """
    targets = {}
    for layer in model.layers:
        targets.update(layer_targets(getattr(layer, "checkpoint_name", layer.name), layer))
    aliases = {}
    for part, alias in getattr(model, "checkpoint_aliases", ()):
        aliases.update({name.replace(part, alias): targets[name] for name in targets if part in name})
    # A report calls a variable by the last of its names: its proper one.
    targets = {**aliases, **targets}
    return {rename(name): target for name, target in targets.items()} if rename else targets


def layer_targets(name: str, part: Any) -> dict[str, Target]:
    """`{name in the checkpoint: Target}` of a layer or variable, whose own name is `name`; empty without weights."""
    if isinstance(part, keras.Variable):
        return {name: Target(part)}
    parts = getattr(part, "checkpoint_parts", None)
    if parts is not None:
        targets = {}
        for own_name, inner in parts.items():
            targets.update(layer_targets(f"{name}.{own_name}" if name else own_name, inner))
        return targets
    if isinstance(part, keras.layers.DepthwiseConv2D):
        return _weight_and_bias(name, part, "depthwise")
    if isinstance(part, keras.layers.Conv2D):
        return _weight_and_bias(name, part, "convolution")
    if isinstance(part, keras.layers.Dense):
        return _weight_and_bias(name, part, "matrix")
    if isinstance(part, keras.layers.BatchNormalization):
        return {
            **_scale_and_offset(name, part),
            f"{name}.running_mean": Target(part.moving_mean),
            f"{name}.running_var": Target(part.moving_variance),
        }
    if isinstance(part, (keras.layers.LayerNormalization, keras.layers.GroupNormalization)):
        return _scale_and_offset(name, part)
    return {}


def _weight_and_bias(name, layer, layout):
    targets = {f"{name}.weight": Target(layer.kernel, layout)}
    if layer.bias is not None:
        targets[f"{name}.bias"] = Target(layer.bias)
    return targets


def _scale_and_offset(name, layer):
    return {f"{name}.weight": Target(layer.gamma), f"{name}.bias": Target(layer.beta)}
