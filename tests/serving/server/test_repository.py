"""Which versions are served while some load slowly, never finish, or are no longer wanted."""

import asyncio
import threading
import types

import pytest

from keras_reid.serving.server import repository as module
from keras_reid.serving.server.admission import Admission
from keras_reid.serving.server.batching_config import BatchingParameters
from keras_reid.serving.server.metrics import Metrics
from keras_reid.serving.server.model_config import ModelConfig
from keras_reid.serving.server.repository import Repository
from keras_reid.serving.server.served_version import Runtime


@pytest.fixture
def models(tmp_path):
    """Folders of versions by model: `a` has 1 and 2, `b` has 1."""
    for name, version in (("a", 1), ("a", 2), ("b", 1)):
        (tmp_path / name / str(version)).mkdir(parents=True)
    return tmp_path


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "_TURN", 0.05)
    monkeypatch.setattr(module, "_LOOK", 0.05)


def run(scenario, configs, load_seconds=60.0):
    """Runs `scenario(repository, hung)`; versions in `hung` (MODEL/VERSION) load only once their event is set."""
    hung = {}

    def load(folder):
        if event := hung.get("/".join(folder.parts[-2:])):
            event.wait(20)
        if (folder / "broken").exists():
            raise ValueError("broken")
        return types.SimpleNamespace(routes={})

    async def main():
        metrics = Metrics()
        admission = Admission(1, 1, metrics)
        runtime = Runtime(BatchingParameters(), None, None, None, 1.0, admission, metrics)
        repository = Repository(configs, load, runtime, load_seconds)
        try:
            await scenario(repository, hung)
        finally:
            for event in hung.values():
                event.set()
            await repository.close()

    asyncio.run(main())


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.005)


def state(repository, name, number):
    return repository.states(name)[number].state


def test_a_version_that_takes_long_lets_the_others_go_on(models):
    async def scenario(repository, hung):
        hung["a/2"] = threading.Event()
        await repository.first()
        assert repository.served() == {"a": [1], "b": [1]}  # version 1 replaces version 2
        assert state(repository, "a", 2) == "LOADING"
        (models / "a" / "3").mkdir()
        await repository.poll()
        await until(lambda: repository.served()["a"] == [3])
        hung["a/2"].set()
        await until(lambda: state(repository, "a", 2) == "END")

    run(scenario, [ModelConfig("a", models / "a"), ModelConfig("b", models / "b")])


def test_one_that_comes_late_is_served_after_all(models):
    async def scenario(repository, hung):
        hung["a/2"] = threading.Event()
        await repository.first()
        hung["a/2"].set()
        await until(lambda: repository.served() == {"a": [2]})

    run(scenario, [ModelConfig("a", models / "a")])


def test_one_that_never_ends_is_reported_and_left_behind(models):
    async def scenario(repository, hung):
        hung["a/2"] = threading.Event()
        await repository.first()
        await until(lambda: state(repository, "a", 2) == "END")
        assert repository.failures() == [f"a 2: {models}/a/2 did not load within 0.1 s and was abandoned"]
        assert repository.served() == {"a": [1]}
        assert await repository.close() is True
        hung["a/2"].set()
        await until(lambda: not repository._threads)
        assert repository.served() == {"a": [1]}
        assert await repository.close() is False

    run(scenario, [ModelConfig("a", models / "a")], load_seconds=0.1)


def test_labels_and_models_change_while_a_version_is_loaded(models):
    async def scenario(repository, hung):
        hung["a/2"] = threading.Event()
        await repository.first()
        await repository.reconfigure(
            [ModelConfig("a", models / "a", labels={"stable": 1}), ModelConfig("b", models / "b")]
        )
        with repository.use(types.SimpleNamespace(), "a", label="stable") as version:
            assert version.number == 1
        await until(lambda: repository.served() == {"a": [1], "b": [1]})
        await repository.reconfigure(
            [ModelConfig("a", models / "b")]
        )  # another folder, so the version that was loading is dropped
        hung["a/2"].set()
        await until(lambda: not repository._threads and repository.served() == {"a": [1]})
        assert list(repository.states("a")) == [1]

    run(scenario, [ModelConfig("a", models / "a")])


def test_a_folder_that_hangs_keeps_no_other_waiting(models, monkeypatch):
    go = threading.Event()
    find = ModelConfig.find

    async def scenario(repository, hung):
        hung["none"] = go  # always set in the end
        await repository.first()
        assert repository.served() == {"a": [], "b": [1]}
        (models / "b" / "2").mkdir()
        await repository.poll()
        await until(lambda: repository.served()["b"] == [2])
        go.set()
        await repository.poll()
        await until(lambda: repository.served()["a"] == [2])

    monkeypatch.setattr(
        ModelConfig, "find", lambda self: find(self) if self.name == "b" or go.wait(20) else {}
    )
    run(scenario, [ModelConfig("a", models / "a"), ModelConfig("b", models / "b")])


def test_the_version_before_stays_and_stands_in_for_a_broken_one(models):
    (models / "a" / "2" / "broken").touch()

    async def scenario(repository, _):
        await repository.first()
        assert repository.served() == {"a": [1]}
        assert repository.failures() == [f"a 2: {models}/a/2 cannot be loaded: broken"]
        for version in (3, 4):
            (models / "a" / str(version)).mkdir()
            await repository.poll()
            await until(lambda version=version: version in repository.served()["a"])
        assert repository.served() == {"a": [3, 4]}

    run(scenario, [ModelConfig("a", models / "a", latest=2)])
