"""Turns an image into tokens."""

from typing import Any

import keras
from keras import ops

from keras_reid.layers.convolution import Conv2D
from keras_reid.layers.initializers import normal_over_filters
from keras_reid.utils.hints import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_reid")
class PatchEmbedding(keras.layers.Layer):
    """Turns an image into tokens for a vision transformer: a class token and one token per patch, with positions.

    `token_0 = class + position_0`, `token_i = W patch_i + b + position_i`, with the patches row by row. Patches overlap
    if the stride is smaller than the patch. Each token has its own position embedding, so a layer works for one image
    size only. Rows and columns that do not fill a patch are left out.

    Args:
        dim: Channels of a token.
        patch_size: Height and width of a patch in pixels. Defaults to (16, 16).
        stride: Distance from one patch to the next, `(rows, columns)` in pixels. Defaults to (16, 16).

    Input shape: `(batch, height, width, channels)`, height and width known. Output shape: `(batch, 1 + patches, dim)`,
    with `patches = rows · columns`, the attribute `grid`.

    Raises:
        ValueError: if an argument is not positive, or the image size is unknown or smaller than a patch.

    Example:
        >>> layer = keras_reid.layers.PatchEmbedding(dim=24, stride=(12, 12))
        >>> keras.ops.shape(layer(keras.random.uniform((2, 64, 32, 3))))
        (2, 11, 24)
        >>> layer.grid
        (5, 2)

    Source: Dosovitskiy et al., "An image is worth 16x16 words", 2021; He et al., "TransReID", 2021 (overlapping
    patches).
    """

    # In checkpoints, the names of the class token and the positions have no prefix.
    checkpoint_name = ""

    def __init__(
        self,
        dim: int,
        patch_size: tuple[int, int] = (16, 16),
        stride: tuple[int, int] = (16, 16),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(dim, int) or dim < 1:
            raise ValueError(f"`dim` of PatchEmbedding must be a positive integer. Received: dim={dim!r}")
        self.dim = dim
        self.patch_size = positive_pair("PatchEmbedding", "patch_size", patch_size)
        self.stride = positive_pair("PatchEmbedding", "stride", stride)
        self.projection = Conv2D(
            dim,
            self.patch_size,
            strides=self.stride,
            data_format="channels_last",
            kernel_initializer=normal_over_filters(),
            name="projection",
            dtype=self.dtype_policy,
        )
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape: Shape) -> None:
        self.grid = self._grid(input_shape)
        self.input_spec = keras.layers.InputSpec(shape=(None, *input_shape[1:]))
        self.projection.build(input_shape)
        normal = keras.initializers.RandomNormal(stddev=0.02)
        self.class_token = self.add_weight(name="class_token", shape=(1, 1, self.dim), initializer=normal)
        self.positions = self.add_weight(
            name="positions", shape=(1, 1 + self.grid[0] * self.grid[1], self.dim), initializer=normal.clone()
        )

    def _grid(self, input_shape):
        size = tuple(input_shape[1:3])
        if None in size:
            raise ValueError(
                "PatchEmbedding needs images of known height and width, because its position embeddings belong to "
                f"one size. Received: input shape {tuple(input_shape)}"
            )
        if any(pixels < patch for pixels, patch in zip(size, self.patch_size, strict=True)):
            raise ValueError(
                f"PatchEmbedding needs images of at least one patch, {self.patch_size} pixels. "
                f"Received: input shape {tuple(input_shape)}"
            )
        sizes = zip(size, self.patch_size, self.stride, strict=True)
        return tuple((pixels - patch) // stride + 1 for pixels, patch, stride in sizes)

    def call(self, inputs: Tensor) -> Tensor:
        batch = ops.shape(inputs)[0]
        patches = ops.reshape(self.projection(inputs), (batch, self.grid[0] * self.grid[1], self.dim))
        class_token = ops.broadcast_to(self.class_token, (batch, 1, self.dim))
        return ops.concatenate([class_token, patches], axis=1) + self.positions

    @property
    def checkpoint_parts(self) -> dict[str, keras.layers.Layer | keras.Variable]:
        return {
            "patch_embed.proj": self.projection,
            "cls_token": self.class_token,
            "pos_embed": self.positions,
        }

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        rows, columns = self._grid(input_shape)
        return (input_shape[0], 1 + rows * columns, self.dim)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "dim": self.dim,
            "patch_size": self.patch_size,
            "stride": self.stride,
        }


def positive_pair(owner: str, argument: str, value: Any) -> tuple[int, int]:
    """`value` as a tuple; raises ValueError unless it is two positive integers."""
    if (
        isinstance(value, (tuple, list))
        and len(value) == 2
        and all(isinstance(n, int) and n > 0 for n in value)
    ):
        return tuple(value)
    raise ValueError(
        f"`{argument}` of {owner} must be two positive integers, rows and columns, such as (16, 16). "
        f"Received: {argument}={value!r}"
    )
