"""The options of a FastReID network: what its weights tell, its config says, and what is assumed."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from keras_reid.utils.errors import UserError
from keras_reid.weights.architectures import check_values, recognize, recognize_mgn
from keras_reid.weights.fastreid_checks import check_groups, check_names, checked_value
from keras_reid.weights.fastreid_names import head_names
from keras_reid.weights.fastreid_old_options import todays_options
from keras_reid.weights.fastreid_yaml import ConfigFile, plain_values
from keras_reid.weights.layered_options import LayeredOptions

if TYPE_CHECKING:
    import numpy as np

    from keras_reid.weights.architectures.architecture import Architecture

# What names and shapes may leave open about a backbone; of these, a model has what its backbone has.
OPEN_OPTIONS = {
    "MODEL.BACKBONE.LAST_STRIDE": 1,
    "MODEL.BACKBONE.STRIDE_SIZE": (16, 16),
    "MODEL.BACKBONE.SIE_COE": 3.0,
    "MODEL.BACKBONE.DROP_PATH_RATIO": 0.1,
    "MODEL.BACKBONE.DROP_RATIO": 0.0,
    "MODEL.BACKBONE.ATT_DROP_RATE": 0.0,
}
# Those that matter in training only: not worth a warning.
_TRAINING_ONLY = ("DROP_PATH_RATIO", "DROP_RATIO", "ATT_DROP_RATE")
# The config's own defaults, which most recipes do not change.
_DEFAULTS = {
    "MODEL.PIXEL_MEAN": (123.675, 116.28, 103.53),
    "MODEL.PIXEL_STD": (58.395, 57.12, 57.375),
}
# What the original's recipes say about all that neither names nor shapes tell.
_BOT = {
    "MODEL.HEADS.POOL_LAYER": "GlobalAvgPool",
    "MODEL.HEADS.NECK_FEAT": "before",
    "MODEL.HEADS.CLS_LAYER": "Linear",
    "MODEL.HEADS.SCALE": 1,
    "MODEL.HEADS.MARGIN": 0.0,
    "INPUT.SIZE_TEST": (256, 128),
}
_SBS = {
    **_BOT,
    "MODEL.HEADS.POOL_LAYER": "GeneralizedMeanPoolingP",
    "MODEL.HEADS.NECK_FEAT": "after",
    "MODEL.HEADS.CLS_LAYER": "CircleSoftmax",
    "MODEL.HEADS.SCALE": 64,
    "MODEL.HEADS.MARGIN": 0.35,
    "INPUT.SIZE_TEST": (384, 128),
}
_RECIPES = {
    "BoT": _BOT,
    "AGW": {**_BOT, "MODEL.HEADS.POOL_LAYER": "GeneralizedMeanPooling"},
    "SBS": _SBS,
    "MGN": _SBS,
    "ViT": {
        **_BOT,
        "MODEL.HEADS.POOL_LAYER": "Identity",
        "MODEL.PIXEL_MEAN": (127.5, 127.5, 127.5),
        "MODEL.PIXEL_STD": (127.5, 127.5, 127.5),
    },
}
_SUPPORTED = {
    "MODEL.META_ARCHITECTURE": ("Baseline", "MGN"),
    "MODEL.HEADS.NAME": ("EmbeddingHead",),
}
# A Baseline that has other parts during training only.
_BASELINES = ("Distiller", "MoCo")
# What hardly any config says, because the original's default holds.
_SELDOM_SAID = {
    **_DEFAULTS,
    **{key: OPEN_OPTIONS[key] for key in ("MODEL.BACKBONE.STRIDE_SIZE", "MODEL.BACKBONE.SIE_COE")},
}
_WITHOUT_NL = ("18x", "34x")
_GEM = ("GeneralizedMeanPooling", "GeneralizedMeanPoolingP")
_DEFAULTS_SOURCE = "FastReID's defaults"


def resolve_options(
    state: Mapping[str, np.ndarray], config: Any = None, saved: Any = None, stacklevel: int = 3
) -> tuple[Architecture, Any]:
    """The backbone's `Architecture`, and all options of a model as `{"MODEL.HEADS.POOL_LAYER": ..., ...}`.

    They come from five layers, of which the higher counts before the lower:

    1. what the weights tell by their names and shapes, which is certain;
    2. values that the weights file holds, such as the pixel mean;
    3. the config, and the files that it is based on;
    4. FastReID's defaults, where a config speaks: all of them for a file, for a dict those that hardly any config says
       (pixel mean and deviation, a transformer's stride), if it says anything about the backbone or the head;
    5. what FastReID's recipe for such a network says, which is assumed, with a warning.

    Args:
        state: `{name: array}` under today's names.
        config: a `ConfigFile`; a nested dict with the original's option names; or None. Options that do not concern the
            network are ignored.
        saved: Options whose values the weights file holds.
        stacklevel: Of the warning, as in `warnings.warn`.

    Returns the `Architecture` and `LayeredOptions`, which know where each value comes from.

    Raises:
        UserError: if the network cannot be built here, the config contradicts the weights or is not a nested dict, or
            an option has an unknown name or value.
    """
    said = _said(config, saved or {}, _has_exponent(state))
    for key, allowed in _SUPPORTED.items():
        if said.get(key, allowed[0]) not in allowed:
            raise UserError(
                f"{key} must be one of {', '.join(allowed)} to be imported. "
                f"Received: {said[key]!r} (from {said.source(key)})"
            )
    architecture, certain = _from_names(state)
    _check_agreement(certain, said)
    if _has_exponent(state):
        _check_exponent(said)
        # Also where the config speaks of a fixed exponent: the first releases learnt it.
        certain["MODEL.HEADS.POOL_LAYER"] = "GeneralizedMeanPoolingP"

    name = _recipe(architecture, certain, state)
    recipe = f"FastReID's {name} recipe"
    assumed = {key: OPEN_OPTIONS[key] for key in architecture.open_arguments} | _RECIPES[name]
    options = LayeredOptions()
    options.add(_DEFAULTS_SOURCE, _DEFAULTS)
    options.add(recipe, assumed)
    for key in [key for key in said if key in options]:
        options.add(said.source(key), {key: checked_value(key, said[key], said.source(key))})
    options.add("the names and shapes of the weights", certain)

    guessed = [key for key in assumed if options.source(key) == recipe and not key.endswith(_TRAINING_ONLY)]
    if guessed:
        listed = ", ".join(f"{key}={options[key]!r}" for key in guessed)
        warnings.warn(
            f"Neither the weights nor `config` tell these options, so {recipe} is assumed: "
            f"{listed}. If the network was trained otherwise, give its `config`.",
            stacklevel=stacklevel,
        )
    return architecture, options


def _said(config, saved, learnt_exponent):
    """What defaults, config and weights file say: layers 4 to 2."""
    is_file = isinstance(config, ConfigFile)
    options = config.options if is_file else config or {}
    check_groups(options)
    options = options if is_file else plain_values(options)  # a file's are plain already
    options = todays_options(options, learnt_exponent)
    check_names(options)
    options = dict(_flatten(options))

    said = LayeredOptions()
    if is_file:  # the BoT recipe's values are FastReID's defaults
        said.add(_DEFAULTS_SOURCE, {**OPEN_OPTIONS, **_BOT, **_DEFAULTS})
    elif any(key.startswith(("MODEL.BACKBONE.", "MODEL.HEADS.")) for key in options):
        said.add(_DEFAULTS_SOURCE, _SELDOM_SAID)
    if "MODEL.HEADS.CLS_LAYER" in options:  # its scale and margin are the config's, whose defaults are these
        said.add(_DEFAULTS_SOURCE, {"MODEL.HEADS.SCALE": 1, "MODEL.HEADS.MARGIN": 0.0})
    for key, value in options.items():
        said.add(str(config.source(key)) if is_file else "`config`", {key: value})
    said.add("the weights file", saved)
    if said.get("MODEL.META_ARCHITECTURE") in _BASELINES:
        said.add(said.source("MODEL.META_ARCHITECTURE"), {"MODEL.META_ARCHITECTURE": "Baseline"})
    return said


def _recipe(architecture, certain, state):
    """The recipe that a network was most likely trained by."""
    if architecture.backbone == "ViT":
        return "ViT"
    if certain["MODEL.META_ARCHITECTURE"] == "MGN":
        return "MGN"
    if certain.get("MODEL.BACKBONE.WITH_NL"):
        return "SBS" if _has_exponent(state) else "AGW"
    return "BoT"


def _flatten(config, prefix=""):
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _has_exponent(state):
    return f"{head_names(state)[0]}.pool_layer.p" in state


def _from_names(state):
    """The `Architecture` of the backbone, and the options that names and shapes tell."""
    check_values(_shapes(state))
    head = head_names(state)[0]
    if state[f"{head}.weight"].ndim != 2:
        raise UserError(
            f"'{head}.weight' must be a matrix (classes, features). Received: shape {state[f'{head}.weight'].shape}"
        )
    multiple = head == "b1_head"
    architecture = recognize_mgn(_shapes(state)) if multiple else recognize(_shapes(state, "backbone."))
    parts = sum(f"{head}.bottleneck.{i}.weight" in state for i in range(3))
    reduction = state.get(f"{head}.bottleneck.0.weight")
    embedding_dim = reduction.shape[0] if reduction is not None and reduction.ndim == 4 else 0
    return architecture, {
        **architecture.options,
        "MODEL.META_ARCHITECTURE": "MGN" if multiple else "Baseline",
        "MODEL.HEADS.EMBEDDING_DIM": embedding_dim,
        "MODEL.HEADS.WITH_BNNECK": parts > (embedding_dim > 0),
        "MODEL.HEADS.NUM_CLASSES": state[f"{head}.weight"].shape[0],
        # Not an option there: what the first releases had between reduction and neck.
        "REDUCTION_ACTIVATION": _activation(multiple) if embedding_dim and parts == 3 else None,
    }


def _shapes(state, prefix=""):
    return {
        name.removeprefix(prefix): value.shape for name, value in state.items() if name.startswith(prefix)
    }


def _activation(multiple):
    return "relu" if multiple else "leaky_relu"


def _check_agreement(certain, said):
    for key, value in certain.items():
        if key not in said or said[key] == value:
            continue
        # Depths 18 and 34 and MGN have no non-local blocks even where asked for; 0 classes are filled in when
        # training starts.
        without = (
            certain["MODEL.META_ARCHITECTURE"] == "MGN" or certain.get("MODEL.BACKBONE.DEPTH") in _WITHOUT_NL
        )
        if key.endswith("WITH_NL") and without:
            continue
        if key.endswith("NUM_CLASSES") and said[key] == 0:
            continue
        raise _disagreement(said, key, repr(value))


def _check_exponent(said):
    key = "MODEL.HEADS.POOL_LAYER"
    if said.get(key, _GEM[0]) not in _GEM:
        raise _disagreement(said, key, "a pooling with a learnt exponent")


def _disagreement(said, key, of_weights):
    return UserError(
        f"`config` and weights disagree about {key}: {said[key]!r} and {of_weights}. The first is from "
        f"{said.source(key)}. Is it the config of another network?"
    )
