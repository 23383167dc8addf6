"""Dynamic batching: the model processes rows of different requests together."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING

import numpy as np

from keras_reid.serving.server.serving_error import ServingError, invalid

if TYPE_CHECKING:
    from keras_reid.serving.server.batching_config import BatchingParameters

_LOG = logging.getLogger(__name__)


@dataclasses.dataclass
class _Task:
    inputs: dict[str, np.ndarray]
    rows: int
    answer: asyncio.Future
    since: float


class Batcher:
    """Merges the rows of requests for one signature of one version.

    A batch starts when a thread is free and one of these is true: the rows fill `max_batch_size`, the oldest row has
    waited for `batch_timeout_micros`, or no other request is arriving. While a batch runs, the next one gathers rows.
    Once that is full, the thread gets it ahead of time, so that the model does not wait for the event loop.
    Batches are padded with zeros to an allowed size. If the model rejects a batch of several requests, each request
    runs separately, so that only the faulty one fails.

    Args:
        run: function from arrays `{name: (rows, …)}` to the outputs; called in a thread. Raises `ServingError`.
        parameters: `BatchingParameters`.
        executor: its `num_batch_threads` threads run the batches.
        anyone_coming: function without arguments that says whether another request is arriving.
        observe: called with the number of rows of each batch.
        prepare: function from the list of the requests' inputs to the list of those to merge, with a `ServingError` in
            place of each request that fails alone; called in the thread of the batch.
    """

    def __init__(
        self,
        run: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]],
        parameters: BatchingParameters,
        executor: Executor,
        anyone_coming: Callable[[], bool],
        observe: Callable[[int], object],
        prepare: Callable[
            [list[dict[str, np.ndarray]]], Sequence[dict[str, np.ndarray] | ServingError]
        ] = list,
    ) -> None:
        self._prepare = prepare
        self._run, self._parameters, self._executor = run, parameters, executor
        self._anyone_coming, self._observe = anyone_coming, observe
        self._waiting = collections.deque()
        self._free = parameters.num_batch_threads
        self._ahead = collections.deque()  # the rows of each batch that a thread got ahead of time
        self._timer = None
        self._rows = 0  # in `_waiting`

    @property
    def waiting_rows(self) -> int:
        """Rows whose batch has not started."""
        return self._rows + sum(self._ahead)

    async def submit(self, inputs: dict[str, np.ndarray], rows: int) -> dict[str, np.ndarray]:
        """The outputs for these rows, as `{name: (rows, …)}`; more rows than a batch may have are split."""
        most = self._parameters.max_batch_size
        if rows > most and not self._parameters.enable_large_batch_splitting:
            raise invalid(f"a request may have at most {most} rows (max_batch_size). Received: {rows}")
        room = most * self._parameters.max_enqueued_batches
        # An empty queue accepts any request: otherwise one larger than the queue would never be served.
        waiting = self.waiting_rows
        if waiting and waiting + rows > room:
            raise ServingError(
                "UNAVAILABLE",
                f"the batching queue is full: {waiting} of {room} rows; try again later",
            )
        loop = asyncio.get_running_loop()
        now = loop.time()
        parts = [
            _Task(
                {name: array[start : start + most] for name, array in inputs.items()}
                if rows > most
                else inputs,
                min(most, rows - start),
                loop.create_future(),
                now,
            )
            for start in range(0, max(rows, 1), most)
        ]
        self._waiting.extend(parts)
        self._rows += rows
        self._dispatch()
        try:
            if len(parts) == 1:
                return await parts[0].answer
            answers = await asyncio.gather(*(part.answer for part in parts))
        except BaseException:
            for part in parts:  # the request has failed, or its client is gone
                part.answer.cancel()
            raise
        return {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}

    def _dispatch(self):
        loop = asyncio.get_running_loop()
        while self._waiting and (self._free or len(self._ahead) < self._parameters.num_batch_threads):
            full = self._rows >= self._parameters.max_batch_size
            if not full and not self._free:
                return
            due = self._waiting[0].since + self._parameters.batch_timeout_micros * 1e-6
            if not full and loop.time() < due and self._anyone_coming():
                if self._timer is None:
                    self._timer = loop.call_at(due, self._at_timer)
                return
            tasks = self._take()
            if tasks:
                rows = sum(task.rows for task in tasks)
                self._observe(rows)
                if self._free:
                    self._free -= 1
                else:
                    self._ahead.append(rows)
                loop.run_in_executor(self._executor, self._execute, tasks).add_done_callback(
                    lambda done, tasks=tasks: self._finish(tasks, done)
                )

    def _at_timer(self):
        self._timer = None
        self._dispatch()

    def _take(self):
        """The tasks of the next batch, in order of arrival, without those whose client is gone."""
        tasks, rows = [], 0
        while self._waiting and rows + self._waiting[0].rows <= self._parameters.max_batch_size:
            task = self._waiting.popleft()
            self._rows -= task.rows
            if not task.answer.done():
                tasks.append(task)
                rows += task.rows
        return tasks

    def _finish(self, tasks, done):
        if self._ahead:  # the thread goes on with the oldest
            self._ahead.popleft()
        else:
            self._free += 1
        self._dispatch()  # start the next batch before answering this one
        if done.cancelled():
            answers = [ServingError("UNAVAILABLE", "the server is stopping")] * len(tasks)
        elif done.exception():
            _LOG.error("a batch failed", exc_info=done.exception())
            answers = [ServingError("INTERNAL", "the server failed; see its log")] * len(tasks)
        else:
            answers = done.result()
        for task, answer in zip(tasks, answers, strict=True):
            if task.answer.done():
                continue
            if isinstance(answer, Exception):
                task.answer.set_exception(answer)
            else:
                task.answer.set_result(answer)

    def _execute(self, tasks):
        """Runs in a thread; returns an answer or an exception for each task."""
        prepared = self._prepare([task.inputs for task in tasks])
        pairs = [(inputs, task.rows) for inputs, task in zip(prepared, tasks, strict=True)]
        answers = iter(self._answers([pair for pair in pairs if not isinstance(pair[0], ServingError)]))
        return [inputs if isinstance(inputs, ServingError) else next(answers) for inputs in prepared]

    def _answers(self, requests):
        """An answer or an exception for each pair of inputs and number of rows."""
        if not requests:
            return []
        try:
            outputs = self._run(self._merge(requests))
        except ServingError as error:
            if len(requests) == 1 or error.code != "INVALID_ARGUMENT":
                return [error] * len(requests)
            return [answer for request in requests for answer in self._answers([request])]
        answers, start = [], 0
        for _, rows in requests:
            answers.append({name: array[start : start + rows] for name, array in outputs.items()})
            start += rows
        return answers

    def _merge(self, requests):
        rows = sum(rows for _, rows in requests)
        size = self._parameters.padded(rows) if rows else 0
        first = requests[0][0]
        if len(requests) == 1 and size == rows:
            return first
        merged = {}
        for name, array in first.items():
            merged[name] = batch = np.empty((size, *array.shape[1:]), array.dtype)
            np.concatenate([inputs[name] for inputs, _ in requests], out=batch[:rows])
            batch[rows:] = 0
        return merged
