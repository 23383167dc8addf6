"""Answers about models as TensorFlow Serving messages."""

from google.protobuf import json_format
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2

_OK, _INTERNAL = 0, 13


def status(states):
    """The `GetModelStatusResponse` for `{version: VersionState}`."""
    answer = get_model_status_pb2.GetModelStatusResponse()
    for number, state in states.items():
        entry = answer.model_version_status.add(version=number, state=state.state)
        entry.status.error_code = _OK if state.code == "OK" else _INTERNAL
        entry.status.error_message = state.message
    return answer


def metadata(version, any_packed=True):
    """The signatures of a `ServedVersion` as a `GetModelMetadataResponse`, or as a dictionary for JSON.

    The message packs them into an `Any`; JSON contains them directly.
    """
    signatures = get_model_metadata_pb2.SignatureDefMap()
    for name, definition in version.model.signature_defs.items():
        signatures.signature_def[name].CopyFrom(definition)
    if any_packed:
        answer = get_model_metadata_pb2.GetModelMetadataResponse()
        answer.model_spec.name = version.name
        answer.model_spec.version.value = version.number
        answer.metadata["signature_def"].Pack(signatures)
        return answer
    options = {"preserving_proto_field_name": True, "always_print_fields_with_no_presence": True}
    return {
        "model_spec": {"name": version.name, "signature_name": "", "version": str(version.number)},
        "metadata": {"signature_def": json_format.MessageToDict(signatures, **options)},
    }
