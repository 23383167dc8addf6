"""Where in an image its similarity to another comes from: as a map, and drawn over the image."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from keras_reid.utils.errors import UserError

_SCALE = 1024.0  # keeps the gradients of half-precision layers away from zero
# Of maps, from dark violet to light yellow: ever lighter, so that it reads without colour vision, too.
_COLORS = np.array(
    [(20, 11, 52), (89, 15, 109), (159, 42, 99), (220, 80, 58), (249, 142, 9), (252, 214, 74)], np.float32
)


def similarity_maps(
    model: Any, paths: Sequence[str | os.PathLike[str]], reference: np.ndarray, batch_size: int = 16
) -> np.ndarray:
    """How much each position of an image contributes to its cosine similarity with a reference embedding.

    With the feature map `F(x)` of the backbone and the similarity `s = r·e / (|r| |e|)` of the image's embedding e and
    the reference r, with both lengths held fixed:

    `M(x) = Σ_c F_c(x) ∂s/∂F_c(x)`

    For poolings that scale with their input (average, maximum, GeM and sums of them) and a linear head, this is a
    decomposition: the map sums to the similarity, apart from what the neck's offset adds. For others it is the part
    that is linear in the map. If the backbone has several maps, their contributions are added. Only the layers after
    the map are differentiated. An image's map with its own embedding shows where the embedding comes from.

    Args:
        model: a `ReIDModel`.
        paths: image files.
        reference: embedding `(dim,)` for all images, or `(n, dim)`, one for each.
        batch_size: images in a batch.

    Returns:
        `(n, height, width)` float32, of the size of the backbone's (largest) map; negative where a position lowers
        the similarity.

    Raises:
        UserError: the backbone gives no feature map with more than one position, such as a transformer's class token.

    Example:
        >>> maps = similarity_maps(model, ["a.jpg", "b.jpg"], embedding_of_a)  # doctest: +SKIP

    Source: Stylianou, Souvenir and Pless, "Visualizing deep similarity networks", WACV 2019, for average and maximum;
    Draelos and Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional neural networks",
    2020, for gradient times feature map. The original has no activation maps.
    """
    from keras_reid.data.pipeline import test_batches

    paths = [str(path) for path in paths]
    reference = np.asarray(reference, np.float32)
    reference = np.broadcast_to(reference, (len(paths), reference.shape[-1]))
    parts, done = [], 0
    for images in test_batches(paths, model.image_size, batch_size):
        parts.append(_maps(model, images, reference[done : done + len(images)]))
        done += len(images)
    return np.concatenate(parts)


def draw_heat(image: Image.Image, heat: np.ndarray, largest: float) -> Image.Image:
    """A grey version of a picture with a map over it: the higher the value, the lighter and more opaque.

    Args:
        image: `PIL.Image`, RGB.
        heat: `(height, width)`; negative values count as 0.
        largest: value of the lightest colour.

    Returns:
        `PIL.Image` of the same size.
    """
    field = Image.fromarray(np.maximum(heat, 0).astype(np.float32), "F").resize(
        image.size, Image.Resampling.BICUBIC
    )
    value = np.clip(np.asarray(field) / max(largest, 1e-12), 0, 1)
    place = value * (len(_COLORS) - 1)
    low = np.minimum(place.astype(int), len(_COLORS) - 2)
    share = (place - low)[..., None]
    colour = _COLORS[low] * (1 - share) + _COLORS[low + 1] * share
    grey = np.asarray(image.convert("L"), np.float32)[..., None] * np.ones(3, np.float32)
    opacity = (0.3 + 0.5 * value)[..., None]
    return Image.fromarray(np.round(grey * (1 - opacity) + colour * opacity).astype(np.uint8))


def _maps(model, images, reference):
    import tensorflow as tf
    from keras import ops

    features = model.backbone(_inputs(model, images), training=False)
    flat = [ops.cast(one, "float32") for one in tf.nest.flatten(features)]
    if any(len(one.shape) != 4 for one in flat) or max(one.shape[1] * one.shape[2] for one in flat) == 1:
        raise UserError(
            f"the backbone {model.backbone.name!r} gives no feature map with positions, such as a transformer's "
            "class token"
        )
    with tf.GradientTape() as tape:
        tape.watch(flat)
        pooled = model.pooling(tf.nest.pack_sequence_as(features, flat))
        embedding = ops.cast(model.head(pooled, training=False)["embedding"], "float32")
        direction = ops.normalize(reference, axis=-1)
        lengths = tf.stop_gradient(ops.maximum(ops.norm(embedding, axis=-1), 1e-12))
        similarity = ops.sum(embedding * direction, axis=-1) / lengths * _SCALE
    gradients = tape.gradient(similarity, flat, unconnected_gradients="zero")
    shape = max(tuple(one.shape[1:3]) for one in flat)
    total = 0.0
    for one, gradient in zip(flat, gradients, strict=True):
        part = ops.sum(one * gradient, axis=-1, keepdims=True)
        resized = ops.image.resize(part, shape, interpolation="bilinear", data_format="channels_last")
        # Resizing must not change the sum.
        total += resized[..., 0] * (part.shape[1] * part.shape[2]) / (shape[0] * shape[1])
    return np.asarray(total, np.float32) / _SCALE


def _inputs(model, images):
    """What the model passes to its backbone, with unknown cameras."""
    from keras import ops

    inputs = model.normalize(images)
    if getattr(model.backbone, "num_cameras", 0):
        return {"images": inputs, "cameras": ops.full((len(images),), -1, dtype="int32")}
    return inputs
