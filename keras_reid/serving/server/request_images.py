"""Checks the headers of a request's images, then decodes them without holding up other requests."""

import os

import numpy as np

from keras_reid.data.image_limits import MOST_SCANS, extent
from keras_reid.serving.server.batcher import Batcher
from keras_reid.serving.server.batching_config import BatchingParameters
from keras_reid.serving.server.serving_error import ServingError, invalid
from keras_reid.serving.server.tensors import row_count

_FEW = 8  # images per call; with more, too many would wait for the slowest
_TOGETHER = BatchingParameters(
    max_batch_size=_FEW,
    batch_timeout_micros=0,
    max_enqueued_batches=1 << 20,  # the number of requests is limited elsewhere
    num_batch_threads=os.cpu_count() or 1,
    allowed_batch_sizes=tuple(range(1, _FEW + 1)),  # no padding
)
_LIGHT = 4e6  # pixels; requests up to this size, about 60 ms, may share a call


class Decoder:
    """Decodes the rows of requests with one signature of one version.

    Light requests that arrive together are decoded in one call, because a call costs more than a small image. If the
    call fails, each request is decoded separately, so that only the faulty one fails. The images of a heavy request are
    decoded one by one in separate threads (`Turns`). So light requests continue, a heavy one never has more than one
    decoded image in memory, and when it runs out of time, only the current image is still finished.

    Args:
        decode: `Decoding`.
        runtime: `Runtime`.
    """

    def __init__(self, decode, runtime):
        self._decode, self._runtime = decode, runtime
        self._light = Batcher(decode.signature, _TOGETHER, runtime.workers, lambda: False, lambda _: None)

    async def __call__(self, inputs):
        (name, rows), *_ = inputs.items()
        work = self._checked_work(name, rows)
        if work > _LIGHT:
            return await self._one_by_one(name, rows, work)
        try:
            return await self._light.submit(inputs, row_count(inputs))
        except ServingError as error:
            named, workers = self._decode.named, self._runtime.workers
            raise await self._runtime.in_thread(workers, named, inputs, error) from None

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
