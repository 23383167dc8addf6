"""`keras-reid gallery serve` as a process: two of them on one store, events from one to the other, slow senders."""

import concurrent.futures
import contextlib
import http.client
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from keras_reid import gallery
from keras_reid.embedding import Embedder
from keras_reid.export.savedmodel import export_savedmodel
from keras_reid.gallery.commands import serve, token
from keras_reid.gallery.service.served_model import ServedModel
from keras_reid.models import load_model
from keras_reid.utils.errors import UserError
from keras_reid.utils.model_file import fingerprint
from tests.export.conftest import small_model
from tests.gallery.service.conftest import COLOURS, square
from tests.serving.running import RunningServer

medium = pytest.mark.medium
RED = COLOURS["Anna Katharina"]
PNG = {"Content-Type": "image/png"}


@pytest.fixture
def saved_model(tmp_path):
    file = tmp_path / "model.keras"
    small_model().save(file)
    return file


@pytest.mark.parametrize(
    ("main", "arguments", "said"),
    [
        (serve.main, ["--embed", "http://x/v1/models/reid"], "give either --model or --embed"),
        (serve.main, ["--port", "70000"], "--port must be 0 to 65535. Received: 70000"),
        (serve.main, ["--burst", "0"], "--burst must be above 0, and finite. Received: 0"),
        (serve.main, ["--max-image-mebibytes", "inf"], "--max-image-mebibytes must be above 0, and finite"),
        (
            serve.main,
            ["--origin", "gallery.example.org"],
            "--origin must be the beginning of the page's address",
        ),
        (serve.main, ["--trusted-proxy", "proxy"], "--trusted-proxy must be an address or a network"),
        (
            serve.main,
            ["--webhook", "http://example.org/"],
            "--webhook must be https://…, unless its host is named",
        ),
        (
            serve.main,
            ["--webhook", "https://example.org/"],
            "the secret of webhooks must have at least 32 characters",
        ),
        (serve.main, ["--webhook-secret", "nowhere"], "--webhook-secret: there is no file nowhere"),
        (token.main, ["add"], "`token add` needs a NAME"),
        (token.main, ["add", "door"], "`token add` needs --role and --file"),
        (
            token.main,
            ["add", "x", "--role", "view", "--file", "f", "--expires", "soon"],
            "an age must be a whole number",
        ),
        (
            token.main,
            ["add", "x", "--role", "view", "--file", "f", "--expires", "999999w"],
            "an age must be at most 365000d. Received: '999999w'",
        ),
        (token.main, ["revoke"], "`token revoke` needs a NAME"),
    ],
)
def test_mistakes_are_told_before_anything_is_loaded(tmp_path, monkeypatch, main, arguments, said):
    monkeypatch.chdir(tmp_path)
    model = ["--model", "model.keras"] if main is serve.main else []
    with pytest.raises(UserError, match=re.escape(said)):
        main([*arguments, *model])
    assert not list(tmp_path.iterdir())


def test_the_model_may_be_a_published_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("KERAS_REID_OFFLINE", "1")
    with pytest.raises(UserError, match="is not in the cache, and nothing is fetched"):
        serve.main(["--model", "fastreid/market-bot-r50"])
    assert not (tmp_path / "gallery-store").exists()


@contextlib.contextmanager
def served(folder, model, *options, log=None):
    """The port of a service; `model` is a file, or the address of a model server."""
    option = "--embed" if str(model).startswith("http") else "--model"
    command = [sys.executable, "-m", "keras_reid", "gallery", "serve", option, model, "--store", folder]
    process = subprocess.Popen(
        [*map(str, command), "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=log or subprocess.DEVNULL,
        text=True,
    )
    try:
        line = process.stdout.readline()
        assert line, "it did not start"
        yield int(json.loads(line)["url"].rpartition(":")[2])
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
        process.stdout.close()


def ask(port, method, path, body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    if isinstance(body, dict):
        body, headers = json.dumps(body), {"Content-Type": "application/json"}
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, json.loads(content) if content else None


def enrolled(port, content, name):
    boundary = "xyz"
    parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="name"\r\n\r\n{name}\r\n'.encode()]
    parts += [
        f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'.encode(),
        content,
    ]
    body = b"".join([*parts, f"\r\n--{boundary}--\r\n".encode()])
    status, answer = ask(
        port, "POST", "/v1/sightings", body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    )
    assert status == 200, answer
    return answer


def next_event(answer):
    """The next event of a stream."""
    lines = []
    while not (lines and lines[-1].startswith("data: ")):
        lines.append(answer.readline().decode().strip())
    assert "event: seen" in lines
    return json.loads(lines[-1].removeprefix("data: "))


@medium
def test_two_processes_on_one_store(private_folder, saved_model, tmp_path):
    with (
        open(tmp_path / "log", "w") as log,
        served(private_folder, saved_model, log=log) as one,
        served(private_folder, saved_model, log=log) as two,
    ):
        anna = enrolled(one, square(RED, 1, side=64), "Anna Katharina Schmidt")
        status, found = ask(two, "POST", "/v1/search", square(RED, 1, side=64), PNG)
        assert (status, found["hits"][0]["name"]) == (200, "Anna Katharina Schmidt")
        assert found["hits"][0]["distance"] < 1e-3
        assert ask(one, "PUT", f"/v1/watches/{anna['identity']}", {})[0] == 200

        stream = http.client.HTTPConnection("127.0.0.1", two, timeout=30)
        stream.request("GET", "/v1/events", headers={"Accept": "text/event-stream"})
        answer = stream.getresponse()
        assert answer.getheader("content-type").startswith("text/event-stream")
        assert answer.readline() == b": connected\n"
        begin = time.monotonic()
        new = enrolled(one, square(RED, 2, side=64), "Anna Katharina Schmidt")
        assert next_event(answer)["sighting"] == new["sighting"]
        assert time.monotonic() - begin < 25
        # Neither does who enrols matter, as `gallery enrol` or this program: the store tells.
        row = np.eye(1, 8, dtype=np.float32)[0]
        with gallery.open(
            private_folder, gallery.ModelIdentity("model", fingerprint(saved_model), 8)
        ) as store:
            (number,) = store.add([gallery.NewSighting(row, anna["identity"])])
        assert next_event(answer)["sighting"] == number

        slow = socket.create_connection(("127.0.0.1", two))
        slow.sendall(
            b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: 99999\r\n\r\nx" % two
        )
        assert ask(two, "GET", "/v1/state")[1]["sightings"] == 3  # others are answered meanwhile
        slow.close()
        with gallery.open(private_folder, create=False) as store:
            assert store.model().fingerprint == fingerprint(saved_model)
    answer.read()  # the stream has ended with the process, and was not cut off
    stream.close()
    said = (tmp_path / "log").read_text()
    assert "Traceback" not in said
    assert "Schmidt" not in said


@medium
def test_embeddings_by_a_model_server(private_folder, saved_model, tmp_path):
    """`keras-reid serve` embeds for a store that a model file has filled; its version stays the same."""
    for seed in (0, 1):
        model = small_model(seed=seed)
        digest = fingerprint(saved_model) if seed == 0 else "f" * 32
        export_savedmodel(model, tmp_path / "exports" / str(seed + 1), fingerprint=digest)
    models = tmp_path / "models"
    shutil.copytree(tmp_path / "exports" / "1", models / "1")
    picture = square(RED, 1, side=64)
    embedder = Embedder(load_model(saved_model), fingerprint=fingerprint(saved_model))
    with gallery.open(private_folder, embedder) as store:
        store.add([gallery.NewSighting(embedder([picture])[0], "Anna")])
    server = RunningServer(tmp_path, models, "--poll-seconds", "0.2")
    try:
        with served(private_folder, f"{server.rest}/v1/models/reid") as port:
            for _ in range(2):
                status, found = ask(port, "POST", "/v1/search", picture, PNG)
                assert (status, found["hits"][0]["name"]) == (200, "Anna"), found
                assert found["hits"][0]["distance"] < 1e-4
                if not (models / "2").exists():  # a new model, which is not used before a new start
                    shutil.copytree(tmp_path / "exports" / "2", tmp_path / "coming")
                    (tmp_path / "coming").rename(models / "2")
                    server.wait_for("AVAILABLE", 2)
            assert ask(port, "POST", "/v1/search", b"\x89PNG\r\n\x1a\nbroken", PNG)[0] == 400
        with (
            ServedModel(f"{server.rest}/v1/models/reid") as newest,
            pytest.raises(
                UserError, match=r"its embeddings are of the model .*, and this is reid 2 \(ffffffff\)"
            ),
        ):
            gallery.open(private_folder, newest.identity)
    finally:
        server.close()


@medium
def test_a_slow_body_is_refused_in_time(private_folder, saved_model):
    with (
        served(private_folder, saved_model, "--upload-seconds", "1") as port,
        socket.create_connection(("127.0.0.1", port), timeout=20) as slow,
    ):
        slow.sendall(
            b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: 9999\r\n\r\nx" % port
        )
        begin = time.monotonic()
        assert b" 408 " in slow.recv(4096)
        assert time.monotonic() - begin < 10


@pytest.mark.slow
def test_200_searches_at_once_beside_enrolment(private_folder, saved_model):
    """By two processes on one store: none fails, and each finds who was enrolled before."""
    pictures = [square(RED, seed, side=64) for seed in range(40)]
    seconds, failures = [], []

    def search(number):
        begin = time.monotonic()
        try:
            status, found = ask(ports[number % 2], "POST", "/v1/search?top=5", pictures[number % 20], PNG)
            if status != 200 or found["hits"][0]["distance"] > 1e-3:
                failures.append((status, found))
        except OSError as error:
            failures.append(error)
        seconds.append(time.monotonic() - begin)

    with served(private_folder, saved_model) as one, served(private_folder, saved_model) as two:
        ports = one, two
        for number in range(20):
            enrolled(ports[number % 2], pictures[number], f"who {number}")
        with concurrent.futures.ThreadPoolExecutor(202) as threads:
            enrolments = [
                threads.submit(enrolled, ports[number % 2], pictures[number], f"who {number}")
                for number in range(20, 40)
            ]
            searches = [threads.submit(search, number) for number in range(200)]
            for future in (*enrolments, *searches):
                future.result()
        assert not failures
        assert ask(one, "GET", "/v1/state")[1]["sightings"] == 40
    p50, p95 = (sorted(seconds)[int(len(seconds) * share)] for share in (0.5, 0.95))
    print(f"200 searches at once: p50 {p50:.2f} s, p95 {p95:.2f} s")
    assert p95 < 30
