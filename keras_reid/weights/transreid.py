"""Importer of the vision transformers that TransReID and PersonViT trained."""

from __future__ import annotations

import os
import pathlib
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras

from keras_reid.checkpoints import Target, fill, layer_targets, model_targets, named, read_state_dict
from keras_reid.heads import ClassTokenHead
from keras_reid.utils.errors import UserError
from keras_reid.weights.architectures import check_values, recognize

if TYPE_CHECKING:
    import numpy as np

# Patches of the image sizes and strides in the configurations of TransReID and PersonViT; no two have the same number.
_SIZES = ((256, 128), (256, 256), (384, 128))
_STRIDES = (16, 12, 14, 11)
_PATCH = 16
# What a file has besides: the classifier of ImageNet, and GeM's exponent, which no published configuration uses.
_IGNORED = ("base.fc.", "base.gem.")


def build_transreid(
    file_or_state_dict: str | os.PathLike[str] | Mapping[str, Any],
    image_size: tuple[int, int] | None = None,
    stride: int | None = None,
    shift: int | None = None,
    camera_scale: float = 3.0,
    pixel_mean: tuple[float, float, float] = (127.5, 127.5, 127.5),
    pixel_std: tuple[float, float, float] = (127.5, 127.5, 127.5),
) -> Any:
    """A `ReIDModel` with the weights of a vision transformer that TransReID or PersonViT trained.

    Depth, width, jigsaw branch, cameras, convolutional stem and reduction follow from names and shapes. The embedding
    is the one that they compare images by: the class token before the neck, reduced where the network does so, and with
    the jigsaw branch the tokens of four parts, divided by 4, behind it. Names and shapes do not tell that a network
    takes an average or a maximum of its patches instead, as PersonViT's option `MODEL.POOLING` can.

    The side information's table is kept, one row for each camera (or for each camera and view, camera-major). Given
    `{"images": …, "cameras": …}`, the model adds the row of each image's camera, as the original does. Everywhere else
    the camera is unknown, and the mean of all rows is added. The original never tests so, and its published results
    need the cameras.

    Args:
        file_or_state_dict: A `.pth` file or a mapping of names to numpy arrays, with names such as `base.cls_token`,
            `bottleneck.weight` and `classifier.weight`.
        image_size: `(height, width)` in pixels. Defaults to None: found by the number of patches, for 256 × 128,
            256 × 256 and 384 × 128 at strides of 11, 12, 14 and 16 pixels.
        stride: Pixels from one patch to the next. Defaults to None: found with the image size.
        shift: By how much the jigsaw branch moves the patches. Defaults to None: 8 for square images, which are
            vehicles', and 5 for others, as in the configurations.
        camera_scale: Factor on the side information. Defaults to 3.0, that of all configurations.
        pixel_mean: Per RGB channel on the 0–255 scale. Defaults to that of all but four configurations (DeiT on
            vehicles), which have ImageNet's (123.675, 116.28, 103.53).
        pixel_std: As `pixel_mean`; there ImageNet's (58.395, 57.12, 57.375).

    Returns the model; its `metadata["provenance"]` holds the source and the file's name.

    Raises:
        UserError: if the file cannot be read, the network is not of this kind, its image size is unknown, or any weight
            is left unused or unfilled.

    Example:
        >>> model = keras_reid.weights.build_transreid("vit_transreid_market.pth")  # doctest: +SKIP
        >>> model.predict({"images": images, "cameras": cameras}).shape  # doctest: +SKIP
        (8, 3840)
    """
    state = read_state_dict(file_or_state_dict)
    file = None if isinstance(file_or_state_dict, Mapping) else pathlib.Path(file_or_state_dict).name
    return build_transreid_model(state, file, image_size, stride, shift, camera_scale, pixel_mean, pixel_std)


def is_transreid(names: Any) -> bool:
    """Whether a state dict with these `names` is a vision transformer of TransReID's with its neck."""
    names = {name.removeprefix("module.") for name in names}
    return {"base.cls_token", "base.pos_embed", "bottleneck.running_mean"} <= names


def build_transreid_model(
    state: Mapping[str, np.ndarray],
    file: str | None,
    image_size: tuple[int, int] | None = None,
    stride: int | None = None,
    shift: int | None = None,
    camera_scale: float = 3.0,
    pixel_mean: tuple[float, float, float] = (127.5, 127.5, 127.5),
    pixel_std: tuple[float, float, float] = (127.5, 127.5, 127.5),
    stacklevel: int = 3,
) -> Any:
    """As `build_transreid`, from a state dict that has been read.

    Args:
        state: `{name: array}`.
        file: The file's name for the model's metadata, or None.
        stacklevel: Of the warning about what is assumed, as in `warnings.warn`.
        image_size, stride, shift, camera_scale, pixel_mean, pixel_std: As of `build_transreid`.
    """
    from keras_reid import backbones
    from keras_reid.models import ReIDModel

    own = {name: pair for name, pair in named(state).items() if not name.startswith(_IGNORED)}
    if not is_transreid(own):
        raise UserError(
            "The weights are not those of a vision transformer of TransReID or PersonViT: they must have "
            "'base.cls_token', 'base.pos_embed' and 'bottleneck.running_mean'. They start with: "
            f"{', '.join(list(state)[:3]) or 'nothing'}"
        )
    shapes = {name: value.shape for name, (_, value) in own.items()}
    check_values(shapes)
    of_backbone = {
        name.removeprefix("base."): shape for name, shape in shapes.items() if name.startswith("base.")
    }
    arguments = dict(recognize(of_backbone).arguments)
    image_size, stride = _size_and_stride(of_backbone["pos_embed"], image_size, stride)
    jigsaw = "b1.0.norm1.weight" in own
    assumed = {"image_size": image_size, "stride": stride, "pixel_mean": pixel_mean, "pixel_std": pixel_std}
    arguments |= {"stride": (stride, stride), "input_shape": (*image_size, 3)}
    if "num_cameras" in arguments:
        assumed["camera_scale"] = arguments["camera_scale"] = camera_scale
    if jigsaw and "convolutional_stem" in arguments:
        raise UserError(
            "A jigsaw branch on a convolutional stem is not built here: neither TransReID nor PersonViT has it"
        )
    if jigsaw:
        # The last block and the last normalisation were copied, and only the copies trained.
        last = f"base.blocks.{sum(name.endswith('.norm1.weight') for name in of_backbone) - 1}."
        own = {name: pair for name, pair in own.items() if not name.startswith((last, "base.norm."))}
        if shift is None:
            shift = 8 if image_size[0] == image_size[1] else 5
        assumed["shift"] = arguments["shift"] = shift
    classes = shapes["classifier.weight"][0] if shapes.get("classifier.weight") else 1
    reduction = shapes.get("fcneck.weight")
    model = ReIDModel(
        backbone=backbones.JigsawViT(**arguments) if jigsaw else backbones.ViT(**arguments),
        pooling=keras.layers.Identity(name="pooling"),
        head=ClassTokenHead(
            classes, num_parts=4 if jigsaw else 0, embedding_dim=reduction[0] if reduction else None
        ),
        image_size=image_size,
        pixel_mean=pixel_mean,
        pixel_std=pixel_std,
        metadata={"provenance": {"source": "TransReID", "file": file}},
    )
    report = fill(_targets(model, "classifier.weight" in own), own, model.weights)
    if not report.complete:
        raise UserError(f"Weights and network do not fit each other: {report}")
    listed = ", ".join(f"{name}={value!r}" for name, value in assumed.items())
    warnings.warn(
        "The weights do not tell these values, so those of the published configurations are assumed: "
        f"{listed}. If the network was trained otherwise, pass them to `keras_reid.weights.build_transreid`.",
        stacklevel=stacklevel,
    )
    return model


def _size_and_stride(positions, image_size, stride):
    """The size of the images and the stride that give this number of positions."""
    patches = positions[1] - 1 if len(positions) == 3 else 0
    found = [
        (size, step)
        for size in ([image_size] if image_size else _SIZES)
        for step in ([stride] if stride else _STRIDES)
        if ((size[0] - _PATCH) // step + 1) * ((size[1] - _PATCH) // step + 1) == patches
    ]
    if len(found) != 1:
        given = f"image_size={image_size}, stride={stride}"
        raise UserError(
            f"{patches} position embeddings tell neither the size of the images nor the stride of the patches. Pass "
            f"image_size and stride to `keras_reid.weights.build_transreid`. Received: {given}"
        )
    return tuple(found[0][0]), found[0][1]


def _targets(model, with_classifier):
    targets = {}
    for name, target in model_targets(model.backbone).items():
        targets[name if name.startswith(("b1.", "b2.")) else f"base.{name}"] = target
    if model.head.reductions:
        targets["fcneck.weight"] = Target(model.head.reductions[0].kernel, "matrix")
    for index, head in enumerate(model.head.heads):
        ending = f"_{index}" if index else ""
        targets.update(layer_targets(f"bottleneck{ending}", head.neck))
        kernel = head.classifier.kernel
        targets[f"classifier{ending}.weight"] = Target(kernel, "matrix", optional=not with_classifier)
    return targets
