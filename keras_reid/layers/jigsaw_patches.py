"""Parts of an image's patches, mixed so that each part has some of the whole image."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reid.utils.hints import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_reid")
class JigsawPatches(keras.layers.Layer):
    """Divides the patches of a vision transformer into parts, each with a class token of its own.

    The patches, row by row, move forward by `shift − 1` places, and those that leave come last. They are cut into
    `groups` runs of the same length, which are dealt out in turn: with two groups, the first patch of the first run,
    the first of the second, the second of the first, … Where they do not make runs of the same length, the last but one
    is repeated. The parts are then pieces of `patches // num_parts` each; what is left over belongs to no part. All
    parts of an image get its class token in front.

    Args:
        shift: By how much the patches move, at least 1; 1 leaves them where they are. Defaults to 5.
        groups: Number of runs; 1 leaves them in order. Defaults to 2.
        num_parts: Number of parts. Defaults to 4.

    Input shape: `(batch, 1 + patches, channels)`, the class token first, the number of patches known. Output: a list of
    `num_parts` tensors `(batch, 1 + patches // num_parts, channels)`.

    Raises:
        ValueError: if an argument is not a positive integer, or there are too few patches for them.

    Example:
        >>> layer = keras_reid.layers.JigsawPatches()
        >>> parts = layer(keras.random.normal((2, 1 + 210, 24)))
        >>> len(parts), keras.ops.shape(parts[0])
        (4, (2, 53, 24))
        >>> keras_reid.layers.JigsawPatches(shift=2, groups=2, num_parts=2).order(6)
        [2, 5, 3, 6, 4, 1]

    Source: He et al., "TransReID: transformer-based object re-identification", 2021 (jigsaw patch module).
    """

    def __init__(self, shift: int = 5, groups: int = 2, num_parts: int = 4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name, value in (("shift", shift), ("groups", groups), ("num_parts", num_parts)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(
                    f"`{name}` of JigsawPatches must be a positive integer. Received: {name}={value!r}"
                )
        self.shift, self.groups, self.num_parts = shift, groups, num_parts
        self.input_spec = keras.layers.InputSpec(ndim=3)

    def order(self, patches: int) -> list[int]:
        """The tokens of the parts one after the other, without class tokens, as places among all tokens.

        Args:
            patches: Number of patches; their places are 1 … patches.

        Raises:
            ValueError: if they are too few.
        """
        places = [*range(self.shift, patches + 1), *range(1, self.shift)]
        if len(places) % self.groups and len(places) > 1:
            places.append(places[-2])
        if self.shift > patches or len(places) % self.groups or patches < self.num_parts:
            raise ValueError(
                "JigsawPatches needs at least as many patches as `shift` and `num_parts`, and runs of the same length, "
                f"with one patch more at most. Received: {patches} patches, shift={self.shift}, "
                f"groups={self.groups}, num_parts={self.num_parts}"
            )
        dealt = np.reshape(places, (self.groups, -1)).T.ravel()
        return dealt[: self.num_parts * (patches // self.num_parts)].tolist()

    def build(self, input_shape: Shape) -> None:
        self.order(input_shape[1] - 1)

    def call(self, inputs: Tensor) -> list[Tensor]:
        order = np.reshape(self.order(inputs.shape[1] - 1), (self.num_parts, -1))
        order = np.pad(order, ((0, 0), (1, 0))).astype("int32")  # the class token's place is 0
        return [ops.take(inputs, places, axis=1) for places in order]

    def compute_output_shape(self, input_shape: Shape) -> list[Shape]:
        batch, tokens, channels = input_shape
        return [(batch, 1 + (tokens - 1) // self.num_parts, channels)] * self.num_parts

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "shift": self.shift,
            "groups": self.groups,
            "num_parts": self.num_parts,
        }
