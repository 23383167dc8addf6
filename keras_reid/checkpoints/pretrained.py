"""Starting a backbone from weights that somebody published, or from a file."""

import pathlib
from collections.abc import Mapping

from keras_reid.checkpoints.filling import fill, named
from keras_reid.checkpoints.published import fetch
from keras_reid.checkpoints.state_dict import read_state_dict
from keras_reid.checkpoints.targets import model_targets
from keras_reid.errors import UserError

# Classifiers of the networks that weights are published for: a backbone has none.
_CLASSIFIERS = ("fc.", "classifier.", "head.", "linear.")


def load_pretrained(backbone, pretrained, published_name=None):
    """Fills a backbone, and refuses to leave it half filled.

    Args:
        backbone: A functional model whose layers are named as in the file.
        pretrained: "imagenet", the path of a weights file, or a state dict.
        published_name: What "imagenet" stands for here, a key of `published.PUBLISHED`.

    Returns a `Report`. Its unused names are those of a classifier, its unfilled ones those of non-local blocks.

    Raises:
        ValueError: if "imagenet" is wanted and nobody published such weights.
        UserError: if they cannot be fetched or read, or do not fit.
    """
    source = pretrained
    if isinstance(source, str):
        source = fetch(published_name) if source == "imagenet" else pathlib.Path(source)
    own = {name: value for name, (_, value) in named(read_state_dict(source)).items()}
    state = {name: (name, value) for name, value in backbone.adapt_checkpoint(own).items()}
    report = fill(model_targets(backbone), state, backbone.weights)
    missing = [name for name in report.unfilled if not name.startswith("NL_")]
    surplus = [name for name in report.unused if not name.startswith(_CLASSIFIERS)]
    if missing or surplus:
        what = "The state dict" if isinstance(source, Mapping) else source
        raise UserError(f"{what} does not fit {type(backbone).__name__} {backbone.name!r}: {report}")
    return report
