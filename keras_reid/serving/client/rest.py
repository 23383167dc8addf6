"""REST transport: JSON over HTTP/1.1 with persistent connections."""

import base64
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import urllib3

from keras_reid.serving.client.failures import Refused, ServingError, Unavailable

_REPEATABLE = (429, 502, 503)  # too many requests; the proxy cannot reach the server; not ready or full


class RestTransport:
    """Sends requests to one model over TensorFlow Serving's REST interface; safe to use from several threads.

    Args:
        url: `http://HOST:PORT` or `https://HOST:PORT`, with a path if a proxy adds one.
        model: name of the model.
        version, label: which version; None: the newest.
        connections: number of connections to keep open.
        timeout: seconds for a request.
        headers: dict to send with each request.
        ca: PEM file of certificate authorities to trust instead of the system's.
    """

    def __init__(
        self,
        url: str,
        model: str,
        version: int | None,
        label: str | None,
        connections: int,
        timeout: float,
        headers: Mapping[str, str],
        ca: str | os.PathLike[str] | None,
    ) -> None:
        self.url, self.model = url.rstrip("/"), f"/v1/models/{model}"
        self.choice = f"/versions/{version}" if version is not None else f"/labels/{label}" if label else ""
        self.timeout = timeout
        trusted: dict[str, Any] = {"ca_certs": str(ca)} if ca else {}
        self.pool = urllib3.PoolManager(
            maxsize=connections,
            block=True,
            retries=False,
            headers={"Content-Type": "application/json", **headers},
            **trusted,
        )

    def predict(
        self, signature: str, inputs: Mapping[str, np.ndarray | Sequence[bytes]], output: str
    ) -> np.ndarray:
        """The named output of a signature: an array of float32, or an object array of bytes.

        Pixels are sent as decimal numbers, about four bytes each, because JSON has no better form.
        """
        columns = {name: _to_json(value) for name, value in inputs.items()}
        body = json.dumps({"signature_name": signature, "inputs": columns}, separators=(",", ":"))
        answer = self._ask("POST", f"{self.model}{self.choice}:predict", body)
        try:
            value = answer["outputs"]
            value = value[output] if isinstance(value, dict) else value
            if isinstance(value, str) or (value and isinstance(value[0], str)):
                return np.array(value, object)
            return np.array(value, np.float32)
        except (KeyError, TypeError, ValueError) as error:
            raise ServingError(f"{self.url}: the answer has no array {output!r}: {error}") from None

    def status(self) -> list[dict[str, Any]]:
        """The versions that the server knows: dicts of `version`, `state` and `error`."""
        answer = self._ask("GET", f"{self.model}{self.choice}")
        return [
            {
                "version": int(entry["version"]),
                "state": entry["state"],
                "error": entry.get("status", {}).get("error_message", ""),
            }
            for entry in answer.get("model_version_status", ())
        ]

    def close(self) -> None:
        self.pool.clear()

    def _ask(self, method, path, body=None):
        timeout = urllib3.Timeout(total=self.timeout)
        try:
            answer = self.pool.request(method, self.url + path, body=body, timeout=timeout)
        except urllib3.exceptions.ReadTimeoutError:
            raise ServingError(f"{self.url} gave no answer within {self.timeout:g} s") from None
        except urllib3.exceptions.SSLError as error:
            raise ServingError(f"{self.url}: cannot make a secure connection: {error}") from None
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable(f"{self.url} cannot be reached: {error}") from None
        try:
            content = json.loads(answer.data)
        except ValueError:
            content = {}
        if answer.status == 200 and isinstance(content, dict) and content:
            return content
        text = content.get("error") if isinstance(content, dict) else None
        message = f"{self.url}{path}: {answer.status} {answer.reason}: {text or answer.data[:200]!r}"
        if answer.status in _REPEATABLE:
            raise Unavailable(message, _seconds(answer.headers.get("Retry-After")))
        raise (Refused if answer.status in (400, 422) else ServingError)(message)


def _to_json(value):
    if isinstance(value, np.ndarray):
        return value.tolist()
    return [{"b64": base64.b64encode(item).decode("ascii")} for item in value]


def _seconds(text):
    """The seconds in `Retry-After`; None if it is missing or a date."""
    return float(text) if text and text.isdigit() else None
