"""A version of a model that is being served."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any

from keras_reid.serving.server.batcher import Batcher
from keras_reid.serving.server.request_images import Decoder
from keras_reid.serving.server.tensors import row_count

if TYPE_CHECKING:
    import numpy as np

    from keras_reid.serving.server.admission import Admission, Request
    from keras_reid.serving.server.batching_config import BatchingParameters
    from keras_reid.serving.server.loaded_model import LoadedModel, Route
    from keras_reid.serving.server.metrics import Metrics
    from keras_reid.serving.server.turns import Turns


@dataclasses.dataclass(frozen=True)
class Runtime:
    """Objects that all versions share.

    Args:
        parameters: `BatchingParameters`.
        batches: executor for batches; its number of threads limits how many run at the same time.
        workers: executor for decoding and for signatures without batching.
        turns: `Turns`, for decoding heavy requests.
        max_request_pixels: largest total number of pixels in a request.
        admission: `Admission`.
        metrics: `Metrics`.
    """

    parameters: BatchingParameters
    batches: Executor
    workers: Executor
    turns: Turns
    max_request_pixels: float
    admission: Admission
    metrics: Metrics

    @staticmethod
    def in_thread(executor: Executor, function: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        """Runs the function in a thread of the executor; await the result."""
        return asyncio.get_running_loop().run_in_executor(executor, function, *arguments)


class ServedVersion:
    """Runs requests on one version, and knows when the last one has ended.

    Args:
        name, number: name of the model and number of the version.
        model: `LoadedModel`.
        runtime: `Runtime`.
    """

    def __init__(self, name: str, number: int, model: LoadedModel, runtime: Runtime) -> None:
        self.name, self.number, self.model, self._runtime = name, number, model, runtime
        self._users, self._idle = 0, asyncio.Event()
        self._idle.set()
        self._decoders = {
            route.decode.signature.name: Decoder(route.decode, runtime)
            for route in model.routes.values()
            if route.decode
        }
        decoders = {
            route.merged.name: self._decoders[route.decode.signature.name]
            for route in model.routes.values()
            if route.decode and route.merged
        }
        observe = runtime.metrics.batch_rows.labels(name).observe
        self._batchers = {
            key: Batcher(
                merged,
                runtime.parameters,
                runtime.batches,
                lambda: runtime.admission.arriving > 0,
                observe,
                decoders[key].decode_all if key in decoders else list,
            )
            for key, merged in {
                route.merged.name: route.merged for route in model.routes.values() if route.merged
            }.items()
        }

    @contextlib.contextmanager
    def use(self) -> Iterator[ServedVersion]:
        """Keeps the version from being unloaded inside the block."""
        self._users += 1
        self._idle.clear()
        try:
            yield self
        finally:
            self._users -= 1
            if not self._users:
                self._idle.set()

    async def unused(self) -> None:
        """Waits until no request uses the version."""
        await self._idle.wait()

    def unload(self) -> None:
        """Releases the variables; call it only if no request uses the version."""
        self.model, self._batchers, self._decoders = None, {}, {}  # type: ignore[assignment]

    @property
    def waiting_rows(self) -> int:
        return sum(batcher.waiting_rows for batcher in self._batchers.values())

    async def predict(
        self, request: Request, route: Route, inputs: dict[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """The outputs for checked inputs."""
        if route.decode:
            inputs = await self._decoders[route.decode.signature.name](inputs, bool(route.merged))
        request.arrived()
        if route.merged:
            rows = row_count(inputs)
            outputs = await self._batchers[route.merged.name].submit(inputs, rows)
            self._runtime.metrics.rows.labels(self.name).inc(rows)
            return outputs
        if route.decode:
            return inputs
        return await self._runtime.in_thread(self._runtime.workers, route, inputs)
