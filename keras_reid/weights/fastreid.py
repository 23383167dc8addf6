"""Importer of FastReID's weights."""

import pathlib
from collections.abc import Mapping

import keras

from keras_reid import layers
from keras_reid.checkpoints import fill, read_state_dict
from keras_reid.errors import UserError
from keras_reid.heads import BNNeckHead, LinearHead
from keras_reid.weights.fastreid_names import targets, todays_names
from keras_reid.weights.fastreid_options import resolve_options

# Today's names and those of the first releases.
_POOLINGS = {
    ("GlobalAvgPool", "FastGlobalAvgPool", "avgpool", "fastavgpool"): keras.layers.GlobalAveragePooling2D,
    ("GlobalMaxPool", "maxpool"): keras.layers.GlobalMaxPooling2D,
    ("GeneralizedMeanPooling", "gempool"): lambda: layers.GeMPooling2D(learnable=False),
    ("GeneralizedMeanPoolingP", "gempoolP"): layers.GeMPooling2D,
    ("AdaptiveAvgMaxPool", "avgmaxpool"): layers.AverageMaxPooling2D,
}
_CLASSIFIERS = {
    ("Linear", "linear"): lambda classes, scale, margin: layers.LinearClassifier(classes, scale),
    ("CosSoftmax", "cosSoftmax", "amSoftmax"): layers.CosSoftmax,
    ("ArcSoftmax", "arcSoftmax"): layers.ArcSoftmax,
    ("CircleSoftmax", "circleSoftmax"): layers.CircleSoftmax,
}


def build_fastreid(file_or_state_dict, config=None):
    """A `ReIDModel` with the weights of a network that FastReID trained.

    It must be of the meta-architecture Baseline with a ResNet backbone.

    Depth, IBN, squeeze-and-excitation, non-local blocks, head and a learnt GeM exponent follow from names and
    shapes. What they do not tell (pooling without parameters, last stride, classification layer, metric
    feature, image size) is taken from `config`, or assumed as in the original's recipes, with a warning that
    lists it.

    Args:
        file_or_state_dict: A `.pth` file (needs PyTorch) or a mapping of names to numpy arrays. The names of
            the first releases (`heads.bnneck.*`, `heads.classifier.weight`) are understood.
        config: Nested dict with the original's option names, as `{"MODEL": {"HEADS": {"POOL_LAYER":
            "GlobalAvgPool"}}}`.

    Returns the model; its `metadata["provenance"]` holds the source and all options used.

    Raises:
        UserError: if the network is of another kind, config and weights disagree, or any weight is left
            unused or unfilled.

    Example:
        >>> model = keras_reid.weights.build_fastreid("market_bot_R50.pth")  # doctest: +SKIP
        >>> model.save("market_bot_R50.keras")  # doctest: +SKIP
    """
    from keras_reid.models import ReIDModel

    state = read_state_dict(file_or_state_dict)
    today = {name: value for name, (_, value) in todays_names(state).items()}
    architecture, options = resolve_options(today, config)
    for key, name in (("MODEL.PIXEL_MEAN", "pixel_mean"), ("MODEL.PIXEL_STD", "pixel_std")):
        if name in state:  # the first releases save them
            options[key] = tuple(float(value) for value in state[name].ravel())
    image_size = _image_size(options)
    model = ReIDModel(
        backbone=architecture.build(options, image_size),
        pooling=_choose(_POOLINGS, options, "MODEL.HEADS.POOL_LAYER")(),
        head=_head(options),
        image_size=image_size,
        pixel_mean=options["MODEL.PIXEL_MEAN"],
        pixel_std=options["MODEL.PIXEL_STD"],
        metadata={"provenance": _provenance(file_or_state_dict, options)},
    )
    report = load_fastreid(model, state)
    if not report.complete:
        raise UserError(f"Weights and network do not fit each other: {report}")
    return model


def load_fastreid(model, file_or_state_dict):
    """Loads what fits of a FastReID state dict into a `ReIDModel`, and reports every name left over.

    Use it to fine-tune with another number of identities: then the classifier is reported, and keeps its
    values.

    Args:
        model: A `ReIDModel` with a `backbones.ResNet` and a `BNNeckHead` or `LinearHead`.
        file_or_state_dict: A `.pth` file (needs PyTorch) or a mapping of names to numpy arrays.

    Returns a `Report`; `report.complete` says whether nothing was left over on either side.

    Raises:
        UserError: if the file cannot be read or the model's head is of another kind.

    Example:
        >>> report = keras_reid.weights.load_fastreid(model, state_dict)
        >>> print(report)
        267 used, 0 unused, 0 unfilled
    """
    return fill(targets(model), todays_names(read_state_dict(file_or_state_dict)), model.weights)


def _choose(table, options, key):
    for names, choice in table.items():
        if options[key] in names:
            return choice
    known = ", ".join(names[0] for names in table)
    raise UserError(f"{key} must be one of {known} to be imported. Received: {options[key]!r}")


def _head(options):
    classes = options["MODEL.HEADS.NUM_CLASSES"]
    classifier = _choose(_CLASSIFIERS, options, "MODEL.HEADS.CLS_LAYER")
    head = BNNeckHead if options["MODEL.HEADS.WITH_BNNECK"] else LinearHead
    return head(
        classes,
        classifier(classes, options["MODEL.HEADS.SCALE"], options["MODEL.HEADS.MARGIN"]),
        metric_feature=options["MODEL.HEADS.NECK_FEAT"],
        embedding_dim=options["MODEL.HEADS.EMBEDDING_DIM"] or None,
    )


def _image_size(options):
    size = options["INPUT.SIZE_TEST"]
    if not isinstance(size, (list, tuple)) or len(size) != 2 or min(size) < 1:
        raise UserError(
            f"INPUT.SIZE_TEST must be [height, width] in pixels to be imported. Received: {size!r}"
        )
    return tuple(size)


def _provenance(source, options):
    file = None if isinstance(source, Mapping) else pathlib.Path(source).name
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in options.items()}
    return {"source": "FastReID", "file": file, "options": plain}
