"""Position embeddings of vision transformers: from the image size of published weights to another one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_reid.utils.errors import UserError

# Classifiers, the layer before them, and the token of DeiT's distillation do not belong to a backbone.
_DROPPED = ("head.", "head_dist.", "pre_logits.", "dist_token")


def adapt_vit(state: Mapping[str, np.ndarray], backbone: Any) -> dict[str, np.ndarray]:
    """A published state dict of a ViT or DeiT, made to fit `backbone`.

    Positions are resized to the backbone's grid of patches; patches that old files project as flat vectors become a
    convolution; classifiers and the distillation token are left out. Everything else stays as it is.

    Args:
        state: `{name: array}` with timm's names, as `read_state_dict` gives it.
        backbone: A `backbones.ViT`.

    Returns a new `{name: array}`.

    Raises:
        UserError: if the positions are neither those of a square image nor as many as the backbone's.
    """
    adapted = {name: value for name, value in state.items() if not name.startswith(_DROPPED)}
    patches = adapted.get("patch_embed.proj.weight")
    if patches is not None and patches.ndim == 2:
        height, width, channels, dim = backbone.get_layer("patch_embed").projection.kernel.shape
        if patches.shape == (dim, channels * height * width):
            adapted["patch_embed.proj.weight"] = patches.reshape(dim, channels, height, width)
    if "pos_embed" in adapted:
        adapted["pos_embed"] = resize_position_embedding(
            adapted["pos_embed"], backbone.grid, distilled="dist_token" in state
        )
    return adapted


def resize_position_embedding(
    value: np.ndarray, grid: tuple[int, int], distilled: bool = False
) -> np.ndarray:
    """Position embeddings for another grid of patches, bilinearly between the patches' centres.

    The class token's stays as it is. Equal to PyTorch's `interpolate(mode="bilinear", align_corners=False)`.

    A square number of patches is taken to be a square's, since published weights are trained on square images; any
    other number must be that of `grid`, and stays as it is.

    Args:
        value: `(1, 1 + patches, dim)`, the class token first, then the patches row by row.
        grid: `(rows, columns)` of patches wanted.
        distilled: Whether the second token is DeiT's distillation token, which is left out.

    Returns `(1, 1 + rows · columns, dim)`, of the same dtype.

    Raises:
        UserError: if the patches in `value` are neither a square's nor as many as those of `grid`.
    """
    value = np.asarray(value)
    first = 2 if distilled else 1
    if value.ndim != 3 or value.shape[0] != 1 or value.shape[1] <= first:
        raise UserError(f"Position embeddings must be (1, tokens, dim). Received: {value.shape}")
    token, patches = value[:, :1], value[0, first:]
    count, dim = patches.shape
    side = math.isqrt(count)
    before = (side, side) if side**2 == count else tuple(grid)
    if count != math.prod(before):
        raise UserError(
            f"{count} position embeddings are neither those of {grid[0]} × {grid[1]} patches nor of a square. "
            "Build the network for the image size and stride that the weights were trained with."
        )
    rows, columns = _interpolation(before[0], grid[0]), _interpolation(before[1], grid[1])
    resized = np.einsum("ai,bj,ijd->abd", rows, columns, patches.reshape(*before, dim), optimize=True)
    return np.concatenate([token, resized.reshape(1, -1, dim).astype(value.dtype)], axis=1)


def _interpolation(before, after):
    """The matrix `(after, before)` that interpolates linearly between the centres of cells."""
    position = np.maximum((np.arange(after) + 0.5) * before / after - 0.5, 0)
    lower = np.minimum(np.floor(position).astype(int), before - 1)
    upper = np.minimum(lower + 1, before - 1)
    share = position - lower
    matrix = np.zeros((after, before))
    np.add.at(matrix, (np.arange(after), lower), 1 - share)
    np.add.at(matrix, (np.arange(after), upper), share)
    return matrix
