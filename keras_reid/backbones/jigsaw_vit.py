"""TransReID's vision transformer with a jigsaw branch."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import keras
import numpy as np
from keras import layers

from keras_reid.backbones.base import Backbone, policy
from keras_reid.backbones.vit_builder import SIZES, ViTBuilder
from keras_reid.checkpoints.position_embedding import adapt_vit
from keras_reid.layers import JigsawPatches
from keras_reid.utils.arguments import Late


@keras.saving.register_keras_serializable(package="keras_reid")
class JigsawViT(Backbone):
    """Vision transformer whose last block exists twice: for the whole image, and for mixed parts of its patches.

    All blocks but the last are those of `ViT`. Then one block sees all tokens, and another one, the same for all parts,
    sees the class token and one part's patches (see `layers.JigsawPatches`). The feature map holds the class tokens, of
    the whole image and of each part, for `heads.ClassTokenHead`.

    Layers are named as in TransReID's weights, without `base.`: `blocks.0`, `b1.0` and `b1.1` (whole image), `b2.0` and
    `b2.1` (parts). Weights of a `ViT` fit as well: both blocks start from its last one.

    Args:
        depth: As of `ViT`. Defaults to "base".
        stride: Pixels from one patch to the next, `(rows, columns)`; below 16 they overlap. Defaults to (12, 12).
        shift: By how much the patches move before they are mixed; see `layers.JigsawPatches`. Defaults to 5.
        groups: Number of runs that the patches are dealt from. Defaults to 2.
        num_parts: Number of parts. Defaults to 4.
        drop_path: Probability in the last block that an image skips a branch in training. Defaults to 0.1.
        dropout: Rate of dropout on tokens, after attentions, and in perceptrons. Defaults to 0.0.
        attention_dropout: Rate of dropout on the attention's weights. Defaults to 0.0.
        num_cameras: As of `ViT`. Defaults to 0.
        camera_scale: Factor on the cameras' embeddings. Defaults to 3.0.
        width: Channels of a token, as of `ViT`. Defaults to 768.
        pretrained: What the weights start from: None (random) or the path of a `.pth` file. Defaults to None.
        input_shape: `(height, width, channels)` of the images in pixels. Defaults to (256, 128, 3).
        dtype: Keras dtype policy of all layers. Defaults to the global one.

    Input shape: as of `ViT`. Output shape: `(batch, 1, 1 + num_parts, width)`, the whole image first.

    Raises:
        ValueError: if an argument is out of range, or the images have too few patches.
        UserError: if the weights do not fit.

    Example:
        >>> backbone = keras_reid.backbones.JigsawViT(width=64, input_shape=(64, 32, 3))
        >>> keras.ops.shape(backbone(keras.random.normal((2, 64, 32, 3))))
        (2, 1, 5, 64)

    Source: He et al., "TransReID: transformer-based object re-identification", 2021.
    """

    depths = tuple(SIZES)
    gives_negatives = True
    smallest: ClassVar[dict] = {"depth": "small", "width": 96}

    def __init__(
        self,
        depth: Literal["base", "small"] = "base",
        stride: tuple[int, int] = (12, 12),
        shift: int = 5,
        groups: int = 2,
        num_parts: int = 4,
        drop_path: float = 0.1,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        num_cameras: int = 0,
        camera_scale: float = 3.0,
        width: int = 768,
        pretrained: str | None = None,
        input_shape: Annotated[tuple[int, int, int], Late("image_shape")] = (256, 128, 3),
        name: str | None = None,
        dtype: str | keras.DTypePolicy | None = None,
        **kwargs: Any,
    ) -> None:
        # Validation.
        dtype = policy(dtype)
        build = ViTBuilder(
            "JigsawViT",
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
        )
        jigsaw = JigsawPatches(shift, groups, num_parts, name="jigsaw", dtype=dtype)

        # Functional graph.
        inputs, x = build.tokens()
        last = build.blocks - 1
        for index in range(last):
            x = build.block(index)(x)
        # Of the last normalisations, only the class tokens' are needed.
        whole = build.norm("b1.1")(build.block(last, "b1.0")(x)[:, :1])
        block, norm = build.block(last, "b2.0"), build.norm("b2.1")
        tokens = [whole, *(norm(block(part)[:, :1]) for part in jigsaw(x))]
        x = layers.Concatenate(axis=1, name="tokens", dtype=dtype)(tokens)
        x = layers.Reshape((1, 1 + num_parts, width), name="feature_map", dtype=dtype)(x)

        # Configuration.
        super().__init__(
            inputs,
            x,
            own={**build.own(), "shift": shift, "groups": groups, "num_parts": num_parts},
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
        state = adapt_vit(state, self)
        last = f"blocks.{SIZES[self.depth][0] - 1}."
        adapted = {name: value for name, value in state.items() if not name.startswith((last, "norm."))}
        if any(
            name.startswith("b1.") for name in state
        ):  # TransReID's own, which trained only the two copies
            return adapted
        for name, value in state.items():
            for branch in ("b1", "b2"):
                if name.startswith(last):
                    adapted[f"{branch}.0.{name.removeprefix(last)}"] = value
                elif name.startswith("norm."):
                    adapted[f"{branch}.1.{name.removeprefix('norm.')}"] = value
        return adapted
