"""TensorFlow's part of `keras_reid.utils.convolution`: ways to compute convolutions and gradients, and the fastest."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from keras_reid.utils.convolution import SWITCH
from keras_reid.utils.errors import UserError
from keras_reid.utils.measured_choices import MeasuredChoices
from keras_reid.utils.processor import processor_name
from keras_reid.utils.threads import cores
from keras_reid.utils.winograd_tensorflow import winograd_convolution

# Convolutions over fewer channels, such as that of the image, cost little.
_FEWEST_CHANNELS = 32
# What one measured call computes, so that it takes milliseconds and all threads have something to do.
_MULTIPLICATIONS, _FEWEST_IMAGES = 2.5e8, 4
_LARGEST_MAP, _USUAL_POSITIONS = 64, 512
# Winograd's convolution transforms kernels once a batch, so its measurement has the batch's size, within limits.
_FEWEST_WINOGRAD_CHANNELS = 64
_MOST_MULTIPLICATIONS, _MOST_IMAGES = 2.5e9, 32


class Case(NamedTuple):
    """What a convolution computes, apart from the size of its feature map."""

    height: int
    width: int
    channels: int
    filters: int
    stride: int
    padding: str  # "SAME" or "VALID"

    @property
    def kernel(self) -> tuple[int, ...]:
        """The shape of the kernel."""
        return self[:4]

    @property
    def strides(self) -> list[int]:
        """As TensorFlow takes them."""
        return [1, self.stride, self.stride, 1]

    @property
    def pointwise(self) -> bool:
        """Whether it multiplies the channels of each pixel with a matrix."""
        return self.height == self.width == 1


def ways_to_input(case: Case) -> dict[str, Callable[..., Any]]:
    """Ways to compute the gradient towards the input.

    Returns:
        `{name: way}` with `way(case, dy, kernel, shape of the input)`; TensorFlow's own comes first.
    """
    ways = {"own": _to_input}
    if case.stride == 1:
        ways["rotated"] = _to_input_rotated
    if case.pointwise:
        ways["product"] = _to_input_product
    return ways


def ways_to_kernel(case: Case) -> dict[str, Callable[..., Any]]:
    """Ways to compute the gradient towards the kernel: as `ways_to_input`, with `way(case, x, dy)`."""
    return {"own": _to_kernel} | (
        {"product": _to_kernel_product} if case.pointwise and case.stride == 1 else {}
    )


def _to_input(case, dy, kernel, shape):
    return tf.compat.v1.nn.conv2d_backprop_input(shape, kernel, dy, case.strides, case.padding)


def _to_input_rotated(case, dy, kernel, shape):
    """A convolution with the kernel turned by 180°, its inputs and outputs exchanged."""
    turned = tf.transpose(kernel if case.pointwise else tf.reverse(kernel, (0, 1)), (0, 1, 3, 2))
    around = [[0, 0], [case.height - 1] * 2, [case.width - 1] * 2, [0, 0]]
    return tf.nn.conv2d(dy, turned, 1, "SAME" if case.padding == "SAME" else around)


def _to_input_product(case, dy, kernel, shape):
    """A matrix product, whose rows are then spread to where the kernel was."""
    rows = tf.matmul(_rows(dy), tf.reshape(kernel, kernel.shape[2:]), transpose_b=True)
    stride, size = case.stride, tf.shape(dy)
    if stride == 1:
        return tf.reshape(rows, shape)
    apart = tf.reshape(rows, (size[0], size[1], 1, size[2], case.channels))
    apart = tf.pad(apart, [[0, 0], [0, 0], [0, stride - 1], [0, 0], [0, (stride - 1) * case.channels]])
    spread = tf.reshape(apart, (size[0], size[1] * stride, size[2] * stride, case.channels))
    return spread[:, : shape[1], : shape[2]]


def _to_kernel(case, x, dy):
    return tf.compat.v1.nn.conv2d_backprop_filter(x, case.kernel, dy, case.strides, case.padding)


def _to_kernel_product(case, x, dy):
    return tf.reshape(tf.matmul(_rows(x), _rows(dy), transpose_a=True), case.kernel)


def _rows(x):
    return tf.reshape(x, (-1, x.shape[-1]))


def convolution_for_training(
    inputs: Any, kernel: Any, strides: Sequence[int], padding: str, dilation_rate: Sequence[int]
) -> Any:
    """As `keras_reid.utils.convolution.convolution_for_training`; None where TensorFlow's own is the fastest."""
    inputs, kernel = tf.convert_to_tensor(inputs), tf.convert_to_tensor(kernel)
    case = case_of(inputs, kernel, strides, padding, dilation_rate)
    if case is None:
        return None
    names = fastest(case, *typical_map(inputs.shape), inputs.dtype)
    if suits_winograd(case, inputs) and winograd_is_faster(case, names, *winograd_map(inputs.shape)):
        return tf.custom_gradient(winograd_convolution)(inputs, kernel)
    if names == ("own", "own"):
        return None
    return tf.custom_gradient(lambda x, kernel: direct_convolution(case, names, x, kernel))(inputs, kernel)


def direct_convolution(
    case: Case, names: tuple[str, str], x: Any, kernel: Any
) -> tuple[Any, Callable[[Any], Any]]:
    """Outputs, and the function that computes the gradients in the ways with these names."""
    to_input, to_kernel = ways_to_input(case)[names[0]], ways_to_kernel(case)[names[1]]

    def gradient(dy):
        with tf.name_scope("to_input"):  # profiles show it
            dx = to_input(case, dy, kernel, tf.shape(x))
        with tf.name_scope("to_kernel"):
            dk = to_kernel(case, x, dy)
        # A reshaped tensor does not know its size in advance.
        return tf.ensure_shape(dx, x.shape), dk

    return tf.nn.conv2d(x, kernel, case.strides, case.padding), gradient


def case_of(
    inputs: Any, kernel: Any, strides: Sequence[int], padding: str, dilation_rate: Sequence[int]
) -> Case | None:
    """The `Case`, or None where TensorFlow's own stay unasked: on GPUs, if they are wanted, and so on."""
    if _switched_off() or has_gpu():
        return None
    height, width, channels, filters = kernel.shape
    # A kernel of 1×1 needs no padding.
    same = padding == "same" and (height, width) != (1, 1)
    if (
        inputs.dtype not in (tf.float32, tf.bfloat16)
        or min(channels, filters) < _FEWEST_CHANNELS
        or channels != inputs.shape[-1]
        or strides[0] != strides[1]
        or tuple(dilation_rate) != (1, 1)
        # Only then has "same" as many zeros before as after.
        or (same and not height % 2 == width % 2 == strides[0] == 1)
    ):
        return None
    return Case(height, width, channels, filters, strides[0], "SAME" if same else "VALID")


def suits_winograd(case: Case, inputs: Any) -> bool:
    """Whether Winograd's convolution computes this: 3×3 with stride 1, in float32, on maps of known size."""
    return (
        case.kernel[:2] == (3, 3)
        and (case.stride, case.padding) == (1, "SAME")
        and inputs.dtype == tf.float32
        and None not in inputs.shape[1:3]
        and min(case.channels, case.filters) >= _FEWEST_WINOGRAD_CHANNELS
    )


def has_gpu() -> bool:
    """Whether TensorFlow sees a GPU."""
    return bool(tf.config.list_logical_devices("GPU"))


def grouped_convolution(
    inputs: Any, kernel: Any, strides: Sequence[int], padding: str, dilation_rate: Sequence[int]
) -> Any:
    """As `keras_reid.utils.convolution.grouped_convolution`: `keras.ops.conv` would compile it with XLA."""
    inputs, kernel = tf.convert_to_tensor(inputs), tf.convert_to_tensor(kernel)
    return tf.nn.conv2d(inputs, kernel, list(strides), padding.upper(), dilations=list(dilation_rate))


def _switched_off():
    value = os.environ.get(SWITCH, "")
    if value not in ("", "plain"):
        raise UserError(
            f"{SWITCH} must be plain (TensorFlow's own convolutions) or not set. Received: {value!r}"
        )
    return value == "plain"


def typical_map(shape: Any) -> tuple[int, int]:
    """Height and width, powers of 2, that stand for all maps of about as many positions as this `shape`."""
    positions = _USUAL_POSITIONS if None in shape[1:3] else shape[1] * shape[2]
    width = min(max(2 ** round(math.log2(max(positions, 1) / 2) / 2), 4), _LARGEST_MAP)
    return 2 * width, width


def winograd_map(shape: Any) -> tuple[int, int, int]:
    """Images, height and width to measure Winograd's convolution with: batches of about the same size share them."""
    batch, height, width, _ = shape
    images = _MOST_IMAGES if batch is None else 2 ** round(math.log2(max(batch, 1)))
    return min(max(images, _FEWEST_IMAGES), _MOST_IMAGES), height, width


@functools.cache
def winograd_is_faster(case: Case, names: tuple[str, str], images: int, height: int, width: int) -> bool:
    """Whether Winograd's convolution with both gradients takes less time than the plain one with gradients so named."""
    each = height * width * math.prod(case.kernel)
    measured = min(images, max(round(_MOST_MULTIPLICATIONS / each), _FEWEST_IMAGES))

    def calls():
        tensors = _tensors(case, height, width, tf.float32, measured)
        arguments = [tensors[name] for name in ("x", "kernel", "dy")]
        ways = {
            "direct": functools.partial(direct_convolution, case, names),
            "winograd": winograd_convolution,
        }
        return {
            name: functools.partial(_run, compiled(way, *arguments), *arguments) for name, way in ways.items()
        }

    question = f"float32 {_described(case)} on {images} of {height}x{width} forward and backward"
    return _choices().fastest(question, calls) == "winograd"


def compiled(convolve: Callable[..., Any], x: Any, kernel: Any, dy: Any) -> Callable[..., Any]:
    """The function from `x`, `kernel` and `dy` to the output and both gradients, as one graph, as in a training step.

    Args:
        convolve: function from `x` and `kernel` to the output and the function of its gradient.
        x, kernel, dy: tensors of the shapes and types to come.
    """

    def whole(x, kernel, dy):
        y, gradient = convolve(x, kernel)
        return y, *gradient(dy)

    with tf.init_scope():
        # Traced here: a call that traces counts as retracing, of which TensorFlow warns after a few convolutions.
        return tf.function(whole, autograph=False).get_concrete_function(x, kernel, dy)


@functools.cache
def fastest(case: Case, height: int, width: int, dtype: Any) -> Any:
    """The names of the fastest ways towards the input and towards the kernel, on maps of this size."""
    each = height * width * math.prod(case.kernel) / case.stride**2
    images = max(_FEWEST_IMAGES, round(_MULTIPLICATIONS / each))
    tensors = functools.cache(functools.partial(_tensors, case, height, width, dtype, images))
    found = []
    for direction, ways, needed in (
        ("input", ways_to_input(case), ("dy", "kernel", "shape")),
        ("kernel", ways_to_kernel(case), ("x", "dy")),
    ):

        def calls(ways=ways, needed=needed):
            arguments = [tensors()[name] for name in needed]
            return {name: functools.partial(_run, way, case, *arguments) for name, way in ways.items()}

        question = f"{dtype.name} {_described(case)} on {height}x{width} towards {direction}"
        found.append(_choices().fastest(question, calls) if len(ways) > 1 else "own")
    return tuple(found)


def _described(case):
    return f"{case.height}x{case.width} {case.channels}-{case.filters} stride {case.stride} {case.padding.lower()}"


def _run(way, *arguments):
    # At once, also while a training step is traced.
    with tf.init_scope(), tf.device("CPU:0"):
        way(*arguments)


def _tensors(case, height, width, dtype, images):
    """Inputs of a measurement."""
    with tf.init_scope(), tf.device("CPU:0"):
        x = tf.ones((images, height, width, case.channels), dtype)
        kernel = tf.ones(case.kernel, dtype)
        dy = tf.nn.conv2d(x, kernel, case.strides, case.padding)
        return {"x": x, "kernel": kernel, "dy": dy, "shape": tf.shape(x)}


@functools.cache
def _choices():
    """The choices of this machine, from its file."""
    return MeasuredChoices(
        "convolutions",
        {
            "processor": processor_name(),
            "threads": tf.config.threading.get_intra_op_parallelism_threads() or cores(),
            "tensorflow": tf.__version__,
            "oneDNN": {
                name: os.environ.get(name, "") for name in ("TF_ENABLE_ONEDNN_OPTS", "ONEDNN_MAX_CPU_ISA")
            },
        },
    )
