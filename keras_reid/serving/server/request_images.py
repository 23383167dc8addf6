"""Checks the headers of a request's images, then decodes them without holding up other requests."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_reid.data.image_limits import MOST_SCANS, extent
from keras_reid.serving.server.batcher import Batcher
from keras_reid.serving.server.batching_config import BatchingParameters
from keras_reid.serving.server.serving_error import ServingError, invalid
from keras_reid.serving.server.tensors import row_count

if TYPE_CHECKING:
    from keras_reid.serving.server.loaded_model import Decoding
    from keras_reid.serving.server.served_version import Runtime

_FEW = 8  # images per call; with more, too many would wait for the slowest
_TOGETHER = BatchingParameters(
    max_batch_size=_FEW,
    batch_timeout_micros=0,
    max_enqueued_batches=1 << 20,  # the number of requests is limited elsewhere
    num_batch_threads=os.cpu_count() or 1,
    allowed_batch_sizes=tuple(range(1, _FEW + 1)),  # no padding
)
_LIGHT = 4e6  # pixels; requests up to this size, about 60 ms, may share a call
_SMALL = 1e5  # pixels; images up to this size, about 1.5 ms, are decoded together with their batch


class Decoder:
    """Decodes the rows of requests with one signature of one version.

    Small images are decoded by the thread that runs their batch, in one call, because a call costs as much as several
    of them. Other light requests that arrive together share a call, too. If a call fails, it is repeated in parts, so
    that only the faulty request fails. The images of a heavy request are decoded one by one in separate threads
    (`Turns`). So light requests continue, a heavy one never has more than one decoded image in memory, and when it runs
    out of time, only the current image is still finished.

    Args:
        decode: `Decoding`.
        runtime: `Runtime`.
    """

    def __init__(self, decode: Decoding, runtime: Runtime) -> None:
        self._decode, self._runtime = decode, runtime
        self._light = Batcher(decode.signature, _TOGETHER, runtime.workers, lambda: False, lambda _: None)

    async def __call__(self, inputs: dict[str, np.ndarray], with_batch: bool) -> dict[str, np.ndarray]:
        """Checks a request, and decodes it unless its batch will.

        Args:
            inputs: files, as `{name: strings}`.
            with_batch: whether the request goes to a batch that calls `decode_all`.
        """
        (name, rows), *_ = inputs.items()
        work = self._checked_work(name, rows)
        if with_batch and work <= _SMALL * len(rows) and len(rows) <= self._runtime.parameters.max_batch_size:
            return inputs
        if work > _LIGHT:
            return await self._one_by_one(name, rows, work)
        try:
            return await self._light.submit(inputs, row_count(inputs))
        except ServingError as error:
            named, workers = self._decode.named, self._runtime.workers
            raise await self._runtime.in_thread(workers, named, inputs, error) from None

    def decode_all(
        self, requests: Sequence[dict[str, np.ndarray]]
    ) -> list[dict[str, np.ndarray] | ServingError]:
        """Decodes those requests of a batch that are still files; called in a thread.

        Args:
            requests: list of inputs.

        Returns:
            list of inputs, or of a `ServingError` in place of a request with an image that cannot be decoded.
        """
        images = iter(self._decoded([request for request in requests if _are_files(request)]))
        return [next(images) if _are_files(request) else request for request in requests]

    def _decoded(self, requests):
        """Decodes requests in one call; if it fails, in halves, so that a faulty one costs the others little."""
        if not requests:
            return []
        try:
            if len(requests) == 1:
                return [self._decode(requests[0])]
            (name,) = requests[0]
            outputs = self._decode.signature({name: np.concatenate([request[name] for request in requests])})
        except ServingError as error:
            if len(requests) == 1 or error.code != "INVALID_ARGUMENT":
                return [error] * len(requests)
            half = len(requests) // 2
            return self._decoded(requests[:half]) + self._decoded(requests[half:])
        ends = np.cumsum([len(request[name]) for request in requests])[:-1]
        pieces = {key: np.split(array, ends) for key, array in outputs.items()}
        return [{key: piece[index] for key, piece in pieces.items()} for index in range(len(requests))]

    async def _one_by_one(self, name, rows, work):
        outputs = []
        for index in range(len(rows)):
            row = {name: rows[index : index + 1]}
            try:
                outputs.append(await self._runtime.turns.run(work, self._decode.signature, row))
            except ServingError as error:
                raise self._decode.at(name, index, error) from None
        return {key: np.concatenate([output[key] for output in outputs]) for key in outputs[0]}

    def _checked_work(self, name, rows):
        """The total work of all rows; rejects a request that would cost too much. Decodes nothing."""
        most, pixels, work = self._runtime.max_request_pixels, 0, 0.0
        for index, contents in enumerate(rows):
            found = extent(contents)
            if found.scans > MOST_SCANS:
                raise invalid(
                    f"{name}[{index}] must be a JPEG with at most {MOST_SCANS} scans. Received: more, which no camera "
                    "or editor writes. Save the image again"
                )
            if found.pixels > most:
                raise invalid(
                    f"{name}[{index}] must have at most {most / 1e6:g} megapixels. Received: {found.width} x "
                    f"{found.height} pixels. Send a smaller image"
                )
            pixels, work = pixels + found.pixels, work + found.work
        if pixels > most:
            raise invalid(
                f"the images of a request may have at most {most / 1e6:g} megapixels together. Received: "
                f"{pixels / 1e6:.1f} in {len(rows)} images. Send several requests, or start the server with a higher "
                "--max-request-megapixels"
            )
        return work


def _are_files(inputs):
    return any(array.dtype == object for array in inputs.values())
