"""Answers about models as TensorFlow Serving messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from google.protobuf import json_format
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2

if TYPE_CHECKING:
    from keras_reid.serving.server.repository import VersionState
    from keras_reid.serving.server.served_version import ServedVersion

_OK, _INTERNAL = 0, 13


def status(states: Mapping[int, VersionState]) -> Any:
    """The `GetModelStatusResponse` for `{version: VersionState}`."""
    answer = get_model_status_pb2.GetModelStatusResponse()
    for number, state in states.items():
        entry = answer.model_version_status.add(version=number, state=state.state)
        entry.status.error_code = _OK if state.code == "OK" else _INTERNAL
        entry.status.error_message = state.message
    return answer


def metadata(version: ServedVersion, any_packed: bool = True) -> Any:
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
