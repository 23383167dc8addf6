"""Converts tensors in protobuf messages to arrays and back."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2

from keras_reid.serving.server.serving_error import invalid
from keras_reid.serving.server.tensors import Spec, check_finite, check_names, check_shape

# Like TensorFlow Serving, answer in the typed fields, which clients without TensorFlow can read.
_FIELDS = {
    "f4": "float_val",
    "f8": "double_val",
    "i4": "int_val",
    "i8": "int64_val",
    "b1": "bool_val",
    "O": "string_val",
}


def read_inputs(
    messages: Mapping[str, Any], specs: Mapping[str, Spec], max_rows: int
) -> dict[str, np.ndarray]:
    """The arrays of a request's tensors. Types and shapes are checked before memory is allocated."""
    check_names(messages, specs)
    return {name: _to_array(name, messages[name], spec, max_rows) for name, spec in specs.items()}


def _to_array(name, message, spec, max_rows):
    try:
        received = tf.dtypes.as_dtype(message.dtype).name
    except TypeError:
        received = f"type {message.dtype}"
    if received != spec.type_name:
        raise invalid(f"{name} must be {spec}. Received: {received}")
    shape = tuple(dim.size for dim in message.tensor_shape.dim)
    if message.tensor_shape.unknown_rank or any(size < 0 for size in shape):
        raise invalid(f"{name} must have a known shape. Received: {shape}")
    check_shape(name, shape, spec, max_rows)
    if spec.is_string:
        return _strings(name, message.string_val, shape)
    if message.tensor_content:
        wanted = math.prod(shape) * spec.dtype.itemsize
        if len(message.tensor_content) != wanted:
            raise invalid(
                f"{name} of shape {shape} needs {wanted} bytes in tensor_content. "
                f"Received: {len(message.tensor_content)}"
            )
        array = np.frombuffer(message.tensor_content, spec.dtype).reshape(shape)
    else:
        array = _typed(name, message, shape)
    check_finite(name, array)
    return array


def _typed(name, message, shape):
    """Reads the typed fields of a message."""
    _check_count(
        name, max(len(getattr(message, field.name)) for field in _repeated(message)), shape, "values"
    )
    try:
        return tf.make_ndarray(message)
    except (ValueError, TypeError, OverflowError) as error:
        raise invalid(f"{name} cannot be read: {error}") from None


def _repeated(message):
    return [field for field in message.DESCRIPTOR.fields if field.name.endswith("_val")]


def _strings(name, values, shape):
    _check_count(name, len(values), shape, "strings")
    array = np.empty(math.prod(shape), object)
    array[: len(values)] = values
    if values:
        array[len(values) :] = values[-1]
    return array.reshape(shape)


def _check_count(name, count, shape, what):
    """Checks the number of values: as in TensorFlow, the last may stand for the rest, but one is needed."""
    wanted = math.prod(shape)
    if not min(1, wanted) <= count <= wanted:
        raise invalid(f"{name} of shape {shape} needs {wanted} {what}. Received: {count}")


def to_message(array: np.ndarray) -> tensor_pb2.TensorProto:
    """Converts an output to a `TensorProto`."""
    field = _FIELDS.get(array.dtype.str[1:] if array.dtype != object else "O")
    if field is None:
        return tf.make_tensor_proto(array)
    shape = tensor_shape_pb2.TensorShapeProto(
        dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=size) for size in array.shape]
    )
    dtype = tf.string if array.dtype == object else tf.dtypes.as_dtype(array.dtype)
    message = tensor_pb2.TensorProto(dtype=dtype.as_datatype_enum, tensor_shape=shape)
    if field == "float_val":
        message.MergeFromString(_float_val(array))
    else:
        getattr(message, field).extend(array.ravel().tolist())
    return message


def _float_val(array):
    """The field as it is sent: its tag, its length and the floats, without a Python object of each."""
    contents = array.astype("<f4").tobytes()
    length, size = bytearray(), len(contents)
    while size > 127:
        length.append(size & 127 | 128)
        size >>= 7
    return b"\x2a" + length + bytes([size]) + contents
