"""Importer of the OSNets that torchreid trained, with the embedding that it compares images by."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras

from keras_reid.checkpoints import Target, fill, layer_targets, model_targets, named, read_state_dict
from keras_reid.heads import FullyConnectedHead
from keras_reid.layers import LinearClassifier
from keras_reid.utils.errors import UserError
from keras_reid.weights.architectures import check_values, recognize

if TYPE_CHECKING:
    import numpy as np

_EMBEDDING = ("fc.0.weight", "fc.1.running_mean")
_CLASSIFIER = "classifier.weight"


def build_torchreid(
    file_or_state_dict: str | os.PathLike[str] | Mapping[str, Any], image_size: tuple[int, int] = (256, 128)
) -> Any:
    """A `ReIDModel` with the weights of an OSNet that torchreid trained.

    The embedding is torchreid's: `relu(BN(W · mean over positions of the feature map + b))`, 512 numbers, none of them
    negative. Width, instance normalisation and OSNet-AIN follow from names and shapes. Pixel mean and deviation are
    ImageNet's, the only ones that torchreid's published networks were trained with.

    torchreid resizes images bilinearly; this package resizes all images bicubically. Both widen the filter where they
    shrink an image.

    Args:
        file_or_state_dict: A `.pth` file or a mapping of names to numpy arrays, with the names `conv1.conv.weight`,
            `fc.0.weight`, `fc.1.running_mean` and, unless it was left out, `classifier.weight`. Without a classifier
            the head has one class, with random weights that no embedding depends on.
        image_size: `(height, width)` in pixels, which the weights do not tell. Defaults to (256, 128).

    Returns the model; its `metadata["provenance"]` holds the source and the file's name.

    Raises:
        UserError: if the file cannot be read, the network is not such an OSNet, or any weight is left unused or
            unfilled.

    Example:
        >>> model = keras_reid.weights.build_torchreid("osnet_x0_25_msmt17.pth")  # doctest: +SKIP
        >>> model.embedding_dim  # doctest: +SKIP
        512
    """
    state = read_state_dict(file_or_state_dict)
    file = None if isinstance(file_or_state_dict, Mapping) else pathlib.Path(file_or_state_dict).name
    return build_torchreid_model(state, file, image_size)


def is_torchreid(names: Any) -> bool:
    """Whether a state dict with these `names` is an OSNet with the embedding that torchreid gives it."""
    names = {name.removeprefix("module.") for name in names}
    return {"conv1.conv.weight", *_EMBEDDING} <= names


def build_torchreid_model(
    state: Mapping[str, np.ndarray], file: str | None, image_size: tuple[int, int] = (256, 128)
) -> Any:
    """As `build_torchreid`, from a state dict that has been read.

    Args:
        state: `{name: array}`.
        file: The file's name for the model's metadata, or None.
        image_size: `(height, width)` in pixels.
    """
    from keras_reid.models import ReIDModel

    own = named(state)
    if not is_torchreid(own):
        raise UserError(
            "The weights are not those of an OSNet with torchreid's embedding: they must have "
            f"'conv1.conv.weight' and {' and '.join(map(repr, _EMBEDDING))}. They start with: "
            f"{', '.join(list(state)[:3]) or 'nothing'}"
        )
    shapes = {name: value.shape for name, (_, value) in own.items()}
    check_values(shapes)
    classes = shapes[_CLASSIFIER][0] if shapes.get(_CLASSIFIER) else 1
    dim = shapes["fc.0.weight"][0] if shapes["fc.0.weight"] else 1
    classifier = LinearClassifier(classes, use_bias="classifier.bias" in own)
    model = ReIDModel(
        backbone=recognize(shapes).build({}, image_size),
        pooling=keras.layers.GlobalAveragePooling2D(data_format="channels_last"),
        head=FullyConnectedHead(classes, classifier, embedding_dim=dim),
        image_size=image_size,
        metadata={"provenance": {"source": "torchreid", "file": file, "interpolation": "bilinear"}},
    )
    report = fill(_targets(model, _CLASSIFIER in own), own, model.weights)
    if not report.complete:
        raise UserError(f"Weights and network do not fit each other: {report}")
    return model


def _targets(model, with_classifier):
    head = model.head
    targets = {
        **model_targets(model.backbone),
        **layer_targets("fc.0", head.dense),
        **layer_targets("fc.1", head.norm),
        _CLASSIFIER: Target(head.classifier.kernel, "matrix", optional=not with_classifier),
    }
    if head.classifier.use_bias:
        targets["classifier.bias"] = Target(head.classifier.bias)
    return targets
