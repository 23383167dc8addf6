"""One version of a model while it is served."""

import asyncio
import contextlib
import dataclasses
import os

from serving.server.batcher import Batcher
from serving.server.batching_config import BatchingParameters
from serving.server.errors import ServingError
from serving.server.tensors import row_count

_FEW = 8  # images a call: more would keep the others waiting for the slowest
_DECODING = BatchingParameters(
    max_batch_size=_FEW,
    batch_timeout_micros=0,
    max_enqueued_batches=1 << 20,  # the number of requests is limited elsewhere
    num_batch_threads=os.cpu_count() or 1,
    allowed_batch_sizes=tuple(range(1, _FEW + 1)),  # nothing is filled up
)


@dataclasses.dataclass(frozen=True)
class Runtime:
    """What all versions share.

    Args:
        parameters: `BatchingParameters`.
        batches: executor for batches, with as many threads as may run at a time.
        workers: executor for decoding and for signatures without batching.
        admission: `Admission`.
        metrics: `Metrics`.
    """

    parameters: object
    batches: object
    workers: object
    admission: object
    metrics: object


class ServedVersion:
    """Runs requests on one version, and knows when the last of them has ended.

    Args:
        name, number: the model and its version.
        model: `LoadedModel`.
        runtime: `Runtime`.
    """

    def __init__(self, name, number, model, runtime):
        self.name, self.number, self.model, self._runtime = name, number, model, runtime
        self._users, self._idle = 0, asyncio.Event()
        self._idle.set()
        # Requests that arrive together are decoded by one call, for a call costs more than a small image; if it
        # fails each is decoded by itself, so that only the faulty one fails.
        self._decoders = {
            route.decode.signature.name: Batcher(
                route.decode.signature, _DECODING, runtime.workers, lambda: False, lambda _: None
            )
            for route in model.routes.values()
            if route.decode
        }
        observe = runtime.metrics.batch_rows.labels(name).observe
        self._batchers = {
            route.merged.name: Batcher(
                route.merged,
                runtime.parameters,
                runtime.batches,
                lambda: runtime.admission.arriving > 0,
                observe,
            )
            for route in model.routes.values()
            if route.merged
        }

    @contextlib.contextmanager
    def use(self):
        """Within the block the version is not unloaded."""
        self._users += 1
        self._idle.clear()
        try:
            yield self
        finally:
            self._users -= 1
            if not self._users:
                self._idle.set()

    async def unused(self):
        """Returns once no request uses it."""
        await self._idle.wait()

    def unload(self):
        """Lets go of the variables. Only for a version that no request uses."""
        self.model, self._batchers, self._decoders = None, {}, {}

    @property
    def waiting_rows(self):
        return sum(batcher.waiting_rows for batcher in self._batchers.values())

    async def predict(self, request, route, inputs):
        """The outputs of a signature for checked inputs: decoded first, so that batches hold only good rows."""
        loop = asyncio.get_running_loop()
        if route.decode:
            try:
                decoder = self._decoders[route.decode.signature.name]
                inputs = await decoder.submit(inputs, row_count(inputs))
            except ServingError as error:
                raise await loop.run_in_executor(
                    self._runtime.workers, route.decode.named, inputs, error
                ) from None
        if route.merged:
            rows = row_count(inputs)
            request.arrived()
            outputs = await self._batchers[route.merged.name].submit(inputs, rows)
            self._runtime.metrics.rows.labels(self.name).inc(rows)
            return outputs
        request.arrived()
        return await loop.run_in_executor(self._runtime.workers, route, inputs)
