"""TensorFlow Serving's gRPC interface."""

import functools
import logging

import grpc
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
)

from serving.server import messages, proto_tensors
from serving.server.admission import within
from serving.server.errors import ServingError, invalid

_LOG = logging.getLogger(__name__)
_SIGNATURES = "signature_def"
_SERVING, _NOT_SERVING = b"\x08\x01", b"\x08\x02"  # grpc.health.v1.HealthCheckResponse, its status only


def _answers(kind):
    """Makes a gRPC method of one that takes a message of this kind and raises `ServingError`.

    The bytes are parsed here, so that what is no such message gets a status of its own. Requests are counted and
    limited in time.
    """

    def decorate(method):
        @functools.wraps(method)
        async def call(self, contents, context):
            try:
                with self.admission.admit("grpc", method.__name__) as request:
                    left = context.time_remaining()
                    seconds = self.limits.timeout_seconds
                    async with within(seconds if left is None else max(0.0, min(seconds, left))):
                        return await method(self, _parsed(kind, contents), request)
            except ServingError as error:
                refusal = error
            except Exception:
                _LOG.exception("%s failed", method.__name__)
                refusal = ServingError("INTERNAL", "the server failed; its log says more")
            await context.abort(grpc.StatusCode[refusal.code], refusal.message)

        return call

    return decorate


def _parsed(kind, contents):
    try:
        return kind.FromString(contents)
    except DecodeError:
        raise invalid(
            f"the message must be a {kind.DESCRIPTOR.full_name}. Received: {len(contents)} bytes that are none"
        ) from None


def _refuses(text):
    async def call(self, contents, context):
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, text)

    return call


class PredictionService:
    """`Predict` and `GetModelMetadata`.

    Args:
        repository, admission: of the server.
        limits: `Limits`.
    """

    def __init__(self, repository, admission, limits):
        self.repository, self.admission, self.limits = repository, admission, limits

    @_answers(predict_pb2.PredictRequest)
    async def Predict(self, message, request):
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
    async def GetModelMetadata(self, message, request):
        if list(message.metadata_field) != [_SIGNATURES]:
            received = ", ".join(message.metadata_field)[:200] or "nothing"
            raise invalid(f"metadata_field must be {_SIGNATURES}. Received: {received}")
        with self.repository.use(request, *_model(message.model_spec)) as version:
            return messages.metadata(version)

    Classify = _refuses("Classify is not implemented here; use Predict")
    Regress = _refuses("Regress is not implemented here; use Predict")
    MultiInference = _refuses("MultiInference is not implemented here; use Predict")


class ModelService:
    """`GetModelStatus`. Arguments as for `PredictionService`."""

    def __init__(self, repository, admission, limits):
        self.repository, self.admission, self.limits = repository, admission, limits

    @_answers(get_model_status_pb2.GetModelStatusRequest)
    async def GetModelStatus(self, message, request):
        model = _model(message.model_spec)
        answer = messages.status(self.repository.states(*model))
        request.model = model[0]
        return answer

    # Over a network without authentication it would let anyone load any folder.
    HandleReloadConfigRequest = _refuses(
        "edit the file of --model-config-file; it is read again when it changes"
    )


def add_services(server, repository, admission, limits, ready):
    """Adds both services, and the standard health check for whoever watches the port."""
    services = {
        "PredictionService": PredictionService(repository, admission, limits),
        "ModelService": ModelService(repository, admission, limits),
    }
    handlers = [
        grpc.method_handlers_generic_handler(f"tensorflow.serving.{name}", _methods(service))
        for name, service in services.items()
    ]

    async def check(_, context):
        return _SERVING if ready() else _NOT_SERVING

    health = {"Check": grpc.unary_unary_rpc_method_handler(check)}
    handlers.append(grpc.method_handlers_generic_handler("grpc.health.v1.Health", health))
    server.add_generic_rpc_handlers(handlers)


def _methods(service):
    """The handlers of a service: bytes in, messages out. Its methods have names with a capital, as in the protocol."""
    return {
        name: grpc.unary_unary_rpc_method_handler(
            getattr(service, name), response_serializer=lambda answer: answer.SerializeToString()
        )
        for name in dir(service)
        if name[0].isupper()
    }


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
