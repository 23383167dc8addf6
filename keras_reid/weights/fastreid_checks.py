"""What options of a FastReID config may be, and which names there are."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from typing import Any

from keras_reid.utils.errors import UserError

# Today's names and those of the first releases. Others may be a project's own.
_KNOWN = {
    "": ("MODEL", "INPUT"),
    "MODEL": (
        *("META_ARCHITECTURE", "BACKBONE", "HEADS", "LOSSES", "PIXEL_MEAN", "PIXEL_STD"),
        *("DEVICE", "FREEZE_LAYERS", "QUEUE_SIZE", "WEIGHTS", "OPEN_LAYERS"),
    ),
    "MODEL.BACKBONE": (
        *("NAME", "DEPTH", "LAST_STRIDE", "FEAT_DIM", "NORM", "NORM_SPLIT", "WITH_IBN", "WITH_SE", "WITH_NL"),
        *("PRETRAIN", "PRETRAIN_PATH", "SIE_COE", "STRIDE_SIZE", "DROP_PATH_RATIO", "DROP_RATIO"),
        "ATT_DROP_RATE",
    ),
    "MODEL.HEADS": (
        *("NAME", "NORM", "NORM_SPLIT", "NUM_CLASSES", "EMBEDDING_DIM", "WITH_BNNECK", "NECK_FEAT"),
        *("POOL_LAYER", "CLS_LAYER", "MARGIN", "SCALE", "IN_FEAT", "REDUCTION_DIM"),
    ),
    "INPUT": ("SIZE_TEST",),
}
_SIMILAR = 0.8


def check_names(config: Mapping[str, Any]) -> None:
    """Refuses what is almost, but not quite, the name of an option, which would be without effect.

    Raises:
        UserError: naming the option and the nearest right name.
    """
    for path, known in _KNOWN.items():
        group = config
        for key in filter(None, path.split(".")):
            group = group.get(key, {})
        for key in group:
            nearest = difflib.get_close_matches(str(key).upper(), known, 1, _SIMILAR)
            if key not in known and nearest:
                prefix = f"{path}." if path else ""
                raise UserError(
                    f"{prefix}{key} is not an option of FastReID's. Did you mean {prefix}{nearest[0]}?"
                )


def checked_value(key: str, value: Any, source: Any) -> Any:
    """The value of an option that concerns a network, as the network takes it.

    Args:
        key: name of the option.
        value: as the source gives it.
        source: where it comes from, for the error.

    Raises:
        UserError: if the option cannot have it.
    """
    if key == "MODEL.BACKBONE.STRIDE_SIZE" and _is_whole(value):
        value = (value, value)
    value = tuple(value) if isinstance(value, list) else value
    rule, holds = _RULES.get(key, ("", lambda value: True))
    if not holds(value):
        raise UserError(f"{key} must be {rule} to be imported. Received: {value!r} (from {source})")
    return value


def check_groups(config: Any) -> None:
    """Refuses a config whose sections are not dicts.

    Raises:
        UserError: naming the section.
    """
    for path in _KNOWN:
        group = config
        for key in filter(None, path.split(".")):
            group = group.get(key, {})
        if not isinstance(group, Mapping):
            raise UserError(
                "`config` must be a nested dict with FastReID's option names, as {'MODEL': {'HEADS': {...}}}. "
                f"Received: {path or 'config'}={group!r}"
            )


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value):
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_pair(value):
    return isinstance(value, tuple) and len(value) == 2 and all(map(_is_whole, value))


def _is_rate(value):
    return _is_number(value) and 0 <= value < 1


def _is_colour(value):
    return isinstance(value, tuple) and len(value) == 3 and all(map(_is_number, value))


_RATE = ("a number from 0 to below 1", _is_rate)
_RULES = {
    "MODEL.BACKBONE.LAST_STRIDE": ("1 or 2", lambda value: _is_whole(value) and value <= 2),
    "MODEL.BACKBONE.STRIDE_SIZE": ("[rows, columns] in whole pixels", _is_pair),
    "MODEL.BACKBONE.SIE_COE": ("a number", _is_number),
    "MODEL.BACKBONE.DROP_PATH_RATIO": _RATE,
    "MODEL.BACKBONE.DROP_RATIO": _RATE,
    "MODEL.BACKBONE.ATT_DROP_RATE": _RATE,
    "MODEL.HEADS.POOL_LAYER": ("the name of a layer", lambda value: isinstance(value, str)),
    "MODEL.HEADS.CLS_LAYER": ("the name of a layer", lambda value: isinstance(value, str)),
    "MODEL.HEADS.NECK_FEAT": ("'before' or 'after'", lambda value: value in ("before", "after")),
    "MODEL.HEADS.SCALE": ("a positive number", lambda value: _is_number(value) and value > 0),
    "MODEL.HEADS.MARGIN": ("a number of at least 0", lambda value: _is_number(value) and value >= 0),
    "MODEL.PIXEL_MEAN": ("three numbers", _is_colour),
    "MODEL.PIXEL_STD": ("three positive numbers", lambda value: _is_colour(value) and min(value) > 0),
    "INPUT.SIZE_TEST": ("[height, width] in whole pixels", _is_pair),
}
