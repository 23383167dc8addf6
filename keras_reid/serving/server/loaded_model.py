"""Loads a SavedModel and offers its signatures as functions of arrays."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from keras_reid.serving.server.serving_error import ServingError, from_tensorflow, invalid
from keras_reid.serving.server.tensors import Spec

if TYPE_CHECKING:
    from pathlib import Path

_LOG = logging.getLogger(__name__)
_INTERNAL = ("INTERNAL", "UNKNOWN", "DATA_LOSS")


class Signature:
    """A signature as a function from arrays `{name: array}` to arrays; raises `ServingError`.

    The function was traced at export; calls never trace again.
    """

    def __init__(self, name: str, function: Any) -> None:
        self.name, self._function = name, function
        specs = function.structured_input_signature[1]
        self.inputs = {key: Spec.of(spec) for key, spec in specs.items()}
        self.outputs = {key: Spec.of(spec) for key, spec in function.structured_outputs.items()}
        self._dtypes = {key: spec.dtype for key, spec in specs.items()}

    def __call__(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        try:
            tensors = {key: tf.convert_to_tensor(array, self._dtypes[key]) for key, array in inputs.items()}
            return {key: _array(tensor) for key, tensor in self._function(**tensors).items()}
        except Exception as error:
            refusal = from_tensorflow(error)
            if refusal.code in _INTERNAL:
                _LOG.exception("signature %s failed", self.name)
            raise refusal from None

    @property
    def mergeable(self) -> bool:
        """Whether rows of several requests may be batched: the inputs must be numbers, all inputs and outputs rows.

        Strings are not batched, because one bad image would fail the whole batch.
        """
        inputs = self.inputs.values()
        return (
            bool(inputs) and all(spec.batched and not spec.is_string for spec in inputs) and self._gives_rows
        )

    @property
    def takes_images(self) -> bool:
        """Whether it maps each file to a row, so that files can be sent one by one."""
        if len(self.inputs) != 1:
            return False
        ((name, spec),) = self.inputs.items()
        return (
            name.endswith("_bytes")  # TensorFlow Serving's suffix for binary data
            and spec.is_string
            and spec.shape == (None,)
            and self._gives_rows
        )

    @property
    def _gives_rows(self):
        return all(spec.shape and spec.shape[0] is None for spec in self.outputs.values())


class Decoding:
    """A signature that decodes images; its errors name the row. Call it like a `Signature`.

    Attributes:
        signature: the underlying `Signature`.
    """

    def __init__(self, signature: Signature) -> None:
        self.signature = signature

    def __call__(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        try:
            return self.signature(inputs)
        except ServingError as error:
            raise self.named(inputs, error) from None

    def named(self, inputs: dict[str, np.ndarray], error: ServingError) -> ServingError:
        """Adds the row to an error: TensorFlow's decoders do not name it, so the rows are tried one by one."""
        name, rows = next(iter(inputs.items()))
        if error.code != "INVALID_ARGUMENT" or len(inputs) > 1:
            return error
        for index in range(len(rows) if len(rows) > 1 else 0):
            try:
                self.signature({name: rows[index : index + 1]})
            except ServingError as one:
                return self.at(name, index, one)
        return error if error.message.startswith(f"{name}[") else self.at(name, 0, error)

    @staticmethod
    def at(name: str, index: int, error: ServingError) -> ServingError:
        """Converts the error of an image that was sent alone, so that it names the image's row in the request."""
        if error.code != "INVALID_ARGUMENT":
            return error
        reason = error.message.removeprefix(f"{name}[0]").lstrip(": ")
        if reason in ("", error.message):
            reason = f"cannot be decoded: {error.message}"
        return invalid(f"{name}[{index}] {reason}")


@dataclasses.dataclass(frozen=True)
class Route:
    """How a signature is served: directly, or as `decode` for each request and `merged` for batches.

    If only `decode` is set, it is the signature itself, and its rows may be sent one by one.
    """

    signature: Signature
    decode: Decoding | None = None
    merged: Signature | None = None

    def __call__(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs the whole signature without batching."""
        if self.decode:
            inputs = self.decode(inputs)
            if not self.merged:
                return inputs
        return (self.merged or self.signature)(inputs)


class LoadedModel:
    """Loads a SavedModel.

    Args:
        path: the SavedModel's folder.

    Attributes:
        routes: `{signature name: Route}`. If the model has a signature `decode` with the same inputs, and another one
            that maps the outputs of `decode` to the same outputs, these two are used instead.
        signature_defs: `{name: SignatureDef}`, as stored.

    Raises:
        Any error of TensorFlow for a folder that it cannot load.
    """

    def __init__(self, path: Path) -> None:
        stored = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
        graphs = [graph for graph in stored.meta_graphs if "serve" in graph.meta_info_def.tags]
        if not graphs:
            raise ValueError("saved_model.pb has no graph with the tag serve")
        self.signature_defs = dict(graphs[0].signature_def)
        self._module = tf.saved_model.load(str(path), tags=["serve"])  # owns the variables
        signatures = {name: Signature(name, call) for name, call in self._module.signatures.items()}
        if not signatures:
            raise ValueError("the model has no signatures")
        self.routes = {name: _route(signature, signatures) for name, signature in signatures.items()}

    def route(self, name: str) -> Route:
        """The `Route` of a signature, by name."""
        if name not in self.routes:
            known = ", ".join(sorted(self.routes))
            # The code that TensorFlow Serving uses; over HTTP it is a 404.
            raise ServingError(
                "FAILED_PRECONDITION", f"signature_name must be one of {known}. Received: {name[:100]!r}", 404
            )
        return self.routes[name]


def _array(tensor):
    return np.asarray(tensor.numpy(), object if tensor.dtype == tf.string else None)


def _route(signature, signatures):
    if signature.mergeable:
        return Route(signature, merged=signature)
    decode = signatures.get("decode")
    if not signature.takes_images:
        return Route(signature)
    if decode and decode.takes_images and signature is not decode and decode.inputs == signature.inputs:
        for other in signatures.values():
            if other.mergeable and other.inputs == decode.outputs and other.outputs == signature.outputs:
                return Route(signature, Decoding(decode), other)
    return Route(signature, Decoding(signature))
