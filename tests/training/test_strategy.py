import json
import os
import pathlib
import pickle
import socket
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from keras_reid.data.samplers import IdentitySampler
from keras_reid.training import strategy
from keras_reid.utils.errors import UserError
from keras_reid.utils.workers import Worker, this_worker
from tests.training import replicas

ROOT = pathlib.Path(__file__).parents[2]
# Sums are added in another order.
TOLERANCE = 1e-6
# An IBN's mean of squares is rounded more, which Adam's first steps enlarge (1.7e-6 was seen).
# Adam moves a weight by up to 0.01 a step whatever its gradient: of 13824 weights with small ones, one was 2.6e-5 off.
TOLERANCES = {"own gradients": 1e-4, "ibn": 1e-5, "statistics of each part": 1e-5}


def run(kind, output, *names, environment=None):
    command = [sys.executable, "-m", "tests.training.replicas", kind, str(output), *names]
    environment = {**os.environ, **(environment or {})}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def results(process, output):
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return pickle.loads(output.read_bytes())


def on_two_devices(folder, *names):
    output = folder / "devices.pickle"
    return results(run("mirrored", output, *names), output)


def on_two_workers(folder, *names):
    with socket.socket() as first, socket.socket() as second:
        for free in (first, second):
            free.bind(("127.0.0.1", 0))
        addresses = [f"127.0.0.1:{free.getsockname()[1]}" for free in (first, second)]
    outputs = [folder / f"worker{index}.pickle" for index in range(2)]
    processes = [
        run("workers", output, *names, environment={"TF_CONFIG": cluster(index, addresses)})
        for index, output in enumerate(outputs)
    ]
    try:
        return [results(process, output) for process, output in zip(processes, outputs, strict=True)]
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def cluster(index, addresses=("a:1", "b:1"), kind="worker"):
    return json.dumps({"cluster": {"worker": addresses}, "task": {"type": kind, "index": index}})


def assert_same_training(found, name):
    expected = replicas.train(None, name)
    tolerance = TOLERANCES.get(name, TOLERANCE)
    assert found["after"].keys() == expected["after"].keys()
    for key, value in expected["after"].items():
        largest = max(1.0, np.abs(value).max())  # moments of large losses are far above 1
        np.testing.assert_allclose(found["after"][key], value, rtol=0, atol=tolerance * largest, err_msg=key)
        np.testing.assert_array_equal(found["before"][key], expected["before"][key], err_msg=key)
    assert found["logs"] == pytest.approx(expected["logs"], rel=1e-5)


@pytest.mark.medium
def test_two_devices_train_as_one_also_across_the_end_of_freezing_and_warm_up(tmp_path):
    found = on_two_devices(tmp_path, "whole", "own gradients")
    for name in found:
        assert_same_training(found[name], name)


@pytest.fixture(scope="module")
def devices(tmp_path_factory):
    names = [
        name
        for name in (*replicas.CASES, *replicas.SPECIAL)
        if name not in ("whole", "own gradients", "follow")
    ]
    return on_two_devices(tmp_path_factory.mktemp("devices"), *names)


@pytest.fixture(scope="module")
def workers(tmp_path_factory):
    return on_two_workers(tmp_path_factory.mktemp("workers"), "whole", "layers", "parts", "embed", "follow")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.parametrize("name", ["layers", "parts", "zeros", "sums", "ibn", "regularized"])
def test_two_devices_train_as_one(devices, name):
    assert_same_training(devices[name], name)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.parametrize("name", ["triplets of each part", "zeros of each part", "statistics of each part"])
def test_losses_and_statistics_are_of_each_part_unless_asked_for(devices, name):
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        assert_same_training(devices[name], name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["whole", "layers", "parts"])
def test_two_workers_train_as_one(workers, name):
    for worker in workers:
        assert_same_training(worker[name], name)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["loss", "gradient"])
@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_a_step_that_is_not_finite_on_one_device_is_taken_on_none(devices, what, precision):
    result = devices[f"not {what} {precision}"]
    before, after, found = result["before"], result["after"], result["found"]
    moved = {key for key, value in before.items() if not np.array_equal(after[key], value)}
    assert not {
        key for key in moved if "moving" not in key and "step_counter" not in key and "scale" not in key
    }
    if what == "gradient" and precision == "mixed_float16":
        assert found is None
        (scale,) = (key for key in before if "dynamic_scale" in key)
        assert after[scale] == before[scale] / 4
        return
    assert found.step == 0
    assert found.culprits == [{"loss": "infinite_loss", "gradient": "gradient"}[what]]
    np.testing.assert_array_equal(found.identities, replicas.IDENTITIES)


@pytest.mark.slow
def test_embeds_and_evaluates_on_several_devices(devices, workers):
    expected = replicas.embed(None, "embed")
    for found in (devices["embed"], workers[0]["embed"], workers[1]["embed"]):
        np.testing.assert_allclose(found["embeddings"], expected["embeddings"], atol=TOLERANCE)
        assert found["evaluation"]["loss"] > 0
    evaluation = {
        "accuracy": expected["evaluation"]["accuracy"],
        "cross_entropy": expected["evaluation"]["cross_entropy"],
    }
    assert {key: devices["embed"]["evaluation"][key] for key in evaluation} == pytest.approx(evaluation)


@pytest.mark.slow
def test_workers_follow_the_chief(workers):
    chief, other = (worker["follow"] for worker in workers)
    assert chief["numbers"] == other["numbers"] == (7, 2)
    for key, value in chief["state"].items():
        np.testing.assert_array_equal(other["state"][key], value, err_msg=key)
    assert chief["epochs"] == other["epochs"] == 2


def test_one_device_needs_no_strategy(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert strategy.choose_strategy(None) is None
    assert strategy.choose_strategy("all") is None
    assert strategy.choose_strategy(1) is None
    assert strategy.distribute(None, lambda index, count: (index, count)) == (0, 1)
    assert strategy.from_chief(None, (), 3) == (3,)


@pytest.mark.parametrize("devices", [0, 2])
def test_refuses_devices_that_are_not_there(devices, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(UserError, match=f"training.devices must be from 1 to 1.*Received: {devices}"):
        strategy.choose_strategy(devices)


def test_refuses_a_number_of_devices_with_several_workers(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", cluster(0))
    with pytest.raises(UserError, match=r"CUDA_VISIBLE_DEVICES.*Received: 2"):
        strategy.choose_strategy(2)


def test_refuses_batches_that_would_tear_identities_apart():
    three = SimpleNamespace(num_replicas_in_sync=3)
    with pytest.raises(UserError, match="make it 15 or 18 identities"):
        strategy.check_replicas(three, IdentitySampler(16, 4))
    strategy.check_replicas(three, IdentitySampler(15, 4))
    strategy.check_replicas(None, lambda *arguments: None)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (None, Worker(0, 1, True)),
        ("{}", Worker(0, 1, True)),
        (cluster(0), Worker(0, 2, True)),
        (cluster(1), Worker(1, 2, False)),
        ('{"cluster": {"chief": ["a:1"], "worker": ["b:1"]}, "task": {"type": "chief"}}', Worker(0, 2, True)),
        (
            '{"cluster": {"chief": ["a:1"], "worker": ["b:1"]}, "task": {"type": "worker"}}',
            Worker(1, 2, False),
        ),
    ],
)
def test_reads_which_worker_it_is(config, expected, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if config is not None:
        monkeypatch.setenv("TF_CONFIG", config)
    assert this_worker() == expected


@pytest.mark.parametrize(
    "config", ["{", "[]", '{"cluster": 3}', cluster(2), cluster(-1), cluster(0, kind="ps")]
)
def test_refuses_a_cluster_that_makes_no_sense(config, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(UserError, match="TF_CONFIG must be JSON"):
        this_worker()
