"""gRPC transport: binary messages over HTTP/2, with many requests on one connection."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import grpc

from keras_reid.serving.client import messages
from keras_reid.serving.client.failures import Refused, ServingError, Unavailable

if TYPE_CHECKING:
    import numpy as np

_ANY_SIZE = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
_REFUSALS = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION)


class GrpcTransport:
    """Sends requests to one model over TensorFlow Serving's gRPC interface; safe to use from several threads.

    Args:
        target: `HOST:PORT`.
        secure: whether to use TLS.
        model: name of the model.
        version, label: which version; None: the newest.
        timeout: seconds for a request.
        headers: dict to send with each request, as gRPC metadata.
        ca: PEM file of certificate authorities to trust instead of gRPC's own.
    """

    def __init__(
        self,
        target: str,
        secure: bool,
        model: str,
        version: int | None,
        label: str | None,
        timeout: float,
        headers: Mapping[str, str],
        ca: str | os.PathLike[str] | None,
    ) -> None:
        self.target, self.timeout = target, timeout
        self.headers = [(name.lower(), value) for name, value in headers.items()]
        self.spec = messages.ModelSpec(name=model, version_label=label or "")
        if version is not None:
            self.spec.version.value = version
        if secure:
            roots = pathlib.Path(ca).read_bytes() if ca else None
            credentials = grpc.ssl_channel_credentials(root_certificates=roots)
            self.channel = grpc.secure_channel(target, credentials, options=_ANY_SIZE)
        else:
            self.channel = grpc.insecure_channel(target, options=_ANY_SIZE)
        self._predict = self._method("PredictionService/Predict", messages.PredictResponse)
        self._status = self._method("ModelService/GetModelStatus", messages.StatusResponse)

    def predict(
        self, signature: str, inputs: Mapping[str, np.ndarray | Sequence[bytes]], output: str
    ) -> np.ndarray:
        """The named output of a signature: an array of float32, or an object array of bytes."""
        request = messages.PredictRequest(model_spec=self.spec, output_filter=[output])
        request.model_spec.signature_name = signature
        for name, value in inputs.items():
            request.inputs.add(key=name, value=messages.to_tensor(value))
        answer = self._ask(self._predict, request)
        try:
            return next(messages.from_tensor(pair.value) for pair in answer.outputs if pair.key == output)
        except (StopIteration, ValueError) as error:
            raise ServingError(f"{self.target}: the answer has no array {output!r}: {error}") from None

    def status(self) -> list[dict[str, Any]]:
        """The versions that the server knows: dicts of `version`, `state` and `error`."""
        answer = self._ask(self._status, messages.StatusRequest(model_spec=self.spec))
        return [
            {
                "version": entry.version,
                "state": messages.STATES.get(entry.state, str(entry.state)),
                "error": entry.status.error_message,
            }
            for entry in answer.model_version_status
        ]

    def close(self) -> None:
        self.channel.close()

    def _method(self, name, answer):
        return self.channel.unary_unary(
            f"/tensorflow.serving.{name}",
            request_serializer=lambda request: request.SerializeToString(),
            response_deserializer=answer.FromString,
        )

    def _ask(self, method, request):
        try:
            return method(request, timeout=self.timeout, metadata=self.headers)
        except grpc.RpcError as error:
            code, text = error.code(), error.details() or ""
        message = f"{self.target}: {code.name}: {text}"
        if code == grpc.StatusCode.DEADLINE_EXCEEDED:
            raise ServingError(f"{self.target} gave no answer within {self.timeout:g} s")
        too_large = "larger than max" in text  # has the code of a full queue, but is permanent
        if code == grpc.StatusCode.UNAVAILABLE:
            raise Unavailable(message)
        if code == grpc.StatusCode.RESOURCE_EXHAUSTED and not too_large:
            raise Unavailable(message)
        raise (Refused if code in _REFUSALS else ServingError)(message)
