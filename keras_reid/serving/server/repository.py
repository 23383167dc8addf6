"""Finds, loads, switches and unloads the versions of models."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import dataclasses
import gc
import logging
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from keras_reid.serving.server.left_behind import LeftBehind
from keras_reid.serving.server.served_version import Runtime, ServedVersion
from keras_reid.serving.server.serving_error import ServingError

if TYPE_CHECKING:
    from pathlib import Path

    from keras_reid.serving.server.admission import Request
    from keras_reid.serving.server.loaded_model import LoadedModel
    from keras_reid.serving.server.model_config import ModelConfig

_LOG = logging.getLogger(__name__)
_REMEMBERED = 8  # ended versions that a model's status still lists
_TURN = 30.0  # seconds that other versions wait for the one that is loading
_LOOK = 2.0  # seconds to wait for the disk before continuing with other models


@dataclasses.dataclass
class VersionState:
    """A version's status: START, LOADING, AVAILABLE, UNLOADING or END, and the error if it failed."""

    state: str
    code: str = "OK"
    message: str = ""


@dataclasses.dataclass
class _Model:
    config: ModelConfig
    served: dict[int, ServedVersion] = dataclasses.field(default_factory=dict)
    states: dict[int, VersionState] = dataclasses.field(default_factory=dict)
    found: dict[int, tuple] = dataclasses.field(
        default_factory=dict
    )  # versions on disk: the folder and the stamp of its files
    broken: dict[int, tuple] = dataclasses.field(default_factory=dict)  # the files' stamp when loading failed
    loading: dict[int, asyncio.Task] = dataclasses.field(default_factory=dict)
    overdue: set[int] = dataclasses.field(
        default_factory=set
    )  # loading versions that nobody waits for any more
    look: asyncio.Task | None = None


class Repository:
    """Keeps the served versions in step with the disk.

    A new version is loaded and warmed up while the old one serves. Then new requests go to the new version, and the old
    one is unloaded when its last request has ended. A version that cannot be loaded is reported and not tried again
    until its files change; the next lower version is served instead, so the old one continues.

    Versions are loaded one at a time. After half a minute, the other versions no longer wait for a slow one, and the
    next lower one is served in its place. A version that takes longer than `load_seconds` counts as failed, and its
    thread is abandoned. All work that touches the disk may hang, so it runs in threads that nothing depends on.

    Args:
        configs: list of `ModelConfig`.
        load: function `(folder) -> LoadedModel` that loads and warms up a version; called in a thread.
        runtime: `Runtime`.
        load_seconds: longest time to load a version.
    """

    def __init__(
        self,
        configs: Iterable[ModelConfig],
        load: Callable[[Path], LoadedModel],
        runtime: Runtime,
        load_seconds: float = 600.0,
    ) -> None:
        self._load, self._runtime, self._load_seconds = load, runtime, load_seconds
        self._models = {config.name: _Model(config) for config in configs}
        self._ending = set()
        self._turn = asyncio.Lock()
        self._threads = LeftBehind()

    def use(
        self, request: Request, name: str, version: int | None = None, label: str | None = None
    ) -> AbstractContextManager[ServedVersion]:
        """A context with the requested `ServedVersion`: the newest, unless a version or label is given."""
        model = self._model(name)
        request.model = name
        if label:
            if label not in model.config.labels:
                known = ", ".join(model.config.labels) or "none"
                raise ServingError(
                    "NOT_FOUND", f"model {name} has these version labels: {known}. Received: {label[:100]!r}"
                )
            version = model.config.labels[label]
        if not version and 0 not in model.served:  # OpenVINO's clients send 0 for "any"
            version = max(model.served, default=None)
        if version not in model.served:
            served = ", ".join(map(str, sorted(model.served))) or "none"
            raise ServingError(
                "NOT_FOUND",
                f"model {name} has these served versions: {served}. Received: {version or 'latest'}",
            )
        return model.served[version].use()

    def states(
        self, name: str, version: int | None = None, label: str | None = None
    ) -> dict[int, VersionState]:
        """`{version: VersionState}`, newest first."""
        model = self._model(name)
        if label:
            version = model.config.labels.get(label, -1)
        states = {key: model.states[key] for key in sorted(model.states, reverse=True)}
        if version is not None and (version or 0 in states):  # 0 as in `use`
            states = {key: state for key, state in states.items() if key == version}
        if not states:
            raise ServingError(
                "NOT_FOUND", f"model {name} has no such version. GET /v1/models/{name} lists them"
            )
        return states

    def served(self) -> dict[str, list[int]]:
        """`{model: [version, …]}`."""
        return {name: sorted(model.served) for name, model in self._models.items()}

    def failures(self) -> list[str]:
        """`MODEL VERSION: reason` for each version that could not be loaded."""
        return [
            f"{name} {number}: {model.states[number].message}"
            for name, model in self._models.items()
            for number in model.broken
        ]

    def waiting_rows(self) -> int:
        return sum(
            version.waiting_rows for model in self._models.values() for version in model.served.values()
        )

    async def poll(self) -> None:
        """Looks at the disk once, and starts to load and unload versions accordingly."""
        for model in self._models.values():
            if model.look is None or model.look.done():
                model.look = asyncio.create_task(self._look(model))
        if self._models:
            looks = [model.look for model in self._models.values() if model.look]
            await asyncio.wait(looks, timeout=_LOOK)

    async def first(self) -> None:
        """Returns when the first versions are loaded; does not wait for slow ones if others are served."""
        await self.poll()
        while self._is_awaited():
            await asyncio.sleep(0.01)

    def _is_awaited(self):
        models = self._models.values()
        if any(model.served for model in models):
            return any(model.loading.keys() - model.overdue for model in models)
        return any(model.loading or not model.look.done() for model in models)

    async def reconfigure(self, configs: Iterable[ModelConfig]) -> None:
        """Replaces the list of models; versions that are in both lists stay loaded."""
        wanted = {config.name: config for config in configs}
        for name, model in list(self._models.items()):
            if name not in wanted or model.config.base_path != wanted[name].base_path:
                del self._models[name]
                for number in list(model.served):
                    self._retire(model, number)
        for name, config in wanted.items():
            self._models.setdefault(name, _Model(config)).config = config
        await self.poll()

    async def close(self) -> bool:
        """Waits for versions that are being unloaded, and abandons those that are being loaded.

        Returns:
            whether threads are left behind, which may hang forever.
        """
        for model in self._models.values():
            for task in (model.look, *model.loading.values()):
                if task:
                    task.cancel()
        await asyncio.gather(*self._ending)
        return bool(self._threads)

    def _model(self, name):
        if name not in self._models:
            raise ServingError(
                "NOT_FOUND", f"the models are {', '.join(self._models)}. Received: {name[:100]!r}"
            )
        return self._models[name]

    async def _look(self, model):
        config = model.config
        try:
            found = await self._threads.start(_found, config)
        except Exception:
            _LOG.exception("%s: cannot look for versions", config.name)
            return
        if not self._has(model) or config is not model.config:
            return  # it has changed meanwhile
        model.found = found
        for number in list(model.broken):
            if number not in found or found[number][1] != model.broken[number]:
                del model.broken[number], model.states[number]
        self._update(model)

    def _has(self, model):
        return self._models.get(model.config.name) is model

    def _update(self, model):
        """Starts to load versions that are wanted and on disk, and to unload those no longer wanted."""
        usable = [
            number for number in model.found if number not in model.broken and number not in model.overdue
        ]
        wanted = model.config.wanted(usable)
        missing = [number for number in wanted if number not in model.served]
        for number in reversed(missing):
            if number not in model.loading:
                model.states[number] = VersionState("LOADING")
                task = asyncio.create_task(self._start(model, number, *model.found[number]))
                model.loading[number] = task
        if not missing and (wanted or not (model.broken or model.overdue)):
            for number in [number for number in model.served if number not in wanted]:
                self._retire(model, number)

    async def _start(self, model, number, folder, stamp):
        name = model.config.name
        async with self._turn:
            if not self._has(model):
                return
            _LOG.info("%s version %d: loading %s", name, number, folder)
            start = time.perf_counter()
            loading = self._threads.start(self._load, folder)
            await asyncio.wait([loading], timeout=min(_TURN, self._load_seconds))
        if not loading.done() and self._load_seconds > _TURN:
            _LOG.warning(
                "%s version %d: still loading after %g s; other versions continue", name, number, _TURN
            )
            model.overdue.add(number)
            self._update(model)
            await asyncio.wait([loading], timeout=self._load_seconds - _TURN)
        del model.loading[number]
        model.overdue.discard(number)
        if not self._has(model):
            return
        seconds = time.perf_counter() - start
        if problem := self._problem(loading, folder):
            model.broken[number] = stamp
            model.states[number] = VersionState("END", "INTERNAL", problem)
            self._runtime.metrics.load_failures.labels(name).inc()
            _LOG.error("%s version %d: %s", name, number, problem)
        else:
            model.served[number] = ServedVersion(name, number, loading.result(), self._runtime)
            model.states[number] = VersionState("AVAILABLE")
            self._runtime.metrics.load_seconds.labels(name).observe(seconds)
            self._runtime.metrics.versions.labels(name, str(number)).set(1)
            _LOG.info("%s version %d: serving, after %.1f s", name, number, seconds)
        self._update(model)

    def _problem(self, loading, folder):
        """Why a version failed to load; None if it loaded."""
        if not loading.done():
            return f"{folder} did not load within {self._load_seconds:g} s and was abandoned"
        if (error := loading.exception()) is None:
            return None
        # The folder may contain anything, so any error is possible.
        text = " ".join(str(getattr(error, "message", None) or error).split())[:500] or type(error).__name__
        return f"{folder} cannot be loaded: {text}"

    def _retire(self, model, number):
        version = model.served.pop(number)
        model.states[number] = VersionState("UNLOADING")
        task = asyncio.create_task(self._end(model, version))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _end(self, model, version):
        await version.unused()
        version.unload()
        await asyncio.to_thread(_give_memory_back)
        if version.number in model.states and version.number not in model.served:
            model.states[version.number] = VersionState("END")
        ended = [number for number, state in model.states.items() if state == VersionState("END")]
        for number in sorted(ended)[:-_REMEMBERED]:
            del model.states[number]
        current = self._models.get(version.name)
        if current is None or version.number not in current.served:
            with contextlib.suppress(KeyError):
                self._runtime.metrics.versions.remove(version.name, str(version.number))
        _LOG.info("%s version %d: unloaded", version.name, version.number)


def _found(config):
    """The versions on disk: `{number: (folder, stamp)}`."""
    return {number: (folder, _stamp(folder)) for number, folder in config.find().items()}


def _stamp(folder):
    """A stamp that changes when the files of a version change."""
    stamps = []
    for path in (folder, folder / "saved_model.pb", folder / "variables"):
        with contextlib.suppress(OSError):
            stamps.append(path.stat().st_mtime_ns)
    return tuple(stamps)


def _give_memory_back():
    gc.collect()  # a loaded model is full of reference cycles
    with contextlib.suppress(OSError, AttributeError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)
