"""Models and their versions: found, loaded, switched, unloaded."""

import asyncio
import contextlib
import ctypes
import dataclasses
import gc
import logging
import time

from serving.server.errors import ServingError
from serving.server.served_version import ServedVersion

_LOG = logging.getLogger(__name__)
_REMEMBERED = 8  # versions that have ended, in a model's status


@dataclasses.dataclass
class VersionState:
    """What the status says of a version: START, LOADING, AVAILABLE, UNLOADING or END, and why it failed."""

    state: str
    code: str = "OK"
    message: str = ""


@dataclasses.dataclass
class _Model:
    config: object
    served: dict[int, ServedVersion] = dataclasses.field(default_factory=dict)
    states: dict[int, VersionState] = dataclasses.field(default_factory=dict)
    broken: dict[int, tuple] = dataclasses.field(default_factory=dict)  # with the files' stamp at that time


class Repository:
    """Keeps what is served in step with the disk.

    A new version is loaded and warmed up beside the old one, then new requests go to it; the old one is unloaded
    when its last request has ended. A version that cannot be loaded is reported, left alone until its files
    change, and the next lower one is served instead: so it leaves the old one serving.

    Args:
        configs: list of `ModelConfig`.
        load: function `(folder) -> LoadedModel`, warmed up; called in `loader`.
        loader: executor for it.
        runtime: `Runtime`.
    """

    def __init__(self, configs, load, loader, runtime):
        self._load, self._loader, self._runtime = load, loader, runtime
        self._models = {config.name: _Model(config) for config in configs}
        self._ending = set()
        self._lock = asyncio.Lock()

    def use(self, request, name, version=None, label=None):
        """A context with the `ServedVersion` that a request means: the newest without version and label."""
        model = self._model(name)
        request.model = name
        if label:
            if label not in model.config.labels:
                known = ", ".join(model.config.labels) or "none"
                raise ServingError(
                    "NOT_FOUND", f"model {name} has the version labels: {known}. Received: {label[:100]!r}"
                )
            version = model.config.labels[label]
        if not version and 0 not in model.served:  # 0: how OpenVINO's clients say "any"
            version = max(model.served, default=None)
        if version not in model.served:
            served = ", ".join(map(str, sorted(model.served))) or "none"
            raise ServingError(
                "NOT_FOUND",
                f"model {name} has the served versions: {served}. Received: {version or 'latest'}",
            )
        return model.served[version].use()

    def states(self, name, version=None, label=None):
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

    def served(self):
        """`{model: [version, …]}`."""
        return {name: sorted(model.served) for name, model in self._models.items()}

    def failures(self):
        """`MODEL VERSION: why` of each version that could not be loaded."""
        return [
            f"{name} {number}: {model.states[number].message}"
            for name, model in self._models.items()
            for number in model.broken
        ]

    def waiting_rows(self):
        return sum(
            version.waiting_rows for model in self._models.values() for version in model.served.values()
        )

    async def poll(self):
        """Looks at the disk once, and loads and unloads what has changed."""
        async with self._lock:
            for model in list(self._models.values()):
                await self._update(model)

    async def reconfigure(self, configs):
        """Serves these models from now on; versions that both lists want stay as they are."""
        async with self._lock:
            wanted = {config.name: config for config in configs}
            for name in [name for name in self._models if name not in wanted]:
                model = self._models.pop(name)
                for number in list(model.served):
                    self._retire(model, number)
            for name, config in wanted.items():
                model = self._models.setdefault(name, _Model(config))
                if model.config.base_path != config.base_path:
                    for number in list(model.served):
                        self._retire(model, number)
                model.config = config
        await self.poll()

    async def close(self):
        """Waits for the versions that are being unloaded."""
        await asyncio.gather(*self._ending)

    def _model(self, name):
        if name not in self._models:
            raise ServingError(
                "NOT_FOUND", f"the models are: {', '.join(self._models)}. Received: {name[:100]!r}"
            )
        return self._models[name]

    async def _update(self, model):
        found = await asyncio.to_thread(model.config.find)
        for number in list(model.broken):
            if number not in found or _stamp(found[number]) != model.broken[number]:
                del model.broken[number], model.states[number]
        while True:
            wanted = model.config.wanted([number for number in found if number not in model.broken])
            new = [number for number in wanted if number not in model.served]
            if not new:
                break
            await self._start(model, new[-1], found[new[-1]])
        if wanted or not model.broken:
            for number in [number for number in model.served if number not in wanted]:
                self._retire(model, number)

    async def _start(self, model, number, folder):
        name, start = model.config.name, time.perf_counter()
        stamp = _stamp(folder)
        model.states[number] = VersionState("LOADING")
        _LOG.info("%s version %d: loading %s", name, number, folder)
        loop = asyncio.get_running_loop()
        try:
            loaded = await loop.run_in_executor(self._loader, self._load, folder)
        except Exception as error:  # whatever a folder may hold
            message = (
                " ".join(str(getattr(error, "message", None) or error).split())[:500] or type(error).__name__
            )
            model.broken[number] = stamp
            model.states[number] = VersionState("END", "INTERNAL", f"{folder} cannot be loaded: {message}")
            self._runtime.metrics.load_failures.labels(name).inc()
            _LOG.error("%s version %d: %s", name, number, model.states[number].message)
            return
        model.served[number] = ServedVersion(name, number, loaded, self._runtime)
        model.states[number] = VersionState("AVAILABLE")
        seconds = time.perf_counter() - start
        self._runtime.metrics.load_seconds.labels(name).observe(seconds)
        self._runtime.metrics.versions.labels(name, str(number)).set(1)
        _LOG.info("%s version %d: serving, after %.1f s", name, number, seconds)

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
        with contextlib.suppress(KeyError):
            self._runtime.metrics.versions.remove(version.name, str(version.number))
        _LOG.info("%s version %d: unloaded", version.name, version.number)


def _stamp(folder):
    """Changes when the files of a version do."""
    stamps = []
    for path in (folder, folder / "saved_model.pb", folder / "variables"):
        with contextlib.suppress(OSError):
            stamps.append(path.stat().st_mtime_ns)
    return tuple(stamps)


def _give_memory_back():
    gc.collect()  # a loaded model is full of reference cycles
    with contextlib.suppress(OSError, AttributeError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)
