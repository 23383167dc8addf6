"""Reads TensorFlow Serving's batching parameters, a file in protobuf's text format."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2

from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

_FIELDS = {
    "max_batch_size": "Int64Value",
    "batch_timeout_micros": "Int64Value",
    "max_enqueued_batches": "Int64Value",
    "num_batch_threads": "Int64Value",
    "thread_pool_name": "StringValue",
    "enable_large_batch_splitting": "BoolValue",
}


@dataclasses.dataclass(frozen=True)
class BatchingParameters:
    """How rows of different requests are merged.

    Args:
        max_batch_size: largest number of rows in a batch. A request with more rows is split.
        batch_timeout_micros: longest time that a row waits for others, in microseconds. The wait ends early if no other
            request is being received or decoded.
        max_enqueued_batches: size of the queue, in batches; further rows are rejected as UNAVAILABLE.
        num_batch_threads: number of batches that run at the same time. One already uses all cores.
        allowed_batch_sizes: a batch is padded to the next of these sizes; the last one is `max_batch_size`. Few sizes
            mean few shapes for TensorFlow to prepare.
        thread_pool_name: name of the threads.
        enable_large_batch_splitting: if false, requests above `max_batch_size` are rejected instead of split.
    """

    max_batch_size: int = 32
    batch_timeout_micros: int = 5000
    max_enqueued_batches: int = 16
    num_batch_threads: int = 1
    allowed_batch_sizes: tuple[int, ...] = ()
    thread_pool_name: str = "batch"
    enable_large_batch_splitting: bool = True

    def __post_init__(self) -> None:
        for name in ("max_batch_size", "max_enqueued_batches", "num_batch_threads"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} must be at least 1. Received: {getattr(self, name)}")
        if self.batch_timeout_micros < 0:
            raise UserError(
                f"batch_timeout_micros must not be negative. Received: {self.batch_timeout_micros}"
            )
        sizes = self.allowed_batch_sizes
        if sizes and (list(sizes) != sorted(set(sizes)) or sizes[0] < 1 or sizes[-1] != self.max_batch_size):
            raise UserError(
                f"allowed_batch_sizes must increase and end with max_batch_size ({self.max_batch_size}). "
                f"Received: {', '.join(map(str, sizes))}"
            )

    def padded(self, rows: int) -> int:
        """The allowed size for `rows` rows; without a list of sizes, a power of two or `max_batch_size`."""
        for size in self.allowed_batch_sizes:
            if size >= rows:
                return size
        return min(1 << (rows - 1).bit_length(), self.max_batch_size)


def read_batching_config(path: Path) -> BatchingParameters:
    """Reads `BatchingParameters` from a file; a `UserError` names the file and line of a mistake."""
    message = _message_class()()
    try:
        text_format.Parse(path.read_text(encoding="utf-8"), message)
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a file of TensorFlow Serving's batching parameters: {error}") from None
    if message.HasField("pad_variable_length_inputs") and message.pad_variable_length_inputs:
        raise UserError(f"{path}: pad_variable_length_inputs is not supported here; remove the line")
    given = {name: getattr(message, name).value for name in _FIELDS if message.HasField(name)}
    try:
        return BatchingParameters(**given, allowed_batch_sizes=tuple(message.allowed_batch_sizes))
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _message_class():
    """Defines the message `BatchingParameters`, which the API package lacks; only its text form matters."""
    pool = descriptor_pool.DescriptorPool()
    pool.Add(descriptor_pb2.FileDescriptorProto.FromString(wrappers_pb2.DESCRIPTOR.serialized_pb))
    file = descriptor_pb2.FileDescriptorProto(
        name="batching_parameters.proto", syntax="proto2", dependency=["google/protobuf/wrappers.proto"]
    )
    message = file.message_type.add(name="BatchingParameters")
    kinds = descriptor_pb2.FieldDescriptorProto
    for number, (name, wrapper) in enumerate(_FIELDS.items(), start=1):
        message.field.add(
            name=name,
            number=number,
            type=kinds.TYPE_MESSAGE,
            label=kinds.LABEL_OPTIONAL,
            type_name=f".google.protobuf.{wrapper}",
        )
    message.field.add(
        name="allowed_batch_sizes", number=20, type=kinds.TYPE_INT64, label=kinds.LABEL_REPEATED
    )
    message.field.add(
        name="pad_variable_length_inputs", number=21, type=kinds.TYPE_BOOL, label=kinds.LABEL_OPTIONAL
    )
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("BatchingParameters"))
