"""The options of a FastReID network: what its weights tell, its config says, and what is assumed."""

import warnings
from collections.abc import Mapping

from keras_reid.errors import UserError
from keras_reid.weights.architectures import recognize

# What the original's recipes say about all that neither names nor shapes tell.
_BOT = {
    "MODEL.BACKBONE.LAST_STRIDE": 1,
    "MODEL.HEADS.POOL_LAYER": "GlobalAvgPool",
    "MODEL.HEADS.NECK_FEAT": "before",
    "MODEL.HEADS.CLS_LAYER": "Linear",
    "MODEL.HEADS.SCALE": 1,
    "MODEL.HEADS.MARGIN": 0.0,
    "INPUT.SIZE_TEST": (256, 128),
}
_OPEN = ("MODEL.BACKBONE.LAST_STRIDE",)  # of these, only what a backbone has
_AGW = {**_BOT, "MODEL.HEADS.POOL_LAYER": "GeneralizedMeanPooling"}
_SBS = {
    **_BOT,
    "MODEL.HEADS.POOL_LAYER": "GeneralizedMeanPoolingP",
    "MODEL.HEADS.NECK_FEAT": "after",
    "MODEL.HEADS.CLS_LAYER": "CircleSoftmax",
    "MODEL.HEADS.SCALE": 64,
    "MODEL.HEADS.MARGIN": 0.35,
    "INPUT.SIZE_TEST": (384, 128),
}
# The config's own defaults, which recipes do not change.
_DEFAULTS = {
    "MODEL.PIXEL_MEAN": (123.675, 116.28, 103.53),
    "MODEL.PIXEL_STD": (58.395, 57.12, 57.375),
}
_SUPPORTED = {
    "MODEL.META_ARCHITECTURE": ("Baseline",),
    "MODEL.HEADS.NAME": ("EmbeddingHead", "BNneckHead", "LinearHead"),
}
_GEM = ("GeneralizedMeanPooling", "GeneralizedMeanPoolingP", "gempool", "gempoolP")


def resolve_options(state, config=None):
    """The backbone's `Architecture`, and all options of a model as `{"MODEL.HEADS.POOL_LAYER": ..., ...}`.

    Names and shapes are certain; the config says the rest; what it leaves out is assumed, with a warning.

    Args:
        state: `{name: array}` under today's names.
        config: Nested dict with the original's option names, or None. Options that do not concern the network
            are not looked at.

    Raises:
        UserError: if the network is none that can be built here, the config contradicts the weights, or it is
            not a nested dict.
    """
    if config is not None and not isinstance(config, Mapping):
        raise UserError(
            "`config` must be a nested dict with FastReID's option names, as {'MODEL': {'HEADS': {...}}}. "
            f"Received: {config!r}"
        )
    said = dict(_flatten(config or {}))
    for key, allowed in _SUPPORTED.items():
        if said.get(key, allowed[0]) not in allowed:
            raise UserError(
                f"{key} must be one of {', '.join(allowed)} to be imported. Received: {said[key]!r}"
            )
    architecture, certain = _from_names(state)
    _check_agreement(certain, said)

    recipe, assumed = "BoT", dict(_BOT)
    if certain.get("MODEL.BACKBONE.WITH_NL"):
        recipe, assumed = ("SBS", dict(_SBS)) if _has_exponent(state) else ("AGW", dict(_AGW))
    if "MODEL.HEADS.CLS_LAYER" in said:  # its scale and margin are the config's, whose defaults are these
        said = {"MODEL.HEADS.SCALE": 1, "MODEL.HEADS.MARGIN": 0.0, **said}
    if _has_exponent(state):
        if said.get("MODEL.HEADS.POOL_LAYER", _GEM[0]) not in _GEM:
            raise UserError(
                "`config` and weights disagree about MODEL.HEADS.POOL_LAYER: "
                f"{said['MODEL.HEADS.POOL_LAYER']!r} in the config, heads.pool_layer.p in the weights. "
                "Is it the config of another network?"
            )
        # Also where the config speaks of a fixed exponent: the first releases learnt it.
        certain["MODEL.HEADS.POOL_LAYER"] = "GeneralizedMeanPoolingP"
    options = {**_DEFAULTS, **assumed}
    options.update({key: value for key, value in said.items() if key in options})
    options.update(certain)

    for key in [key for key in _OPEN if key not in architecture.open_arguments]:
        assumed.pop(key)  # this backbone has no such option
        options.pop(key)
    guessed = [key for key in assumed if key not in said and key not in certain]
    if guessed:
        listed = ", ".join(f"{key}={options[key]!r}" for key in guessed)
        warnings.warn(
            f"Neither the weights nor `config` tell these options, so FastReID's {recipe} recipe is assumed: "
            f"{listed}. If the network was trained otherwise, give its `config`.",
            stacklevel=3,
        )
    return architecture, options


def _flatten(config, prefix=""):
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _has_exponent(state):
    return "heads.pool_layer.p" in state


def _from_names(state):
    """The `Architecture` of the backbone, and the options that names and shapes tell."""
    backbone = {
        name.removeprefix("backbone."): value.shape
        for name, value in state.items()
        if name.startswith("backbone.")
    }
    for name, there in (("backbone.*", backbone), ("heads.weight", "heads.weight" in state)):
        if not there:
            raise UserError(
                f"The weights have no {name!r}: not a network with a head as FastReID's Baseline saves it. "
                f"They start with: {', '.join(list(state)[:3]) or 'nothing'}"
            )
    architecture = recognize(backbone)
    reduction = state.get("heads.bottleneck.0.weight")
    embedding_dim = reduction.shape[0] if reduction is not None and reduction.ndim == 4 else 0
    neck = "heads.bottleneck.1.weight" if embedding_dim else "heads.bottleneck.0.weight"
    return architecture, {
        **architecture.options,
        "MODEL.HEADS.EMBEDDING_DIM": embedding_dim,
        "MODEL.HEADS.WITH_BNNECK": neck in state,
        "MODEL.HEADS.NUM_CLASSES": state["heads.weight"].shape[0],
    }


def _check_agreement(certain, said):
    for key, value in certain.items():
        if key not in said or said[key] == value:
            continue
        # Depths 18 and 34 have no non-local blocks even where asked for; 0 classes are filled in when
        # training starts.
        if key.endswith("WITH_NL") and certain["MODEL.BACKBONE.DEPTH"] in ("18x", "34x"):
            continue
        if key.endswith("NUM_CLASSES") and said[key] == 0:
            continue
        raise UserError(
            f"`config` and weights disagree about {key}: {said[key]!r} and {value!r}. "
            "Is it the config of another network?"
        )
