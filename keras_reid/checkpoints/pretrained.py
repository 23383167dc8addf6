"""Starting a backbone from weights that somebody published, or from a file."""

import pathlib

from keras_reid.checkpoints.filling import fill, named
from keras_reid.checkpoints.state_dict import read_state_dict
from keras_reid.checkpoints.targets import model_targets
from keras_reid.errors import UserError

# Classifiers of the networks that weights are published for: a backbone has none.
_CLASSIFIERS = ("fc.", "classifier.", "head.", "linear.")


def load_pretrained(backbone, pretrained, published_name):
    """Fills a backbone, and refuses to leave it half filled.

    Args:
        backbone: A functional model whose layers are named as in the file.
        pretrained: "imagenet", or the path of a weights file.
        published_name: What "imagenet" stands for here, a key of `published.PUBLISHED`.

    Returns a `Report`. Its unused names are those of a classifier, its unfilled ones those of non-local blocks.

    Raises:
        ValueError: if "imagenet" is wanted and nobody published such weights.
        UserError: if they cannot be fetched or read, or do not fit.
    """
    from keras_reid.checkpoints.published import fetch

    path = fetch(published_name) if pretrained == "imagenet" else pathlib.Path(pretrained)
    state = named(read_state_dict(path))
    report = fill(model_targets(backbone), state, backbone.weights)
    missing = [name for name in report.unfilled if not name.startswith("NL_")]
    surplus = [name for name in report.unused if not name.startswith(_CLASSIFIERS)]
    if missing or surplus:
        raise UserError(f"{path} does not fit {type(backbone).__name__} {backbone.name!r}: {report}")
    return report
