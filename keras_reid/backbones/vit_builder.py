"""The parts that vision transformers are made of."""

from typing import Any

import keras
import numpy as np
from keras import layers

from keras_reid.backbones.base import check_choice, check_image_shape, check_width
from keras_reid.backbones.builder import LayerBuilder
from keras_reid.layers import CameraEmbedding, PatchEmbedding, TransformerBlock
from keras_reid.layers.patch_embedding import positive_pair
from keras_reid.utils.hints import Shape, Tensor

# Blocks, channels of a head, hidden units of the perceptron for each channel.
SIZES = {"base": (12, 64, 4.0), "small": (8, 96, 3.0)}
_PATCH = 16
_STEM_WIDTH = 64


class ViTBuilder:
    """Checks the arguments of a vision transformer, and makes its parts.

    Args:
        owner: Name of the backbone, for messages.
        dtype: dtype policy of the layers.
        input_shape, depth, stride, drop_path, dropout, attention_dropout, num_cameras, camera_scale, width,
            convolutional_stem: As of `backbones.ViT`.
    """

    def __init__(
        self,
        owner: str,
        dtype: keras.DTypePolicy,
        input_shape: Shape,
        depth: str,
        stride: Any,
        drop_path: float,
        dropout: float,
        attention_dropout: float,
        num_cameras: int,
        camera_scale: float,
        width: int,
        convolutional_stem: bool = False,
    ) -> None:
        check_choice(owner, "depth", depth, tuple(SIZES))
        self.blocks, self.head, self.mlp_ratio = SIZES[depth]
        check_width(f"{owner} at depth {depth!r}", width, divisor=self.head)
        self.stride = positive_pair(owner, "stride", stride)
        if convolutional_stem and any(step % 2 for step in self.stride):
            raise ValueError(
                f"`stride` of {owner} must be even with a convolutional stem, which halves the image. "
                f"Received: stride={stride!r}"
            )
        rates = {"drop_path": drop_path, "dropout": dropout, "attention_dropout": attention_dropout}
        for argument, rate in rates.items():
            if not 0 <= rate < 1:
                raise ValueError(f"`{argument}` of {owner} must be in [0, 1). Received: {argument}={rate}")
        if not isinstance(num_cameras, int) or num_cameras < 0:
            raise ValueError(
                f"`num_cameras` of {owner} must be an integer of at least 0. Received: num_cameras={num_cameras!r}"
            )
        check_image_shape(owner, input_shape)
        if None in input_shape:
            raise ValueError(
                f"`input_shape` of {owner} must give height and width in pixels, since its position embeddings belong "
                f"to one image size, as (256, 128, 3). Received: input_shape={input_shape}"
            )
        self.dtype, self.input_shape, self.depth, self.width = dtype, input_shape, depth, width
        self.dropout, self.attention_dropout, self.drop_path = dropout, attention_dropout, drop_path
        self.num_cameras, self.camera_scale = num_cameras, camera_scale
        self.convolutional_stem = convolutional_stem

    def tokens(self) -> tuple[Any, Tensor]:
        """The inputs, images or images and cameras, and the tokens with positions and cameras."""
        images = keras.Input(self.input_shape, name="images")
        inputs = images
        # A pixel of the stem's map stands for two of the image.
        x, pixel = (self._stem(images), 2) if self.convolutional_stem else (images, 1)
        patch = (_PATCH // pixel, _PATCH // pixel)
        stride = (self.stride[0] // pixel, self.stride[1] // pixel)
        x = PatchEmbedding(self.width, patch, stride, name="patch_embed", dtype=self.dtype)(x)
        if self.num_cameras:
            cameras = keras.Input((), dtype="int32", name="cameras")
            inputs = {"images": images, "cameras": cameras}
            embedding = CameraEmbedding(
                self.num_cameras, self.camera_scale, name="sie_embed", dtype=self.dtype
            )
            x = embedding(x, cameras)
        return inputs, layers.Dropout(self.dropout, name="pos_drop", dtype=self.dtype)(x)

    def _stem(self, images):
        """7×7 with stride 2, 3×3, 3×3, the first two with instance-batch normalisation."""
        build, x = LayerBuilder(self.dtype), images
        for index, (kernel, stride, ibn) in enumerate(((7, 2, True), (3, 1, True), (3, 1, False))):
            name = "patch_embed.conv.{}".format
            x = build.convolution(x, _STEM_WIDTH, kernel, name(3 * index), stride)
            x = build.norm(x, name(3 * index + 1), ibn)
            x = build.relu(x, name(3 * index + 2))
        return x

    def block(self, index: int, name: str | None = None) -> TransformerBlock:
        """The block of that number, under its own name or another one."""
        base = self.depth == "base"
        return TransformerBlock(
            self.width // self.head,
            self.mlp_ratio,
            qkv_bias=base,
            scale=None if base else self.width**-0.5,
            dropout=self.dropout,
            attention_dropout=self.attention_dropout,
            drop_path=np.linspace(0, self.drop_path, self.blocks)[index],
            name=name or f"blocks.{index}",
            dtype=self.dtype,
        )

    def norm(self, name: str) -> layers.LayerNormalization:
        return layers.LayerNormalization(epsilon=1e-6, name=name, dtype=self.dtype)

    def own(self) -> dict[str, Any]:
        """The arguments of the backbone, for its config."""
        return {
            "depth": self.depth,
            "stride": self.stride,
            "drop_path": float(self.drop_path),
            "dropout": float(self.dropout),
            "attention_dropout": float(self.attention_dropout),
            "num_cameras": self.num_cameras,
            "camera_scale": float(self.camera_scale),
            "width": self.width,
        }
