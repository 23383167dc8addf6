"""Versions come and go while requests are answered."""

import asyncio
import concurrent.futures
import os
import shutil
import signal
import subprocess
import threading
import time
import types

import numpy as np
import pytest

from tests.serving import tiny
from tests.serving.conftest import b64, jpeg
from tests.serving.running import ROOT, RunningServer, command

pytestmark = pytest.mark.medium

BODY = {"signature_name": "pixels", "instances": np.full((1, tiny.HEIGHT, tiny.WIDTH, 3), 10).tolist()}


@pytest.fixture
def folder(tiny_model, tmp_path):
    folder = tmp_path / "models"
    shutil.copytree(tiny_model, folder)
    return folder


def value(server, choice=""):
    answer = server.predict(BODY, choice=choice)
    assert answer.status_code == 200, answer.text
    return answer.json()["predictions"][0][0]


def test_versions_change_and_it_stops_while_requests_are_answered(folder, tmp_path):
    running = RunningServer(tmp_path, folder, "--poll-seconds", 0.1)
    try:
        versions_change(running, folder, tmp_path / "new")
        broken_version(running, folder, tmp_path / "new")
        stops_gracefully(running)
    finally:
        running.close(ok=False)


def versions_change(running, folder, new):
    """No request fails, and a single version answers each."""
    for version in (2, 3, 4):
        tiny.write(new / str(version), scale=version)
    over, codes, values = threading.Event(), [], []

    def ask():
        import requests

        with requests.Session() as session:
            while not over.is_set():
                answer = session.post(f"{running.rest}/v1/models/reid:predict", json=BODY, timeout=60)
                codes.append(answer.status_code)
                values.append(answer.json()["predictions"][0][0])

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(ask) for _ in range(4)]
        for version in (2, 3, 4):
            (new / str(version)).rename(folder / str(version))
            running.wait_for("AVAILABLE", version)
            assert value(running) == pytest.approx(10 * version)
            # The previous version stays loaded; the one before it is unloaded.
            assert value(running, f"/versions/{version - 1}") == pytest.approx(10 * (version - 1))
            if version > 2:
                running.wait_for("END", version - 2)
        over.set()
        for future in futures:
            future.result()
    assert set(codes) == {200}
    assert set(np.round(values)) == {10, 20, 30, 40}


def broken_version(running, folder, new):
    """A broken version is reported, and the old one continues."""
    (folder / "5").mkdir()
    (folder / "5" / "saved_model.pb").write_bytes(b"\x00broken")
    entry = running.wait_for("END", 5)
    assert entry["status"]["error_code"] == "INTERNAL"
    assert "cannot be loaded" in entry["status"]["error_message"]
    assert value(running) == pytest.approx(40)
    assert "cannot be loaded" in running.log.read_text()
    assert 'serving_load_failures_total{model="reid"} 1.0' in running.get("/metrics").text.splitlines()
    # When it is repaired, it is served; when it is removed, the lower version is served again.
    shutil.rmtree(folder / "5")
    tiny.write(new / "5", scale=5)
    (new / "5").rename(folder / "5")
    running.wait_for("AVAILABLE", 5)
    assert value(running) == pytest.approx(50)
    shutil.rmtree(folder / "5")
    running.wait_for("END", 5)
    assert value(running) == pytest.approx(40)
    assert 'version="5"' not in running.get("/metrics").text


def stops_gracefully(running):
    """Current requests are answered before the server stops."""
    body = {"signature_name": "slow", "instances": BODY["instances"]}
    running.predict(body)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(running.predict, body)
        while "serving_active_requests 1.0" not in running.get("/metrics").text:
            if answer.done():
                break
        assert running.close() == 0
        assert answer.result().status_code == 200
    assert not running.ready_file.exists()
    assert "Traceback" not in running.log.read_text()


def test_models_versions_and_labels_of_a_configuration_file(folder, tmp_path):
    tiny.write(folder / "2", scale=2)
    tiny.write(folder / "3", scale=3)
    tiny.write(tmp_path / "plain" / "1", decode=False)
    file = tmp_path / "models.config"
    text = """model_config_list {
      config { name: "people" base_path: "models" model_version_policy { specific { versions: 1 versions: 3 } }
        version_labels { key: "stable" value: 1 } version_labels { key: "canary" value: 3 } }
      config { name: "cars" base_path: "models" model_version_policy { all {} } }
      config { name: "plain" base_path: "plain" }
    }"""
    file.write_text(text)
    server = RunningServer(tmp_path, "--model-config-file", file, "--poll-seconds", 0.1)
    try:
        assert server.models == {"people": [1, 3], "cars": [1, 2, 3], "plain": [1]}

        def ask(model, choice=""):
            answer = server.predict(BODY, model=model, choice=choice)
            return answer.json()["predictions"][0][0] if answer.ok else answer.status_code

        assert ask("people", "/labels/stable") == pytest.approx(10)
        assert ask("people", "/labels/canary") == pytest.approx(30)
        assert ask("people", "/versions/2") == 404
        assert ask("cars", "/versions/2") == pytest.approx(20)
        assert ask("cars") == pytest.approx(30)
        # A model without a signature `decode` is served request by request.
        image = b64(jpeg(format="PNG", size=(tiny.HEIGHT, tiny.WIDTH)))
        assert len(server.predict({"instances": [image] * 2}, model="plain").json()["predictions"]) == 2
        answer = server.predict({"instances": [b64(b"nothing")]}, model="plain")
        assert (answer.status_code, "Unknown image file" in answer.json()["error"]) == (400, True)
        # The label moves without a restart.
        file.write_text(text.replace('key: "stable" value: 1', 'key: "stable" value: 3'))
        while ask("people", "/labels/stable") != pytest.approx(30):
            assert server.process.poll() is None
        # A file with a mistake changes nothing.
        file.write_text(text.replace("specific", "speciic"))
        while "not a valid ModelServerConfig" not in server.log.read_text():
            assert server.process.poll() is None
        assert ask("people", "/labels/stable") == pytest.approx(30)
    finally:
        server.close()


def test_a_configuration_that_changed_while_the_first_versions_were_loaded_is_read(tmp_path):
    from keras_reid.serving.server.application import _watch

    file = tmp_path / "models.config"
    file.write_text('model_config_list { config { name: "a" base_path: "b" } }')
    read = []

    class Repository:
        async def reconfigure(self, configs):
            read.extend(config.name for config in configs)

        async def poll(self):
            raise asyncio.CancelledError

    options = types.SimpleNamespace(poll_seconds=0.001, model_config_file=file, models_folder=None)
    for seen, expected in ((file.stat().st_mtime_ns, []), (0, ["a"])):
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(_watch(options, Repository(), seen))
        assert read == expected


def test_a_version_that_never_loads(folder, tmp_path):
    """With a FIFO instead of the model, the version is reported, later changes still work, and the server can stop."""
    tiny.write(tmp_path / "new" / "3", scale=3)
    file = tmp_path / "models.config"
    text = """model_config_list { config { name: "reid" base_path: "/models/models"
        model_version_policy { latest { num_versions: 2 } } version_labels { key: "stable" value: 1 } } }"""
    file.write_text(text)
    server = RunningServer(
        *(tmp_path, "--model-config-file", file, "--models-folder", tmp_path),
        *("--poll-seconds", 0.1, "--load-seconds", 1),
    )
    try:
        assert value(server, "/labels/stable") == pytest.approx(10)
        (folder / "2").mkdir()
        os.mkfifo(folder / "2" / "saved_model.pb")
        server.wait_for("LOADING", 2)
        assert value(server) == pytest.approx(10)
        message = server.wait_for("END", 2)["status"]["error_message"]
        assert "2 did not load within 1 s and was abandoned" in message
        (tmp_path / "new" / "3").rename(folder / "3")
        server.wait_for("AVAILABLE", 3)
        assert value(server) == pytest.approx(30)
        assert value(server, "/labels/stable") == pytest.approx(10)  # going back needs no loading
        file.write_text(text.replace("value: 1", "value: 3"))
        while value(server, "/labels/stable") != pytest.approx(30):
            assert server.process.poll() is None
    finally:
        start = time.monotonic()
        code = server.close(ok=False)
    assert code == 0, server.log.read_text()
    assert time.monotonic() - start < 10
    assert "Traceback" not in server.log.read_text()


def test_a_first_version_that_never_loads_does_not_keep_the_server_from_ending(tmp_path):
    (tmp_path / "models" / "1").mkdir(parents=True)
    os.mkfifo(tmp_path / "models" / "1" / "saved_model.pb")
    log = tmp_path / "log"
    arguments = command(tmp_path / "models", "--rest-port", 0, "--grpc-port", 0)
    with open(log, "w") as stream:
        process = subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=stream)
    try:
        while "version 1: loading" not in log.read_text():
            assert process.poll() is None, log.read_text()
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0, log.read_text()
    finally:
        process.kill()
    assert "Traceback" not in log.read_text()
