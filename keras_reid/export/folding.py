"""Which batch normalisations are part of the convolution before them, and what that convolution becomes."""

import contextlib
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from keras_reid.layers import BatchNormalization, Conv2D, GroupedConv2D, NeckNormalization
from keras_reid.utils.keras_internals import layers_within
from keras_reid.utils.replaced_calls import replaced_calls

# By their exact class: a subclass may do anything with its kernel before it is applied.
_KERNELS = {
    keras.layers.Conv2D: "kernel",
    Conv2D: "kernel",
    GroupedConv2D: "kernel",
    keras.layers.DepthwiseConv2D: "kernel",
    keras.layers.SeparableConv2D: "pointwise_kernel",
    keras.layers.Dense: "kernel",
}
_NORMS = (keras.layers.BatchNormalization, BatchNormalization, NeckNormalization)


class Folding:
    """Finds the pairs of a linear layer and the batch normalisation of its output, while the model is traced.

    A pair counts where the linear layer has no activation, both are called once, and nothing but the normalisation,
    on fixed statistics, reads the linear layer's output: seen in the traced graph, whatever the model is made of.

    Example:
        >>> folding = Folding(model)
        >>> with tf.Graph().as_default(), folding.watching():  # doctest: +SKIP
        ...     model(images, training=False)
        >>> folding.pairs()  # doctest: +SKIP
    """

    def __init__(self, model: keras.Model) -> None:
        self.layers = [layer for layer in layers_within(model) if type(layer) in (*_KERNELS, *_NORMS)]
        self._calls = {}

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Records the calls of these layers."""
        with replaced_calls(self.layers, self._recorder):
            yield

    def pairs(self) -> list[tuple[keras.Layer, keras.Layer]]:
        """`[(linear layer, normalisation)]` in the order of their calls; the graph must still exist."""
        once = {layer: calls[0] for layer, calls in self._calls.items() if len(calls) == 1}
        makers = {id(call["output"]): layer for layer, call in once.items() if type(layer) in _KERNELS}
        found = []
        for norm, call in once.items():
            linear = makers.get(id(call["input"]))
            if type(norm) not in _NORMS or linear is None or call["training"]:
                continue
            only_use = call["readers_before"] == 0 and call["readers_after"] == len(call["input"].consumers())
            if only_use and _is_linear(linear) and _is_last_axis(norm, call["input"]):
                found.append((linear, norm))
        return found

    def _recorder(self, layer, call):
        def recorded(inputs, *args, **kwargs):
            before = len(inputs.consumers())
            output = call(inputs, *args, **kwargs)
            self._calls.setdefault(layer, []).append(
                {
                    "input": inputs,
                    "output": output,
                    "training": kwargs.get("training"),
                    "readers_before": before,
                    "readers_after": len(inputs.consumers()),
                }
            )
            return output

        return recorded


def folded(
    linear: keras.Layer, norm: keras.Layer
) -> tuple[list[tuple[keras.Variable, np.ndarray]], np.ndarray]:
    """What a pair computes: `kernel · γ/σ` and `(bias − µ) · γ/σ + β`, in float64.

    Returns:
        `[(variable, value)]` of the linear layer, whose own bias becomes 0, and the offset to add to its output.
    """
    scale = 1.0 / np.sqrt(_numpy(norm.moving_variance) + norm.epsilon)
    if norm.scale:
        scale *= _numpy(norm.gamma)
    offset = -_numpy(norm.moving_mean) * scale
    if norm.center:
        offset += _numpy(norm.beta)
    kernel = getattr(linear, _KERNELS[type(linear)])
    values = _numpy(kernel)
    # The output channels of a depthwise kernel are its two last axes.
    shape = values.shape[2:] if isinstance(linear, keras.layers.DepthwiseConv2D) else values.shape[-1:]
    changed = [(kernel, values * scale.reshape(shape))]
    if linear.use_bias:
        offset += _numpy(linear.bias) * scale
        changed.append((linear.bias, np.zeros(linear.bias.shape)))
    return changed, offset


def _is_linear(layer):
    return layer.activation in (None, keras.activations.linear) and (
        getattr(layer, "data_format", "channels_last") == "channels_last"
    )


def _is_last_axis(norm, inputs):
    return norm.axis in (-1, len(inputs.shape) - 1)


def _numpy(variable):
    return keras.ops.convert_to_numpy(variable).astype("float64")


def add_offset(inputs: tf.Tensor, offset: tf.Tensor) -> tf.Tensor:
    """As a convolution's bias, which runtimes and converters make part of it."""
    return (
        tf.nn.bias_add(inputs, tf.cast(offset, inputs.dtype))
        if inputs.shape.rank == 4
        else inputs + tf.cast(offset, inputs.dtype)
    )
