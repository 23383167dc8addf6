"""Vision transformer."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import keras
import numpy as np
from keras import layers

from keras_reid.backbones.base import Backbone, policy
from keras_reid.backbones.vit_builder import SIZES, ViTBuilder
from keras_reid.checkpoints.position_embedding import adapt_vit
from keras_reid.utils.arguments import Late


@keras.saving.register_keras_serializable(package="keras_reid")
class ViT(Backbone):
    """Vision transformer on 16×16 patches; its feature map is the class token.

    Tokens are the class token and one for each patch, with learnt positions; blocks of self-attention and perceptron
    follow. Stochastic depth rises linearly from 0 in the first block to `drop_path` in the last.

    Layers are named as in timm's and DeiT's weights, which fit: `blocks.0` holds `attn.qkv`, `mlp.fc1` …, `norm` is
    the last one. Positions of weights for another image size, or another stride, are resized.

    Args:
        depth: "base" (12 blocks, 12 heads: ViT-B/16, DeiT-B) or "small" (8 blocks, 8 heads, hidden layers of 3 · 768,
            no bias of queries, keys and values, attention scaled by 1/sqrt(768): the original's). Defaults to "base".
        stride: Pixels from one patch to the next, `(rows, columns)`; below 16 they overlap. Defaults to (16, 16).
        drop_path: Probability in the last block that an image skips a branch in training. Defaults to 0.1.
        dropout: Rate of dropout on tokens, after attentions, and in perceptrons. Defaults to 0.0.
        attention_dropout: Rate of dropout on the attention's weights. Defaults to 0.0.
        num_cameras: Number of cameras of the training set, each of which gets an embedding that is added to the tokens
            of its images (see `layers.CameraEmbedding`); 0 for no such embeddings. Defaults to 0.
        camera_scale: Factor on the cameras' embeddings. Defaults to 3.0.
        width: Channels of a token, a multiple of 64 ("base") or 96 ("small"). 768 is the paper's; with depth "base",
            384 is DeiT-S and 192 DeiT-Ti. Defaults to 768.
        convolutional_stem: Whether three convolutions of 64 channels, which halve the image, come before the patches,
            as in networks that TransReID-SSL and PersonViT call "ics". `stride` must be even then. Defaults to False.
        pretrained: What the weights start from: None (random) or the path of a `.pth` file. Defaults to None.
        input_shape: `(height, width, channels)` of the images in pixels. A size must be given, since each patch has its
            own position. Defaults to (256, 128, 3).
        dtype: Keras dtype policy of all layers. Defaults to the global one.

    Input shape: `(batch, height, width, 3)`, normalised; with cameras a dict of these `images`, and `cameras`, integers
    `(batch,)`, where −1 and all others outside the range are an unknown one. Output shape: `(batch, 1, 1, width)`, for
    `layers.IdentityPooling2D`; the class token has negative values, which GeM and clipped averages would cut off.

    Raises:
        ValueError: if an argument is out of range, the image size is missing, or nobody published weights for them.
        UserError: if the weights do not fit.

    Example:
        >>> backbone = keras_reid.backbones.ViT(width=64, num_cameras=6, input_shape=(64, 32, 3))
        >>> images = keras.random.normal((2, 64, 32, 3))
        >>> keras.ops.shape(backbone({"images": images, "cameras": keras.ops.array([3, -1], "int32")}))
        (2, 1, 1, 64)

    Source: Dosovitskiy et al., "An image is worth 16x16 words", 2021; Touvron et al., "Training data-efficient image
    transformers", 2021; He et al., "TransReID", 2021 (overlapping patches, cameras); Luo et al., "Self-supervised
    pre-training for transformer-based person re-identification", 2021 (convolutional stem). FastReID has the cameras'
    embeddings in its code, but no way to switch them on.
    """

    depths = tuple(SIZES)
    gives_negatives = True
    smallest: ClassVar[dict] = {"depth": "small", "width": 96}

    def __init__(
        self,
        depth: Literal["base", "small"] = "base",
        stride: tuple[int, int] = (16, 16),
        drop_path: float = 0.1,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        num_cameras: int = 0,
        camera_scale: float = 3.0,
        width: int = 768,
        convolutional_stem: bool = False,
        pretrained: str | None = None,
        input_shape: Annotated[tuple[int, int, int], Late("image_shape")] = (256, 128, 3),
        name: str | None = None,
        dtype: str | keras.DTypePolicy | None = None,
        **kwargs: Any,
    ) -> None:
        # Validation.
        dtype = policy(dtype)
        build = ViTBuilder(
            "ViT",
            dtype,
            input_shape,
            depth,
            stride,
            drop_path,
            dropout,
            attention_dropout,
            num_cameras,
            camera_scale,
            width,
            convolutional_stem,
        )

        # Functional graph.
        inputs, x = build.tokens()
        for index in range(build.blocks):
            x = build.block(index)(x)
        # Of the last normalisation, only the class token's is needed.
        x = build.norm("norm")(x[:, 0])
        x = layers.Reshape((1, 1, width), name="feature_map", dtype=dtype)(x)

        # Configuration.
        super().__init__(
            inputs,
            x,
            own={**build.own(), "convolutional_stem": bool(convolutional_stem)},
            input_shape=input_shape,
            dtype=dtype,
            name=name,
            pretrained=pretrained,
            published_name=f"vit_{depth}",
            **kwargs,
        )

    @property
    def grid(self) -> tuple[int, int]:
        """`(rows, columns)` of patches."""
        return self.get_layer("patch_embed").grid

    def adapt_checkpoint(self, state: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        return adapt_vit(state, self)
