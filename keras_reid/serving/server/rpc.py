"""TensorFlow Serving's gRPC interface."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf import wrappers_pb2
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
)

from keras_reid.serving.server import messages, proto_tensors
from keras_reid.serving.server.admission import Admission, Request, within
from keras_reid.serving.server.serving_error import ServingError, invalid

if TYPE_CHECKING:
    from keras_reid.serving.server.options import Limits
    from keras_reid.serving.server.repository import Repository
    from keras_reid.serving.server.uploads import Uploads

_LOG = logging.getLogger(__name__)
_SIGNATURES = "signature_def"
_SERVING, _NOT_SERVING = b"\x08\x01", b"\x08\x02"  # grpc.health.v1.HealthCheckResponse, its status only


def _answers(kind):
    """Turns a method that takes a message of this kind and raises `ServingError` into a gRPC method.

    The bytes are parsed here, so that an invalid message gets the right status. Requests are counted and limited in
    time. They arrive as a stream of one message, which looks the same to clients: otherwise gRPC would wait forever for
    the end of a message before it called us.
    """

    def decorate(method):
        @functools.wraps(method)
        async def call(self, stream, context):
            try:
                with self.admission.count("grpc", method.__name__) as request:
                    left = context.time_remaining()
                    seconds = self.limits.timeout_seconds
                    async with within(seconds if left is None else max(0.0, min(seconds, left))):
                        contents = await self._received(context)
                        request.enter(len(contents))
                        return await method(self, _parsed(kind, contents), request)
            except ServingError as error:
                refusal = error
            except Exception:
                _LOG.exception("%s failed", method.__name__)
                refusal = ServingError("INTERNAL", "the server failed; see its log")
            await context.abort(grpc.StatusCode[refusal.code], refusal.message)

        return call

    return decorate


def _parsed(kind, contents):
    try:
        return kind.FromString(contents)
    except DecodeError:
        raise invalid(
            f"the message must be a {kind.DESCRIPTOR.full_name}. Received: {len(contents)} bytes that cannot be parsed"
        ) from None


def _refuses(text):
    async def call(self, stream, context):
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, text)

    return call


class _Service:
    """Base class of the services.

    Args:
        repository, admission, uploads: the server's objects.
        limits: `Limits`.
    """

    def __init__(self, repository, admission, uploads, limits):
        self.repository, self.admission, self.uploads, self.limits = repository, admission, uploads, limits

    async def _received(self, context):
        """The bytes of the request's only message.

        The stream, an async generator, would need another task at the end of each call.
        """
        async with self.uploads.receiving() as upload:
            with upload.of_unknown_size(self.limits.max_body):
                contents = await context.read()
        if contents is not grpc.aio.EOF:
            return contents
        raise invalid("the call must send one message. Received: none")


class PredictionService(_Service):
    """`Predict` and `GetModelMetadata`."""

    @_answers(predict_pb2.PredictRequest)
    async def Predict(
        self, message: predict_pb2.PredictRequest, request: Request
    ) -> predict_pb2.PredictResponse:
        with self.repository.use(request, *_model(message.model_spec)) as version:
            name = message.model_spec.signature_name or "serving_default"
            route = version.model.route(name)
            wanted = _filtered(list(message.output_filter), route.signature.outputs)
            inputs = proto_tensors.read_inputs(message.inputs, route.signature.inputs, self.limits.max_rows)
            outputs = await version.predict(request, route, inputs)
            answer = predict_pb2.PredictResponse(
                outputs={key: proto_tensors.to_message(outputs[key]) for key in wanted}
            )
            answer.model_spec.name, answer.model_spec.signature_name = version.name, name
            answer.model_spec.version.value = version.number
            return answer

    @_answers(get_model_metadata_pb2.GetModelMetadataRequest)
    async def GetModelMetadata(
        self, message: get_model_metadata_pb2.GetModelMetadataRequest, request: Request
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        if list(message.metadata_field) != [_SIGNATURES]:
            received = ", ".join(message.metadata_field)[:200] or "nothing"
            raise invalid(f"metadata_field must be {_SIGNATURES}. Received: {received}")
        with self.repository.use(request, *_model(message.model_spec)) as version:
            return messages.metadata(version)

    Classify = _refuses("Classify is not implemented here; use Predict")
    Regress = _refuses("Regress is not implemented here; use Predict")
    MultiInference = _refuses("MultiInference is not implemented here; use Predict")


class ModelService(_Service):
    """`GetModelStatus`."""

    @_answers(get_model_status_pb2.GetModelStatusRequest)
    async def GetModelStatus(
        self, message: get_model_status_pb2.GetModelStatusRequest, request: Request
    ) -> get_model_status_pb2.GetModelStatusResponse:
        model = _model(message.model_spec)
        answer = messages.status(self.repository.states(*model))
        request.model = model[0]
        return answer

    # Without authentication, this would let anyone load any folder.
    HandleReloadConfigRequest = _refuses(
        "edit the file of --model-config-file; it is read again when it changes"
    )


class Health(_Service):
    """The standard gRPC health check.

    Args:
        ready: function without arguments that says whether the server can take traffic.
        services: names of the services that may be checked.
        others: the arguments of the other services.
    """

    def __init__(self, ready: Callable[[], bool], services: Collection[str], *others: Any) -> None:
        super().__init__(*others)
        self._ready, self._services = ready, services

    async def Check(self, stream: Any, context: Any) -> Any:
        try:
            async with within(self.limits.timeout_seconds):
                # On the wire, a HealthCheckRequest is a string, the name of a service.
                name = _parsed(wrappers_pb2.StringValue, await self._received(context)).value
            if name and name not in self._services:
                raise ServingError(
                    "NOT_FOUND", f"the services are {', '.join(self._services)}. Received: {name[:100]!r}"
                )
            return _SERVING if self._ready() else _NOT_SERVING
        except ServingError as error:
            refusal = error
        await context.abort(grpc.StatusCode[refusal.code], refusal.message)


def add_services(
    server: Any,
    repository: Repository,
    admission: Admission,
    uploads: Uploads,
    limits: Limits,
    ready: Callable[[], bool],
) -> None:
    """Adds both services, and the standard health check."""
    common = repository, admission, uploads, limits
    services = {
        "tensorflow.serving.PredictionService": PredictionService(*common),
        "tensorflow.serving.ModelService": ModelService(*common),
    }
    health = Health(ready, tuple(services), *common)
    server.add_generic_rpc_handlers(
        [
            grpc.method_handlers_generic_handler(name, _methods(service))
            for name, service in [*services.items(), ("grpc.health.v1.Health", health)]
        ]
    )


def _methods(service):
    """The handlers of a service, from bytes to messages; its gRPC methods are those in capitals."""
    return {
        name: grpc.stream_unary_rpc_method_handler(getattr(service, name), response_serializer=_to_bytes)
        for name in dir(service)
        if name[0].isupper()
    }


def _to_bytes(answer):
    return answer if isinstance(answer, bytes) else answer.SerializeToString()


def _model(spec):
    choice = spec.WhichOneof("version_choice")
    if not spec.name:
        raise invalid("model_spec.name must name the model. Received: nothing")
    return (
        spec.name,
        spec.version.value if choice == "version" else None,
        spec.version_label if choice == "version_label" else None,
    )


def _filtered(wanted, outputs):
    unknown = [name for name in wanted if name not in outputs]
    if unknown:
        raise invalid(f"output_filter may name {', '.join(outputs)}. Received: {unknown[0][:100]!r}")
    return wanted or list(outputs)
