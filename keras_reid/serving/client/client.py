"""The client, from files or arrays to embeddings."""

import concurrent.futures
import json
import os
import pathlib
import re
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

import numpy as np

from keras_reid.serving.client.failures import Refused, ServingError, with_retries
from keras_reid.utils.errors import UserError

_HEADER = re.compile(r"[A-Za-z0-9_.-]+")


class Client:
    """Embeddings from a model that TensorFlow Serving or `keras-reid serve` serves.

    Args:
        url: `http://HOST:PORT` or `https://HOST:PORT` for REST, `grpc://HOST:PORT` or `grpcs://HOST:PORT` for gRPC
            (with TLS). TensorFlow Serving's ports are 8501 for REST and 8500 for gRPC.
        model: name of the model on the server.
        version: version number; None: the newest version.
        label: version label, such as `"stable"`, instead of a number.
        batch_size: images in a request. The server's largest batch size is a good value.
        in_flight: number of requests at the same time, so that the server need not wait for the next one.
        timeout: seconds for one request.
        retries: how often to repeat a request if the server cannot be reached, is starting or is full.
        headers: dict sent with each request, such as `{"Authorization": "Bearer …"}`; with gRPC, as metadata.
        ca: PEM file of certificate authorities to trust instead of the system's.

    Several threads may use a client. As a context manager it closes its connections.

    Raises:
        UserError: an argument is wrong, or (`ServingError`) the server cannot be reached or rejects a request.

    Example:
        >>> with Client("http://localhost:8501", model="reid") as client:  # doctest: +SKIP
        ...     client.embed(["query.jpg", "gallery/0001.jpg"]).shape
        (2, 512)
    """

    def __init__(
        self,
        url: str,
        model: str = "reid",
        *,
        version: int | None = None,
        label: str | None = None,
        batch_size: int = 32,
        in_flight: int = 4,
        timeout: float = 30.0,
        retries: int = 4,
        headers: Mapping[str, str] | None = None,
        ca: str | os.PathLike[str] | None = None,
    ) -> None:
        for name, value, least in (
            ("batch_size", batch_size, 1),
            ("in_flight", in_flight, 1),
            ("retries", retries, 0),
        ):
            if value < least:
                raise UserError(f"{name} must be at least {least}. Received: {value}")
        if not timeout > 0:
            raise UserError(f"timeout must be above 0 seconds. Received: {timeout}")
        if version is not None and label:
            raise UserError(f"give a version or a label, not both. Received: {version} and {label!r}")
        if ca and not pathlib.Path(ca).is_file():
            raise UserError(f"{ca}: there is no such file of certificate authorities")
        for name, value in (headers or {}).items():
            printable = isinstance(value, str) and value.isascii() and value.isprintable()
            if not _HEADER.fullmatch(name) or not printable:
                raise UserError(
                    "a header must be a name of letters, digits, '-', '_' and '.', and a value of printable ASCII. "
                    f"Received: {name!r}"
                )
        self.url, self.batch_size, self.in_flight, self.retries = url, batch_size, in_flight, retries
        self._transport = _transport(url, model, version, label, in_flight, timeout, dict(headers or {}), ca)

    def embed(
        self,
        images: np.ndarray | Iterable[str | bytes | pathlib.Path],
        advance: Callable[[int], object] = lambda n: None,
    ) -> np.ndarray:
        """Embeddings of images, float32 `(n, dim)` of unit length, in the order of the images.

        A request that the server rejects is repeated image by image. So the error names the faulty image, and a good
        image still gets its embedding if the server merged it with a faulty image of another client.

        Args:
            images: a uint8 array `(n, height, width, 3)`, RGB, in the model's size; or a sequence of paths or file
                contents (bytes), JPEG, PNG or BMP of any size. Files are read batch by batch.
            advance: called with the number of images after each batch.

        Raises:
            UserError: an image is rejected or unreadable; the error names its file or row.
        """
        source = _Pixels(images) if isinstance(images, np.ndarray) else _Encoded(images)
        if not len(source):
            return np.zeros((0, self.metadata()["embedding_dim"]), np.float32)
        starts = range(0, len(source), self.batch_size)
        parts = []
        with concurrent.futures.ThreadPoolExecutor(self.in_flight) as pool:
            futures = [pool.submit(self._embed, source, start, self.batch_size) for start in starts]
            try:
                for future in futures:
                    parts.append(future.result())
                    advance(len(parts[-1]))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return np.concatenate(parts)

    def metadata(self) -> dict[str, Any]:
        """The model's metadata: `embedding_dim`, `image_size`, `threshold`, and `calibration` if it has one."""
        return json.loads(self._ask("metadata", {"rows": np.zeros(1, np.uint8)}, "metadata").item())

    def threshold(self) -> float | None:
        """The distance below which two images count as the same identity; None if not calibrated."""
        return self.metadata().get("threshold")

    def status(self) -> list[dict[str, Any]]:
        """The versions on the server: dicts of `version`, `state` (`"AVAILABLE"` if it can be used) and `error`."""
        return with_retries(self._transport.status, self.retries)

    def check_available(self) -> None:
        """Raises a `ServingError` that lists the server's versions, unless one is available."""
        versions = self.status()
        if not any(entry["state"] == "AVAILABLE" for entry in versions):
            known = "; ".join(
                f"{entry['version']} is {entry['state']} {entry['error']}" for entry in versions
            )
            raise ServingError(f"{self.url}: no version of the model is available. {known or 'It has none.'}")

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, signature, inputs, output):
        return with_retries(lambda: self._transport.predict(signature, inputs, output), self.retries)

    def _embed(self, source, start, count):
        """Embeddings of `count` images from `start`, or fewer at the end."""
        rows = range(start, min(start + count, len(source)))
        content = source.read(rows)
        try:
            embeddings = self._ask(source.signature, {source.input: content}, "embedding")
        except Refused as error:
            if len(rows) == 1:
                raise Refused(f"{source.name(start)}: {error}") from None
            return np.concatenate([self._embed(source, row, 1) for row in rows])
        except ServingError as error:
            raise type(error)(f"{source.name(rows[0])} to {source.name(rows[-1])}: {error}") from None
        if embeddings.ndim != 2 or len(embeddings) != len(rows):
            raise ServingError(
                f"{self.url}: {len(rows)} images returned embeddings of shape {embeddings.shape}"
            )
        return embeddings


class _Pixels:
    """Images given as one array."""

    signature, input = "pixels", "images"

    def __init__(self, images):
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3:
            raise UserError(
                "an array of images must be uint8 of shape (n, height, width, 3). "
                f"Received: {images.dtype} of shape {images.shape}"
            )
        self.images = images

    def __len__(self):
        return len(self.images)

    def name(self, row):
        return f"images[{row}]"

    def read(self, rows):
        return self.images[rows.start : rows.stop]


class _Encoded:
    """Images given as files: paths or contents."""

    signature, input = "serving_default", "image_bytes"

    def __init__(self, images):
        if isinstance(images, str | bytes | pathlib.Path):
            raise UserError("give a list of images, even for a single one")
        self.images = list(images)
        for row, image in enumerate(self.images):
            if not isinstance(image, str | bytes | pathlib.Path):
                kind = type(image).__name__
                raise UserError(f"images[{row}] must be a path or bytes. Received: {kind}")

    def __len__(self):
        return len(self.images)

    def name(self, row):
        image = self.images[row]
        return f"images[{row}]" if isinstance(image, bytes) else str(image)

    def read(self, rows):
        return [self._content(self.images[row]) for row in rows]

    def _content(self, image):
        if isinstance(image, bytes):
            return image
        try:
            return pathlib.Path(image).read_bytes()
        except OSError as error:
            raise UserError(f"{image}: {error.strerror}") from None


def _transport(url, model, version, label, in_flight, timeout, headers, ca):
    """Chooses REST or gRPC by the scheme of the address, and imports only that one."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https", "grpc", "grpcs") or not parts.hostname:
        raise UserError(
            "the address must be http://HOST:PORT, https://HOST:PORT, grpc://HOST:PORT or grpcs://HOST:PORT. "
            f"Received: {url}"
        )
    if parts.scheme.startswith("http"):
        from keras_reid.serving.client.rest import RestTransport

        return RestTransport(url, model, version, label, in_flight, timeout, headers, ca)
    from keras_reid.serving.client.rpc import GrpcTransport

    return GrpcTransport(parts.netloc, parts.scheme == "grpcs", model, version, label, timeout, headers, ca)
