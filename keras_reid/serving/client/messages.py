"""The TensorFlow Serving messages that the gRPC client needs, without TensorFlow.

The official classes (package tensorflow-serving-api) import TensorFlow, which costs seconds at each start and over a
gigabyte of disk. Only the numbers and types of fields matter on the wire. They are taken from TensorFlow's tensor.proto
and TensorFlow Serving's model.proto, predict.proto and get_model_status.proto. Fields that the client does not use are
left out; readers skip them. The tests compare these messages with the official classes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

# Message -> field -> (number, type); * means repeated. On the wire, a map is repeated pairs of key and value.
_MESSAGES = {
    "Int64Value": {"value": (1, "int64")},
    "Dim": {"size": (1, "int64")},
    "Shape": {"dim": (2, "*Dim")},
    "Tensor": {
        "dtype": (1, "int32"),
        "tensor_shape": (2, "Shape"),
        "tensor_content": (4, "bytes"),
        "float_val": (5, "*float"),
        "string_val": (8, "*bytes"),
    },
    "Pair": {"key": (1, "string"), "value": (2, "Tensor")},
    "ModelSpec": {
        "name": (1, "string"),
        "version": (2, "Int64Value"),
        "signature_name": (3, "string"),
        "version_label": (4, "string"),
    },
    "PredictRequest": {
        "model_spec": (1, "ModelSpec"),
        "inputs": (2, "*Pair"),
        "output_filter": (3, "*string"),
    },
    "PredictResponse": {"outputs": (1, "*Pair")},
    "Status": {"error_message": (2, "string")},
    "VersionStatus": {"version": (1, "int64"), "state": (2, "int32"), "status": (3, "Status")},
    "StatusRequest": {"model_spec": (1, "ModelSpec")},
    "StatusResponse": {"model_version_status": (1, "*VersionStatus")},
}
STATES = {0: "UNKNOWN", 10: "START", 20: "LOADING", 30: "AVAILABLE", 40: "UNLOADING", 50: "END"}
_FLOAT, _UINT8, _STRING = 1, 4, 7  # TensorFlow's DataType
_PACKAGE = "keras_reid_serving"


def _classes():
    """A class for each message, in a separate pool that cannot clash with the official classes."""
    field_type = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name=f"{_PACKAGE}.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            repeated, kind = kind.startswith("*"), kind.lstrip("*")
            entry = message.field.add(name=field, number=number)
            entry.label = field_type.LABEL_REPEATED if repeated else field_type.LABEL_OPTIONAL
            if kind in _MESSAGES:
                entry.type, entry.type_name = field_type.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
            else:
                entry.type = getattr(field_type, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    find = pool.FindMessageTypeByName
    return {name: message_factory.GetMessageClass(find(f"{_PACKAGE}.{name}")) for name in _MESSAGES}


_CLASSES = _classes()
ModelSpec, Tensor = _CLASSES["ModelSpec"], _CLASSES["Tensor"]
PredictRequest, PredictResponse = _CLASSES["PredictRequest"], _CLASSES["PredictResponse"]
StatusRequest, StatusResponse = _CLASSES["StatusRequest"], _CLASSES["StatusResponse"]


def to_tensor(value: np.ndarray | Sequence[bytes]) -> Any:
    """Converts a list of bytes or a uint8 array to a message."""
    if isinstance(value, np.ndarray):
        dtype, shape = _UINT8, value.shape
        content = {"tensor_content": np.ascontiguousarray(value).tobytes()}
    else:
        dtype, shape, content = _STRING, (len(value),), {"string_val": value}
    return Tensor(dtype=dtype, tensor_shape={"dim": [{"size": n} for n in shape]}, **content)


def from_tensor(tensor: Any) -> np.ndarray:
    """Converts a message to an array of float32 or bytes.

    Raises:
        ValueError: the type is another, or there are fewer values than the shape needs.
    """
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    if tensor.dtype == _STRING:
        return np.array(list(tensor.string_val), object).reshape(shape)
    if tensor.dtype != _FLOAT:
        raise ValueError(f"expected a float32 tensor. Received: TensorFlow's data type {tensor.dtype}")
    if tensor.tensor_content:
        return np.frombuffer(tensor.tensor_content, "<f4").reshape(shape)
    values, count = np.array(tensor.float_val, np.float32), int(np.prod(shape))
    if 0 < len(values) < count:  # equal values at the end may be left out
        values = np.append(values, np.full(count - len(values), values[-1]))
    return values.reshape(shape)
