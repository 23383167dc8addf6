"""A learnt embedding for each camera."""

from typing import Any

import keras
from keras import ops

from keras_reid.layers.numerics import at_least_float32
from keras_reid.utils.hints import Shape, Tensor
from keras_reid.utils.labels import whole_numbers


@keras.saving.register_keras_serializable(package="keras_reid")
class CameraEmbedding(keras.layers.Layer):
    """Adds the embedding of the camera that took an image to all tokens of the image.

    `y = tokens + scale · embedding[camera]`. The network then knows the look of the camera and need not infer it from
    the image. A camera outside `0 … num_cameras − 1`, such as −1 for "unknown" or a camera added after training, gets
    the mean of all embeddings.

    Args:
        num_cameras: Number of cameras in training.
        scale: Factor on the embedding. Defaults to 3.0.

    Call arguments:
        tokens: `(batch, tokens, channels)`.
        cameras: Integers `(batch,)` or `(batch, 1)`.

    Output shape: the same as the tokens'.

    Raises:
        ValueError: if `num_cameras` is not a positive integer, or there is not one camera per image.

    Example:
        >>> layer = keras_reid.layers.CameraEmbedding(num_cameras=6)
        >>> cameras = keras.ops.array([0, 5, -1], "int32")
        >>> keras.ops.shape(layer(keras.random.normal((3, 10, 24)), cameras))
        (3, 10, 24)

    Source: He et al., "TransReID: transformer-based object re-identification", 2021 (side information embedding). The
    mean for unknown cameras is our addition: in the paper, every camera must be known.
    """

    # In checkpoints, its weights belong directly to the network.
    checkpoint_name = ""

    def __init__(self, num_cameras: int, scale: float = 3.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(num_cameras, int) or num_cameras < 1:
            raise ValueError(
                f"`num_cameras` of CameraEmbedding must be a positive integer. Received: {num_cameras!r}"
            )
        self.num_cameras = num_cameras
        self.scale = float(scale)

    def build(self, tokens_shape: Shape, cameras_shape: Shape | None = None) -> None:
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(self.num_cameras, 1, tokens_shape[-1]),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
            autocast=False,
        )

    def call(self, tokens: Tensor, cameras: Tensor) -> Tensor:
        embeddings = at_least_float32(self.embeddings)
        cameras, _ = whole_numbers(cameras, tokens, "CameraEmbedding")
        numbers = ops.arange(self.num_cameras, dtype=cameras.dtype)
        chosen = ops.cast(ops.equal(cameras[:, None], numbers), embeddings.dtype)
        # If no camera matches, all get equal shares.
        share = (1.0 - ops.sum(chosen, axis=1, keepdims=True)) / self.num_cameras
        offset = ops.matmul(chosen + share, embeddings[:, 0])[:, None]
        return tokens + ops.cast(self.scale * offset, tokens.dtype)

    @property
    def checkpoint_parts(self) -> dict[str, keras.layers.Layer | keras.Variable]:
        return {"sie_embed": self.embeddings}

    def compute_output_shape(self, tokens_shape: Shape, cameras_shape: Shape | None = None) -> Shape:
        return tokens_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_cameras": self.num_cameras, "scale": self.scale}
