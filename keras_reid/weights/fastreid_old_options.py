"""Options of FastReID's first releases, whose weights are the ones published, under today's names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_POOLINGS = {
    "avgpool": "GlobalAvgPool",
    "fastavgpool": "FastGlobalAvgPool",
    "maxpool": "GlobalMaxPool",
    "gempool": "GeneralizedMeanPooling",
    "gempoolP": "GeneralizedMeanPoolingP",
    "avgmaxpool": "AdaptiveAvgMaxPool",
    "clipavgpool": "ClipGlobalAvgPool",
    "identity": "Identity",
    "flatten": "Flatten",
}
_CLASSIFIERS = {
    "linear": "Linear",
    "arcface": "ArcSoftmax",
    "arcSoftmax": "ArcSoftmax",
    "circle": "CircleSoftmax",
    "circleSoftmax": "CircleSoftmax",
    "amSoftmax": "CosSoftmax",
    "cosSoftmax": "CosSoftmax",
}
_HEADS = ("BNneckHead", "LinearHead", "ReductionHead")
# Defaults of that time which differ from today's.
_SCALE, _MARGIN, _REDUCTION_DIM = 128, 0.15, 512


def todays_options(config: Mapping[str, Any], learnt_exponent: bool = True) -> Mapping[str, Any]:
    """A config under today's option names; one that is of today comes back as it is.

    There were two generations. The first (0.1) had a head for each structure (`BNneckHead`, `LinearHead`,
    `ReductionHead`), depths as numbers, and a `gempool` that mostly learnt its exponent. The second had today's
    `EmbeddingHead`, and both `gempool`, with a fixed exponent, and `gempoolP`. Both had poolings and
    classification layers under other names, scale 128 and margin 0.15 unless said otherwise, and a linear
    classifier that knew neither.

    Args:
        config: Nested dict with sections "MODEL" and "INPUT", whose "BACKBONE" and "HEADS" are dicts.
        learnt_exponent: Whether the weights have an exponent of the pooling. Without one, the first generation's
            `gempool` is fixed too.

    Returns another nested dict. What the first releases had between reduction and neck is not an option today and is
    told by the weights.

    Example:
        >>> todays_options({"MODEL": {"HEADS": {"NAME": "LinearHead", "POOL_LAYER": "gempool"}}})["MODEL"]["HEADS"]
        {'NAME': 'EmbeddingHead', 'POOL_LAYER': 'GeneralizedMeanPoolingP', 'WITH_BNNECK': False,
        'SCALE': 1, 'MARGIN': 0.0}
    """
    model = dict(config.get("MODEL", {}))
    backbone, heads = dict(model.get("BACKBONE", {})), dict(model.get("HEADS", {}))
    first = _is_first(model, backbone, heads)
    old_names = _is_key(_POOLINGS, heads.get("POOL_LAYER")) or _is_key(_CLASSIFIERS, heads.get("CLS_LAYER"))
    if not first and not old_names:
        return config

    backbone.pop("NORM_SPLIT", None)
    if type(backbone.get("DEPTH")) is int:
        backbone["DEPTH"] = f"{backbone['DEPTH']}x"
    if "POOL_LAYER" in heads:
        if first and learnt_exponent and heads["POOL_LAYER"] == "gempool":
            heads["POOL_LAYER"] = "gempoolP"
        heads["POOL_LAYER"] = _today(_POOLINGS, heads["POOL_LAYER"])
    if "CLS_LAYER" in heads:
        heads["CLS_LAYER"] = _today(_CLASSIFIERS, heads["CLS_LAYER"])
    _translate_head(model, backbone, heads)
    if heads.get("CLS_LAYER", "Linear") == "Linear":
        heads.update(SCALE=1, MARGIN=0.0)
    else:
        heads.setdefault("SCALE", _SCALE)
        heads.setdefault("MARGIN", _MARGIN)
    return {**config, "MODEL": {**model, "BACKBONE": backbone, "HEADS": heads}}


def _is_first(model, backbone, heads):
    return (
        heads.get("NAME") in _HEADS
        or heads.get("CLS_LAYER") in ("arcface", "circle")
        or type(backbone.get("DEPTH")) is int
        or "OPEN_LAYERS" in model
        or "NORM_SPLIT" in backbone
        or not {"IN_FEAT", "REDUCTION_DIM", "NORM_SPLIT"}.isdisjoint(heads)
    )


def _translate_head(model, backbone, heads):
    name = heads.get("NAME")
    channels = heads.pop("IN_FEAT", None)
    reduced = heads.pop("REDUCTION_DIM", _REDUCTION_DIM)
    heads.pop("NORM_SPLIT", None)
    if name == "ReductionHead":
        heads["EMBEDDING_DIM"] = reduced
    elif channels is not None and model.get("META_ARCHITECTURE") == "MGN":
        heads["EMBEDDING_DIM"] = channels  # MGN reduced before its heads, so that this came into them
    elif channels is not None:
        backbone.setdefault("FEAT_DIM", channels)
    if name in _HEADS:
        heads["WITH_BNNECK"] = name != "LinearHead"
    else:
        heads.setdefault("WITH_BNNECK", True)
    heads["NAME"] = "EmbeddingHead" if name in (None, *_HEADS) else name


def _is_key(table, value):
    return isinstance(value, str) and value in table


def _today(table, value):
    return table[value] if _is_key(table, value) else value
