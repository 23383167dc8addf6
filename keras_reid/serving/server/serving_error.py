"""Errors of a request, with one status code for both protocols."""

from __future__ import annotations

import re

# https://www.tensorflow.org/tfx/serving/api_rest: the server maps its status codes to HTTP like this.
_HTTP = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "INTERNAL": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
_LONGEST = 1000  # characters of a message: gRPC sends it in a header
_ASSERTION = re.compile(r"^assertion failed: \[(.*)\]$", re.DOTALL)
_NODE = re.compile(r"\s*\[\[\{\{node .*|\s*\[Op:.*", re.DOTALL)
_TRACE = re.compile(r".*<stack traces unavailable>\s*|.*\}\} ", re.DOTALL)  # precedes the operation's message


class ServingError(Exception):
    """A request is rejected; the message gives the rule, what was received and the remedy.

    Args:
        code: name of a gRPC status code, such as `"INVALID_ARGUMENT"`.
        message: message for the client.
        http_status: HTTP status, if HTTP has a more specific one, such as 413.
    """

    def __init__(self, code: str, message: str, http_status: int | None = None) -> None:
        message = message if len(message) <= _LONGEST else message[:_LONGEST] + " …"
        super().__init__(message)
        self.code, self.message = code, message
        self.http_status = http_status or _HTTP.get(code, 500)


def invalid(message: str) -> ServingError:
    """The error for a request that can never be served."""
    return ServingError("INVALID_ARGUMENT", message)


def from_tensorflow(error: BaseException) -> ServingError:
    """Converts an error of a TensorFlow call to a `ServingError`, without the names of graph nodes."""
    import grpc
    import tensorflow as tf

    if not isinstance(error, tf.errors.OpError):
        return ServingError("INTERNAL", "the model failed; see the server's log")
    code = next((code.name for code in grpc.StatusCode if code.value[0] == error.error_code), "INTERNAL")
    text = _TRACE.sub("", _NODE.sub("", error.message or "")).strip()
    match = _ASSERTION.match(text)
    return ServingError(code, (match.group(1) if match else text) or "the model rejected the request")
