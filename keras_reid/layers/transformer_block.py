"""A block of a vision transformer."""

from typing import Any

import keras
from keras import ops

from keras_reid.layers.numerics import at_least_float32
from keras_reid.utils.hints import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_reid")
class TransformerBlock(keras.layers.Layer):
    """Self-attention and a two-layer perceptron, each with normalised input and a residual connection.

    `y = x + path(attention(LN(x)))`, `z = y + path(W2 gelu(W1 LN(y)))`, with the exact GELU, and
    `attention = W softmax(scale · q kᵀ) v` in heads. `path` is stochastic depth: in training it drops the
    whole branch of an image with probability `drop_path`, and otherwise divides it by `1 − drop_path`. The softmax and
    the normalisations are float32 even under mixed precision.

    Args:
        num_heads: Number of heads; the channels are split evenly between them.
        mlp_ratio: Units of the perceptron's hidden layer per channel. Defaults to 4.0.
        qkv_bias: Whether queries, keys and values have a bias. Defaults to True.
        scale: Factor on the products of queries and keys; None means `1/sqrt(channels of a head)`. Defaults to None.
        dropout: Rate of dropout after the attention and after both layers of the perceptron. Defaults to 0.0.
        attention_dropout: Rate of dropout on the attention weights. Defaults to 0.0.
        drop_path: Probability that an image skips a branch in training. Defaults to 0.0.
        epsilon: Added to the variances. Defaults to 1e-6.

    Input shape: `(batch, tokens, channels)`. Output shape: the same.

    Raises:
        ValueError: if an argument is out of range, or the heads do not divide the channels.

    Example:
        >>> tokens = keras.random.normal((2, 10, 24))
        >>> keras.ops.shape(keras_reid.layers.TransformerBlock(num_heads=3)(tokens))
        (2, 10, 24)

    Source: Dosovitskiy et al., "An image is worth 16x16 words", 2021; Huang et al., "Deep networks with stochastic
    depth", 2016. Under mixed precision the tokens between the branches are also in half precision; in FastReID, with
    PyTorch's automatic mixed precision, they stay float32.
    """

    def __init__(
        self,
        num_heads: int,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        scale: float | None = None,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        drop_path: float = 0.0,
        epsilon: float = 1e-6,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(num_heads, int) or num_heads < 1:
            raise ValueError(
                f"`num_heads` of TransformerBlock must be a positive integer. Received: num_heads={num_heads!r}"
            )
        for name, value in (("mlp_ratio", mlp_ratio), ("scale", scale), ("epsilon", epsilon)):
            if value is not None and not value > 0:
                raise ValueError(f"`{name}` of TransformerBlock must be positive. Received: {name}={value}")
        rates = {"dropout": dropout, "attention_dropout": attention_dropout, "drop_path": drop_path}
        for name, rate in rates.items():
            if not 0 <= rate < 1:
                raise ValueError(f"`{name}` of TransformerBlock must be in [0, 1). Received: {name}={rate}")
        self.num_heads = num_heads
        self.mlp_ratio = float(mlp_ratio)
        self.qkv_bias = bool(qkv_bias)
        self.scale = scale if scale is None else float(scale)
        self.dropout = float(dropout)
        self.attention_dropout = float(attention_dropout)
        self.drop_path = float(drop_path)
        self.epsilon = float(epsilon)
        self.attention_norm = self._norm("attention_norm")
        self.mlp_norm = self._norm("mlp_norm")
        self.drop = self._dropout(self.dropout, "drop")
        self.attention_drop = self._dropout(self.attention_dropout, "attention_drop")
        # One draw for all tokens and channels of an image.
        self.stochastic_depth = self._dropout(self.drop_path, "stochastic_depth", noise_shape=(None, 1, 1))
        self.input_spec = keras.layers.InputSpec(ndim=3)

    def _norm(self, name):
        return keras.layers.LayerNormalization(epsilon=self.epsilon, name=name, dtype=self.dtype_policy)

    def _dropout(self, rate, name, **kwargs):
        return keras.layers.Dropout(rate, name=name, dtype=self.dtype_policy, **kwargs)

    def _dense(self, units, name, use_bias=True):
        return keras.layers.Dense(
            units,
            use_bias=use_bias,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.02),
            name=name,
            dtype=self.dtype_policy,
        )

    def build(self, input_shape: Shape) -> None:
        channels = input_shape[-1]
        if channels % self.num_heads:
            raise ValueError(
                "The heads of TransformerBlock must divide the channels. "
                f"Received: num_heads={self.num_heads}, input shape {tuple(input_shape)}"
            )
        hidden = int(channels * self.mlp_ratio)
        self.qkv = self._dense(3 * channels, "qkv", use_bias=self.qkv_bias)
        self.projection = self._dense(channels, "projection")
        self.expand = self._dense(hidden, "expand")
        self.contract = self._dense(channels, "contract")
        for layer in (self.attention_norm, self.qkv, self.projection, self.mlp_norm, self.expand):
            layer.build(input_shape)
        self.contract.build((*input_shape[:-1], hidden))

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        attended = self._attention(self.attention_norm(inputs), training)
        x = inputs + self.stochastic_depth(attended, training=training)
        hidden = ops.gelu(self.expand(self.mlp_norm(x)), approximate=False)
        hidden = self.contract(self.drop(hidden, training=training))
        return x + self.stochastic_depth(self.drop(hidden, training=training), training=training)

    def _attention(self, x, training):
        (batch, tokens), channels = ops.shape(x)[:2], x.shape[-1]
        head = channels // self.num_heads
        qkv = ops.reshape(self.qkv(x), (batch, tokens, 3, self.num_heads, head))
        query, key, value = ops.unstack(ops.transpose(qkv, (2, 0, 3, 1, 4)), 3)
        scale = head**-0.5 if self.scale is None else self.scale
        # Scale before the product, which could overflow half precision.
        products = ops.matmul(query * scale, ops.swapaxes(key, -1, -2))
        weights = ops.cast(ops.softmax(at_least_float32(products)), value.dtype)
        weights = self.attention_drop(weights, training=training)
        attended = ops.transpose(ops.matmul(weights, value), (0, 2, 1, 3))
        attended = self.projection(ops.reshape(attended, (batch, tokens, channels)))
        return self.drop(attended, training=training)

    @property
    def checkpoint_parts(self) -> dict[str, keras.layers.Layer | keras.Variable]:
        return {
            "norm1": self.attention_norm,
            "attn.qkv": self.qkv,
            "attn.proj": self.projection,
            "norm2": self.mlp_norm,
            "mlp.fc1": self.expand,
            "mlp.fc2": self.contract,
        }

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "mlp_ratio": self.mlp_ratio,
            "qkv_bias": self.qkv_bias,
            "scale": self.scale,
            "dropout": self.dropout,
            "attention_dropout": self.attention_dropout,
            "drop_path": self.drop_path,
            "epsilon": self.epsilon,
        }
