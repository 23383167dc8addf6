"""Importer of FastReID's weights."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras

from keras_reid import layers
from keras_reid.checkpoints import fill, read_state_dict
from keras_reid.heads import BNNeckHead, LinearHead, MultiGranularityHeads
from keras_reid.utils.errors import UserError
from keras_reid.weights.fastreid_names import is_first_release, targets, todays_names
from keras_reid.weights.fastreid_options import resolve_options
from keras_reid.weights.fastreid_yaml import ConfigFile

if TYPE_CHECKING:
    import numpy as np

    from keras_reid.checkpoints.filling import Report

_POOLINGS = {
    "GlobalAvgPool": lambda: keras.layers.GlobalAveragePooling2D(data_format="channels_last"),
    "FastGlobalAvgPool": lambda: keras.layers.GlobalAveragePooling2D(data_format="channels_last"),
    "GlobalMaxPool": lambda: keras.layers.GlobalMaxPooling2D(data_format="channels_last"),
    "GeneralizedMeanPooling": lambda: layers.GeMPooling2D(learnable=False),
    "GeneralizedMeanPoolingP": layers.GeMPooling2D,
    "AdaptiveAvgMaxPool": layers.AverageMaxPooling2D,
    "ClipGlobalAvgPool": layers.ClippedAveragePooling2D,
    "Identity": layers.IdentityPooling2D,
}
_CLASSIFIERS = {
    "Linear": lambda classes, scale, margin: layers.LinearClassifier(classes, scale),
    "CosSoftmax": layers.CosSoftmax,
    "ArcSoftmax": layers.ArcSoftmax,
    "CircleSoftmax": layers.CircleSoftmax,
}


def build_fastreid(
    file_or_state_dict: str | os.PathLike[str] | Mapping[str, Any],
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
) -> Any:
    """A `ReIDModel` with the weights of a network that FastReID trained.

    It must be of the meta-architecture Baseline, MoCo, Distiller or MGN, with a backbone of `keras_reid.backbones`.

    Depth, IBN, squeeze-and-excitation, non-local blocks, head and a learnt GeM exponent follow from names and
    shapes. What they do not tell (pooling without parameters, last stride, classification layer, metric
    feature, image size) is taken from `config`, or assumed as in the original's recipes, with a warning that
    lists it. If the config says anything about the backbone or the head, pixel mean and deviation and the stride of
    a vision transformer have the original's defaults unless it says otherwise, as there.

    Args:
        file_or_state_dict: A `.pth` file or a mapping of names to numpy arrays. The names of the first releases
            (`heads.bnneck.*`, `heads.classifier.weight`) are understood, and their `pixel_mean` and `pixel_std` used.
        config: FastReID's YAML file, whose `_BASE_` is followed and whose unnamed options have the original's
            defaults; or a nested dict with its option names, as `{"MODEL": {"HEADS": {"POOL_LAYER":
            "GlobalAvgPool"}}}`, which need not be complete.

    Returns the model; its `metadata["provenance"]` holds the source and all options used.

    Raises:
        UserError: if the network is of another kind, config and weights disagree, or any weight is left
            unused or unfilled.

    Example:
        >>> model = keras_reid.weights.build_fastreid("market_bot_R50.pth")  # doctest: +SKIP
        >>> model.save("market_bot_R50.keras")  # doctest: +SKIP
    """
    state = read_state_dict(file_or_state_dict)
    file = None if isinstance(file_or_state_dict, Mapping) else pathlib.Path(file_or_state_dict).name
    return build_model(state, config, file, stacklevel=4)


def build_model(
    state: Mapping[str, np.ndarray], config: Any, file: str | os.PathLike[str] | None, stacklevel: int = 3
) -> Any:
    """As `build_fastreid`, from a state dict that has been read.

    Args:
        state: `{name: array}`.
        config: As for `build_fastreid`.
        file: The file's name for the model's metadata, or None.
        stacklevel: Of the warning about what is assumed, as in `warnings.warn`.
    """
    from keras_reid.models import ReIDModel

    today = {name: value for name, (_, value) in todays_names(state).items()}
    config = ConfigFile.read(config) if isinstance(config, (str, os.PathLike)) else config
    architecture, options = resolve_options(today, config, _saved_options(state), stacklevel)
    if architecture.backbone == "ResNeSt" and is_first_release(state):
        # Its last stage was dilated only later, which no name or shape tells.
        arguments = {**architecture.arguments, "dilate_last_stage": False}
        architecture = dataclasses.replace(architecture, arguments=arguments)
    image_size = options["INPUT.SIZE_TEST"]
    pooling, head = _pooling_and_head(options, architecture)
    model = ReIDModel(
        backbone=architecture.build(options, image_size),
        pooling=pooling,
        head=head,
        image_size=image_size,
        pixel_mean=options["MODEL.PIXEL_MEAN"],
        pixel_std=options["MODEL.PIXEL_STD"],
        metadata={"provenance": _provenance(file, options)},
    )
    report = load_fastreid(model, state)
    if not report.complete:
        raise UserError(f"Weights and network do not fit each other: {report}")
    return model


def load_fastreid(model: Any, file_or_state_dict: str | os.PathLike[str] | Mapping[str, Any]) -> Report:
    """Loads what fits of a FastReID state dict into a `ReIDModel`, and reports every name left over.

    Use it to fine-tune with another number of identities: then the classifier is reported, and keeps its
    values.

    Args:
        model: A `ReIDModel` with any of `keras_reid.backbones` and a `BNNeckHead` or `LinearHead`, or a
            `MultiGranularityResNet` with `MultiGranularityHeads` (MGN).
        file_or_state_dict: A `.pth` file or a mapping of names to numpy arrays.

    Returns a `Report`; `report.complete` says whether nothing was left over on either side.

    Raises:
        UserError: if the file cannot be read, it has values that no network can have, or the model's head is of
            another kind.

    Example:
        >>> report = keras_reid.weights.load_fastreid(model, state_dict)
        >>> print(report)
        267 used, 0 unused, 0 unfilled
    """
    return fill(targets(model), todays_names(read_state_dict(file_or_state_dict)), model.weights)


def _choose(table, options, key):
    if options[key] not in table:
        raise UserError(
            f"{key} must be one of {', '.join(table)} to be imported. "
            f"Received: {options[key]!r} (from {options.source(key)})"
        )
    return table[options[key]]


def _pooling_and_head(options, architecture):
    """MGN's heads have their poolings in themselves."""
    classes = options["MODEL.HEADS.NUM_CLASSES"]
    pooling = _choose(_POOLINGS, options, "MODEL.HEADS.POOL_LAYER")()
    if isinstance(pooling, layers.IdentityPooling2D) and architecture.backbone != "ViT":
        raise UserError(
            "MODEL.HEADS.POOL_LAYER 'Identity' takes the first position of a feature map alone, and is imported only "
            f"for ViT, whose map has no other. Received: a {architecture.backbone}. Is it the right config?"
        )
    classifier = _choose(_CLASSIFIERS, options, "MODEL.HEADS.CLS_LAYER")
    try:
        classifier = classifier(classes, options["MODEL.HEADS.SCALE"], options["MODEL.HEADS.MARGIN"])
    except ValueError as error:  # how large the margin may be depends on the layer
        raise UserError(f"MODEL.HEADS.MARGIN cannot be imported: {error}") from error
    common = {
        "metric_feature": options["MODEL.HEADS.NECK_FEAT"],
        "embedding_dim": options["MODEL.HEADS.EMBEDDING_DIM"] or None,
    }
    multiple = options["MODEL.META_ARCHITECTURE"] == "MGN"
    if not options["MODEL.HEADS.WITH_BNNECK"]:
        if multiple:
            raise UserError(
                "MGN can be imported only with necks (MODEL.HEADS.WITH_BNNECK True), and these weights have no neck."
            )
        return pooling, LinearHead(classes, classifier, **common)
    common["reduction_activation"] = options["REDUCTION_ACTIVATION"]
    if multiple:
        heads = MultiGranularityHeads(classes, classifier, pooling=pooling, **common)
        return keras.layers.Identity(name="pooling"), heads
    return pooling, BNNeckHead(classes, classifier, **common)


def _saved_options(state):
    """Pixel mean and deviation, which the first releases save."""
    found = {}
    for name, value in state.items():
        option = {"pixel_mean": "MODEL.PIXEL_MEAN", "pixel_std": "MODEL.PIXEL_STD"}.get(
            name.removeprefix("module.")
        )
        if option:
            found[option] = tuple(value.ravel().tolist())
    return found


def _provenance(file, options):
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in options.items()}
    return {"source": "FastReID", "file": file, "options": plain}
