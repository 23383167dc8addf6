"""A `ReIDModel`'s weights under FastReID's names, as a safetensors file."""

from __future__ import annotations

import json
import os
import pathlib
import re
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

import keras_reid
from keras_reid.backbones import JigsawViT, ViT
from keras_reid.checkpoints import model_targets, write_safetensors
from keras_reid.heads import LinearHead, MultiGranularityHeads
from keras_reid.layers import GeMPooling2D
from keras_reid.layers.margin import ClassificationLayer
from keras_reid.models import ReIDModel
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import parse_json
from keras_reid.weights.architectures import recognize, recognize_mgn
from keras_reid.weights.fastreid import build_model
from keras_reid.weights.fastreid_names import targets

if TYPE_CHECKING:
    from keras_reid.checkpoints import Target

CONFIG = "fastreid_config"  # of the file's metadata
_POOLINGS = {
    "GlobalAveragePooling2D": "GlobalAvgPool",
    "GlobalMaxPooling2D": "GlobalMaxPool",
    "AverageMaxPooling2D": "AdaptiveAvgMaxPool",
    "ClippedAveragePooling2D": "ClipGlobalAvgPool",
    "IdentityPooling2D": "Identity",
}
_CLASSIFIERS = {"LinearClassifier": "Linear"}
_FIXED_P = 3.0  # the exponent of FastReID's pooling that learns none
_TOLERANCE = 1e-5  # of a number of an embedding, relative to the largest


def write_fastreid(model: Any, path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Writes a model's weights under the names that FastReID gives them, in PyTorch's layouts.

    The file's metadata hold the options that names and shapes do not tell (`fastreid_config`, as JSON), so that
    `keras-reid convert` makes the same model of it. This is tried before the file is written. A backbone alone is
    written under its names in torchvision, timm or torchreid.

    Args:
        model: A `ReIDModel`, or a backbone of `keras_reid.backbones`.
        path: A `.safetensors` file.

    Returns `{name: array}` as written.

    Raises:
        UserError: if FastReID has no name for a weight, or the model made of the file has other embeddings.

    Example:
        >>> names = keras_reid.weights.write_fastreid(model, "weights.safetensors")  # doctest: +SKIP
        >>> names["heads.bottleneck.0.running_mean"].shape  # doctest: +SKIP
        (512,)
    """
    whole = isinstance(model, ReIDModel)
    wanted = targets(model) if whole else model_targets(model)
    proper = {id(target.variable): name for name, target in wanted.items()}  # the last of several names
    wanted = {name: wanted[name] for name in proper.values()}
    linear = _is_linear(model)
    state = {name: _array(target, linear(name)) for name, target in wanted.items() if not _is_implied(target)}
    _check_complete(model, wanted)
    metadata = {"format": "pt", "keras_reid": keras_reid.__version__}
    if whole:
        config = _config(model, state)
        _check_same(model, build_model(state, config, pathlib.Path(path).name))
        metadata[CONFIG] = json.dumps(config)
    write_safetensors(path, state, metadata)
    return state


def saved_config(metadata: Mapping[str, str]) -> dict[str, Any] | None:
    """The options in the metadata of a file that `write_fastreid` wrote; None for any other file.

    Raises:
        UserError: they are damaged.
    """
    if CONFIG not in metadata:
        return None
    config = parse_json(metadata[CONFIG].encode(), f"the file's {CONFIG}")
    if not isinstance(config, dict):
        raise UserError(f"the file's {CONFIG} must hold FastReID's options by name")
    return config


# From a variable's layout to the file's.
_ORDERS = {"convolution": (3, 2, 0, 1), "depthwise": (2, 3, 0, 1), "matrix": (1, 0)}


# Matrices that are no convolutions of 1 × 1 there either: classifiers, squeeze and excitation.
_LINEAR = re.compile(r"^(heads|b\d+_head)\.weight$|\.se\.fc\.\d\.weight$")


def _is_linear(model):
    """Tells by the name of a matrix whether it is a linear layer there, or a convolution of 1 × 1."""
    transformer = isinstance(getattr(model, "backbone", model), (JigsawViT, ViT))
    return lambda name: bool(_LINEAR.search(name)) or (transformer and not name.startswith("heads."))


def _array(target: Target, linear: bool) -> np.ndarray:
    value = keras.ops.convert_to_numpy(target.variable)
    value = np.transpose(value, _ORDERS[target.layout]) if target.layout in _ORDERS else value
    return value[:, :, None, None] if target.layout == "matrix" and not linear else value


def _is_implied(target):
    """Whether it is the exponent that FastReID's pooling has without learning it."""
    return target.optional and float(np.max(keras.ops.convert_to_numpy(target.variable))) == _FIXED_P


def _check_complete(model, wanted):
    named = {id(target.variable) for target in wanted.values()}
    without = [variable.path for variable in model.weights if id(variable) not in named]
    if without:
        raise UserError(
            f"FastReID has no names for {len(without)} of {len(model.weights)} weights, such as {without[0]}. Share "
            "the .keras file itself"
        )


def _config(model, state):
    """The nested options that names and shapes do not tell."""
    head, multiple = model.head, isinstance(model.head, MultiGranularityHeads)
    shapes = {name: value.shape for name, value in state.items()}
    if multiple:
        architecture = recognize_mgn(shapes)
        head, pooling = head.heads[0], head.poolings[0]
    else:
        names = {
            name.removeprefix("backbone."): shape
            for name, shape in shapes.items()
            if name.startswith("backbone.")
        }
        architecture = recognize(names)
        pooling = model.pooling
    arguments = model.backbone.get_config()
    classifier = head.classifier
    heads = {
        "POOL_LAYER": _pooling_name(pooling),
        "CLS_LAYER": _CLASSIFIERS.get(type(classifier).__name__, type(classifier).__name__),
        "NECK_FEAT": head.metric_feature,
        "WITH_BNNECK": not isinstance(head, LinearHead),
    }
    if isinstance(classifier, ClassificationLayer):
        heads |= {"SCALE": float(classifier.scale), "MARGIN": float(getattr(classifier, "margin", 0.0))}
    options = {
        option.split(".")[-1]: arguments[argument] for option, argument in architecture.open_arguments.items()
    }
    metadata = model.metadata
    return {
        "MODEL": {
            "META_ARCHITECTURE": "MGN" if multiple else "Baseline",
            "BACKBONE": options,
            "HEADS": heads,
            "PIXEL_MEAN": list(metadata["pixel_mean"]),
            "PIXEL_STD": list(metadata["pixel_std"]),
        },
        "INPUT": {"SIZE_TEST": list(model.image_size)},
    }


def _pooling_name(pooling):
    if isinstance(pooling, GeMPooling2D):
        return "GeneralizedMeanPoolingP" if pooling.learnable else "GeneralizedMeanPooling"
    name = type(pooling).__name__
    if name not in _POOLINGS:
        raise UserError(
            f"FastReID has no pooling {name}: it has {', '.join([*_POOLINGS, 'GeMPooling2D'])}. Share the .keras file "
            "itself"
        )
    return _POOLINGS[name]


def _check_same(model, again):
    """Compares the embeddings of two models on noise."""
    images = np.random.default_rng(0).integers(0, 256, (2, *model.image_size, 3)).astype("uint8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours, theirs = (one.predict(images, verbose=0) for one in (model, again))
    if ours.shape != theirs.shape or not np.allclose(
        ours, theirs, rtol=0, atol=_TOLERANCE * np.abs(ours).max()
    ):
        raise UserError(
            "the model cannot be written for FastReID: what is made of its names and options has other embeddings. "
            "Share the .keras file itself"
        )
