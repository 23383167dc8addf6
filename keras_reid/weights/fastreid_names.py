"""FastReID's names of a whole model's weights, today's and those of the first releases."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from keras_reid.checkpoints import Target, layer_targets, model_targets, named
from keras_reid.heads import BNNeckHead, LinearHead, MultiGranularityHeads
from keras_reid.layers import GeMPooling2D
from keras_reid.layers.margin import ClassificationLayer
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    import numpy as np

# The heads of MGN, in the order of `MultiGranularityHeads`.
_MGN_HEADS = tuple(f"{branch}_head" for branch in ("b1", "b2", "b3", "b21", "b22", "b31", "b32", "b33"))
# The shared part of MGN is a numbered sequence there.
_MGN_SHARED = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3.0": "6"}


def todays_names(state: Mapping[str, np.ndarray]) -> dict[str, tuple[str, np.ndarray]]:
    """`{today's name: (its own name, array)}` of a state dict, without what does not count.

    The first releases, whose files are the ones published, call a head's neck `bnneck`, its classifier's weight
    `classifier.weight`, and have in MGN a sequence `b1_pool` of pooling, reduction and normalisation.
    """
    own = named(state)
    parts = {name.rpartition(".")[0] for name in own}

    def rename(name):
        name = re.sub(r"^(b\d+)_pool\.0\.p$", r"\1_head.pool_layer.p", name)
        pooled = re.match(r"^(b\d+)_pool\.([12])\.", name)
        if pooled:
            return f"{pooled[1]}_head.bottleneck.{int(pooled[2]) - 1}.{name[pooled.end() :]}"
        name = re.sub(r"^(heads|b\d+_head)\.classifier\.weight$", r"\1.weight", name)
        neck = re.match(r"^(heads|b\d+_head)\.bnneck\.", name)
        if neck:
            reduced = f"{neck[1]}.bottleneck.0" in parts or f"{neck[1].removesuffix('_head')}_pool.1" in parts
            return f"{neck[1]}.bottleneck.{2 if reduced else 0}.{name[neck.end() :]}"
        return name

    return named(state, rename)


def is_first_release(state: Mapping[str, np.ndarray]) -> bool:
    """Whether a state dict has the names of the first releases' heads: later ones have no `bnneck`."""
    return any(re.search(r"(^|\.)(heads|b1_head)\.bnneck\.", name) for name in state)


def head_names(state: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    """The names of the heads in a state dict: one, or MGN's eight.

    Raises:
        UserError: if the state dict has no head.
    """
    for heads in (("heads",), _MGN_HEADS):
        if f"{heads[0]}.weight" in state:
            return heads
    raise UserError(
        "The weights have no 'heads.weight': not a whole network with its head as FastReID saves it. "
        f"They start with: {', '.join(list(state)[:3]) or 'nothing'}"
    )


def targets(model: Any) -> dict[str, Target]:
    """`{name in the state dict: Target}` of a whole `ReIDModel`."""
    if isinstance(model.head, MultiGranularityHeads):
        found = model_targets(model.backbone, rename=_mgn_name)
        for name, pooling, head in zip(_MGN_HEADS, model.head.poolings, model.head.heads, strict=True):
            found.update({**_pooling(name, pooling), **_head(name, head)})
        return found
    return {
        **model_targets(model.backbone, rename=lambda name: f"backbone.{name}"),
        **_pooling("heads", model.pooling),
        **_head("heads", model.head),
    }


def _mgn_name(name):
    """`layer1.0.conv1` → `backbone.4.0.conv1`; branches keep theirs."""
    for own, number in _MGN_SHARED.items():
        if name == own or name.startswith(f"{own}."):
            return f"backbone.{number}{name.removeprefix(own)}"
    return name


def plain_resnet_names(names: Iterable[str]) -> dict[str, str]:
    """`{name of the first branch in a ResNet: its name in MGN}`, from the names of MGN."""
    found = {}
    for name in names:
        for own, number in _MGN_SHARED.items():
            if name.startswith(f"backbone.{number}."):
                found[own + name.removeprefix(f"backbone.{number}")] = name
        block = re.match(r"^b1\.([01])\.(\d+)\.", name)
        if block:
            stage, index = (3, int(block[2]) + 1) if block[1] == "0" else (4, int(block[2]))
            found[f"layer{stage}.{index}.{name[block.end() :]}"] = name
    return found


def _pooling(name, pooling):
    if not isinstance(pooling, GeMPooling2D):
        return {}
    # A fixed exponent is in the code there, not in the file.
    return {f"{name}.pool_layer.p": Target(pooling.p, optional=not pooling.learnable)}


def _head(name, head):
    """Reduction (if any), its normalisation (if any) and neck (if any) are numbered parts of a "bottleneck"."""
    if not isinstance(head, (BNNeckHead, LinearHead)):
        raise UserError(
            "FastReID's weights fit a BNNeckHead, LinearHead or MultiGranularityHeads. "
            f"Received: a {type(head).__name__}"
        )
    parts = [head.reduce]
    if isinstance(head, BNNeckHead):
        parts += [head.reduce_norm, head.neck]
    found = {}
    for position, part in enumerate(part for part in parts if part is not None):
        found.update(layer_targets(f"{name}.bottleneck.{position}", part))
    if isinstance(head.classifier, ClassificationLayer):
        found[f"{name}.weight"] = Target(head.classifier.kernel, "matrix")
    return found
