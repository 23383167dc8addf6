"""Embeddings by TensorFlow Serving (or `keras-reid serve`), of one version of one model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from keras_reid.embedding.image_inputs import UnreadableImage
from keras_reid.embedding.vectors import l2_normalize
from keras_reid.evaluation import Calibration
from keras_reid.evaluation.calibration.calibration import KEY
from keras_reid.gallery.model_identity import ModelIdentity
from keras_reid.gallery.service.service_error import ServiceError
from keras_reid.serving.client import Client
from keras_reid.serving.client.failures import Refused, ServingError
from keras_reid.utils.errors import UserError

_ADDRESS = re.compile(
    r"(?P<base>https?://[^?#]+?)/v1/models/(?P<model>[^/:?#]+)(?:/versions/(?P<version>\d{1,18}))?/?"
)
_REASON = re.compile(
    r".*?: 4\d\d [A-Za-z ]+: ", re.DOTALL
)  # the server's address, which is no stranger's business
_RETRIES, _TIMEOUT = 1, 20.0  # of a request; somebody waits for it


class ServedModel:
    """Images in, embeddings out, by a model server.

    One version is pinned, so that a new one that the server loads is not used before the service is started again with
    it. Where the server has another model under the same number, as after a restart, its embeddings are refused: the
    fingerprint in its signature `metadata` is read again after each request.

    Args:
        address: `http://HOST:PORT/v1/models/NAME`, or with `/versions/N`; by default the newest version that is there.

    Attributes:
        version: the pinned one.
        identity: what a store knows of the model.
        calibration: of the model, or None.
        image_size: (height, width) of the model.

    Raises:
        UserError: the address is wrong, the server does not answer or has no such version, or the model was exported
            without its fingerprint.

    Example:
        >>> ServedModel("http://localhost:8501/v1/models/reid").version  # doctest: +SKIP
        3
    """

    def __init__(self, address: str) -> None:
        self.address = address
        match = _ADDRESS.fullmatch(address)
        if match is None or "@" in match["base"]:
            raise UserError(
                "--embed must be http://HOST:PORT/v1/models/NAME, or that with /versions/N. Received: "
                f"{re.sub('//[^/]*@', '//…@', address)}"
            )
        self.version = (
            int(match["version"]) if match["version"] else _newest(match["base"], match["model"], address)
        )
        self._client = _client(match["base"], match["model"], self.version)
        metadata = self._client.metadata()
        self._fingerprint = _fingerprint(metadata, address)
        self.image_size: tuple[int, int] = tuple(metadata["image_size"])
        self.calibration = Calibration.from_metadata(metadata) if metadata.get(KEY) else None
        if self.calibration is not None and self.calibration.flip:
            self.calibration = (
                None  # of embeddings averaged with those of mirrored images, which are not made there
            )
        self.identity = ModelIdentity(
            f"{match['model']} {self.version}",
            self._fingerprint,
            metadata["embedding_dim"],
            calibration=metadata.get(KEY) if self.calibration is not None else None,
        )

    def __call__(self, contents: Sequence[bytes]) -> NDArray[np.float32]:
        """The embeddings of image files, `(n, dim)` float32 of unit length.

        Raises:
            UnreadableImage: the server refuses an image.
            ServiceError: 503 if the server does not answer, or has another model now.
        """
        try:
            embeddings = self._client.embed(list(contents))
            now = _fingerprint(self._client.metadata(), self.address)
        except Refused as error:
            raise UnreadableImage(_REASON.sub("", str(error)) or "it is damaged") from None
        except ServingError:
            raise ServiceError(
                503, "the model server does not answer at the moment: try again later", 5
            ) from None
        if now != self._fingerprint:
            raise ServiceError(
                503,
                f"the model server has another model under version {self.version} ({now[:8]}) than the one this "
                f"service was started with ({self._fingerprint[:8]}): their embeddings cannot be compared",
            )
        return l2_normalize(embeddings)

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _client(base, model, version):
    return Client(base, model, version=version, retries=_RETRIES, timeout=_TIMEOUT)


def _newest(base, model, address):
    with _client(base, model, None) as client:
        versions = [one["version"] for one in client.status() if one["state"] == "AVAILABLE"]
    if not versions:
        raise UserError(f"{address}: the server has no version that is available")
    return max(versions)


def _fingerprint(metadata: dict[str, Any], address: str) -> str:
    """Of the model; another one for each precision, as embeddings differ."""
    if not metadata.get("fingerprint"):
        raise UserError(
            f"{address}: the model's metadata has no fingerprint, so nobody knows whose embeddings these are. "
            "Export it again with `keras-reid export`"
        )
    precision = metadata.get("precision", "float32")
    return metadata["fingerprint"] + ("" if precision == "float32" else f" {precision}")
