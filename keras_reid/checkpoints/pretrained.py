"""Starting a backbone from weights that somebody published, or from a file."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from keras_reid.checkpoints.filling import fill, named
from keras_reid.checkpoints.parts import backbone_part
from keras_reid.checkpoints.published import fetch
from keras_reid.checkpoints.state_dict import read_state_dict
from keras_reid.checkpoints.targets import model_targets
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.checkpoints.filling import Report

# Classifiers of the networks that weights are published for. A backbone has no classifier.
_CLASSIFIERS = ("fc.", "classifier.", "head.", "linear.")


def load_pretrained(backbone: Any, pretrained: Any, published_name: str | None = None) -> Report:
    """Fills a backbone with weights. Weights that fill only a part of it are an error.

    Args:
        backbone: A functional model whose layers are named as in the file.
        pretrained: "imagenet", the path of a weights file, the name of a published model or an address (as
            `keras_reid.zoo.resolve` takes them), or a state dict. From a whole network, the backbone is taken: what
            begins with "backbone.", "base." or, of MoCo's two encoders, "encoder_q.".
        published_name: What "imagenet" stands for here, a key of `published.PUBLISHED`.

    Returns a `Report`. Its unused names are those of a head or classifier; its unfilled ones are those of non-local
    blocks, which the file need not have.

    Raises:
        ValueError: if "imagenet" is wanted and nobody published such weights.
        UserError: if they cannot be fetched or read, or do not fit.
    """
    source = pretrained
    if isinstance(source, str):
        source = fetch(str(published_name)) if source == "imagenet" else _file(source)
    what = "The state dict" if isinstance(source, Mapping) else source
    whole = {name: value for name, (_, value) in named(read_state_dict(source)).items()}
    own, beside = _without_head(whole, what)
    adapted = backbone.adapt_checkpoint(own)
    state = {name: (name, value) for name, value in adapted.items()}
    report = fill(model_targets(backbone), state, backbone.weights)
    # Published networks have no non-local blocks, which then start as the identity. Some but not all is an error.
    optional = () if any(name.startswith("NL_") for name in own) else ("NL_",)
    missing = [name for name in report.unfilled if not name.startswith(optional)]
    surplus = [name for name in report.unused if not name.startswith(_CLASSIFIERS)]
    if missing or surplus:
        raise UserError(f"{what} does not fit {type(backbone).__name__} {backbone.name!r}: {report}")
    kept = {id(value) for value in adapted.values()}
    dropped = [name for name, value in own.items() if name not in adapted and id(value) not in kept]
    return dataclasses.replace(report, unused=(*report.unused, *dropped, *beside))


def _file(source):
    """The file of a path, or of a published model."""
    from keras_reid.zoo.resolving import is_published, weights_file

    return weights_file(source) if is_published(source) else pathlib.Path(source)


def _without_head(state, what):
    """The backbone of a whole network, and the names of what else is in it; any other state dict as it is."""
    if any(name.startswith("b1_head.") for name in state):
        raise UserError(
            f"{what} is a whole MGN, whose last stages exist three times: no backbone can start from it. "
            "Import all of it with `keras_reid.weights.build_fastreid`."
        )
    heads = tuple(name for name in state if name.startswith("heads."))
    own, _, beside = backbone_part({name: value for name, value in state.items() if name not in heads})
    # FastReID's files hold nothing beside backbone and heads, so that anything else is a surprise.
    return ({**own, **{name: state[name] for name in beside}}, heads) if heads else (own, beside)
