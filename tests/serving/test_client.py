"""The clients against a stand-in that fails on demand; `test_agreement.py` uses real servers."""

import json
import ssl
import subprocess
import sys
import threading
import time

import grpc
import numpy as np
import pytest

from keras_reid.serving.client import Client, Refused, ServingError, Unavailable, failures
from keras_reid.serving.client.__main__ import main
from keras_reid.utils.errors import UserError
from tests.serving import stand_in

FILES = [b"a" * (n + 1) for n in range(7)]


@pytest.fixture
def model():
    return stand_in.StandIn()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(failures, "_FIRST_PAUSE", 0.01)


@pytest.fixture(params=["http", "grpc"])
def url(request, model):
    serve = stand_in.rest if request.param == "http" else stand_in.rpc
    with serve(model) as port:
        yield f"{request.param}://localhost:{port}"


@pytest.fixture
def client(url):
    with Client(url, batch_size=3) as client:
        yield client


def test_files_and_bytes_in_order(client, model, tmp_path):
    (tmp_path / "one.jpg").write_bytes(b"x" * 50)
    done = []
    embeddings = client.embed([*FILES, tmp_path / "one.jpg", str(tmp_path / "one.jpg")], done.append)
    np.testing.assert_array_equal(embeddings, [[n, 1] for n in (1, 2, 3, 4, 5, 6, 7, 50, 50)])
    assert embeddings.dtype == np.float32
    assert sorted(request[:2] for request in model.requests) == [("serving_default", 3)] * 3
    assert done == [3, 3, 3]


def test_pixels(client, model):
    images = np.random.default_rng(0).integers(0, 256, (7, 4, 2, 3), np.uint8)
    np.testing.assert_array_equal(client.embed(images)[:, 0], images[:, 0, 0, 0])
    assert sorted(request[:2] for request in model.requests) == [("pixels", 1), ("pixels", 3), ("pixels", 3)]
    every_other = images[::2]
    np.testing.assert_array_equal(client.embed(every_other)[:, 0], every_other[:, 0, 0, 0])


def test_no_image_gives_no_embedding(client):
    assert client.embed([]).shape == (0, 2)
    assert client.embed(np.zeros((0, 4, 2, 3), np.uint8)).shape == (0, 2)


def test_status_and_metadata(client):
    assert client.status() == [{"version": 7, "state": "AVAILABLE", "error": "e"}]
    assert client.metadata() == stand_in.METADATA
    assert client.threshold() == 0.25


@pytest.mark.parametrize("in_flight", [1, 4])
def test_requests_at_the_same_time(url, model, in_flight):
    model.delay = 0.05
    with Client(url, batch_size=1, in_flight=in_flight) as client:
        client.embed([b"a"] * 12)
    assert model.most_open == in_flight


@pytest.mark.parametrize("status", [429, 503])
def test_repeats_what_may_pass_later(client, model, status):
    model.failures = [status] * 3
    assert len(client.embed(FILES[:2])) == 2
    assert [rows for _, rows, _ in model.requests] == [2] * 4


def test_gives_up_after_its_retries(url, model):
    model.failures = [503] * 9
    with (
        Client(url, retries=2) as client,
        pytest.raises(Unavailable, match=r"images\[0\] to images\[1\]: .*as told"),
    ):
        client.embed(FILES[:2])
    assert len(model.requests) == 3


@pytest.mark.parametrize("status", [404, 500])
def test_does_not_repeat_other_failures(client, model, status):
    model.failures = [status]
    with pytest.raises(ServingError, match="as told") as caught:
        client.embed(FILES[:2])
    assert not isinstance(caught.value, Unavailable | Refused)
    assert len(model.requests) == 1


def test_names_the_image_that_is_refused(client, model, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"bad")
    with pytest.raises(Refused, match=r"broken\.jpg: .*must be a JPEG"):
        client.embed([*FILES[:4], tmp_path / "broken.jpg", *FILES[4:]])
    with pytest.raises(Refused, match=r"images\[5\]: "):
        client.embed([*FILES[:5], b"bad"])


def test_another_clients_bad_image_costs_nothing(client, model):
    model.failures = [400]  # a server that merges requests rejects all of them together
    np.testing.assert_array_equal(client.embed(FILES[:3])[:, 0], [1, 2, 3])
    assert [rows for _, rows, _ in model.requests] == [3, 1, 1, 1]


def test_waits_no_longer_than_the_limit(url, model):
    model.delay = 1.0
    with Client(url, timeout=0.1) as client, pytest.raises(ServingError, match=r"no answer within 0\.1 s"):
        client.embed([b"a"])


def test_finds_a_server_that_comes_later(url, monkeypatch):
    scheme = url.partition(":")[0]
    serve = stand_in.rest if scheme == "http" else stand_in.rpc
    with serve(stand_in.StandIn()) as port:
        pass
    monkeypatch.setattr(failures, "_FIRST_PAUSE", 0.1)
    with Client(f"{scheme}://localhost:{port}", retries=0) as client, pytest.raises(Unavailable):
        client.status()
    ready, over = threading.Event(), threading.Event()

    def come_later():
        ready.wait()
        time.sleep(0.2)
        with serve(stand_in.StandIn(), port=port):
            over.wait()

    thread = threading.Thread(target=come_later)
    thread.start()
    try:
        with Client(f"{scheme}://localhost:{port}", retries=8) as client:
            ready.set()
            assert len(client.embed([b"a"])) == 1
    finally:
        over.set()
        thread.join()


def test_pauses_grow_and_heed_the_server(monkeypatch):
    monkeypatch.setattr(failures, "_FIRST_PAUSE", 1.0)
    pauses, errors = (
        [],
        [Unavailable("full"), Unavailable("full", pause=5.0), Unavailable("full", pause=1e6)] * 2,
    )

    def call():
        raise errors.pop(0)

    with pytest.raises(Unavailable):
        failures.with_retries(call, 5, pauses.append)
    assert 0.5 <= pauses[0] <= 1
    assert pauses[1:3] == [5, 10]
    assert 4 <= pauses[3] <= 8


@pytest.mark.parametrize("choice", [{"version": 7}, {"label": "stable"}])
def test_version_label_and_headers(url, model, choice):
    with Client(url, headers={"Authorization": "Bearer secret"}, **choice) as client:
        client.embed([b"a"])
    headers = {name.lower(): value for name, value in model.requests[0][2].items()}
    assert headers["authorization"] == "Bearer secret"


@pytest.mark.parametrize("choice", [{"version": 3}, {"label": "canary"}, {"model": "other"}])
def test_what_is_not_there(url, choice):
    with Client(url, **choice) as client, pytest.raises(ServingError, match="Servable not found"):
        client.embed([b"a"])


@pytest.mark.parametrize("scheme", ["https", "grpcs"])
def test_tls(model, tmp_path, scheme):
    key, certificate = tmp_path / "key.pem", tmp_path / "ca.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", *names]
        + ["-days", "1", "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
    serve = stand_in.rest(model, context) if scheme == "https" else stand_in.rpc(model, credentials)
    with serve as port:
        url = f"{scheme}://localhost:{port}"
        with Client(url, ca=certificate) as client:
            assert len(client.embed([b"a"])) == 1
        with Client(url, retries=0) as client, pytest.raises(ServingError):
            client.embed([b"a"])


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ("one.jpg", "a list of images"),
        (b"one", "a list of images"),
        ([b"a", 3], r"images\[1\] must be a path or bytes. Received: int"),
        (["missing.jpg"], "missing.jpg: No such file"),
        (np.zeros((2, 4, 2, 3), np.float32), "must be uint8 .* Received: float32"),
        (np.zeros((4, 2, 3), np.uint8), r"Received: uint8 of shape \(4, 2, 3\)"),
    ],
)
def test_wrong_images(client, model, images, message):
    with pytest.raises(UserError, match=message):
        client.embed(images)
    assert not model.requests


@pytest.mark.parametrize(
    ("url", "options", "message"),
    [
        ("localhost:8501", {}, "address must be"),
        ("ftp://localhost:8501", {}, "address must be"),
        ("http://localhost:1", {"batch_size": 0}, "batch_size must be at least 1"),
        ("http://localhost:1", {"in_flight": 0}, "in_flight must be at least 1"),
        ("http://localhost:1", {"retries": -1}, "retries must be at least 0"),
        ("http://localhost:1", {"timeout": 0}, "timeout must be above 0"),
        ("http://localhost:1", {"version": 1, "label": "stable"}, "not both"),
        ("https://localhost:1", {"ca": "missing.pem"}, "missing.pem"),
    ],
)
def test_wrong_options(url, options, message):
    with pytest.raises(UserError, match=message):
        Client(url, **options)


def test_command_writes_what_embed_writes(url, model, tmp_path, capsys):
    (tmp_path / "images").mkdir()
    for name in ("b.jpg", "a.png"):
        (tmp_path / "images" / name).write_bytes(name.encode() * ord(name[0]))
    output = tmp_path / "out.npz"
    main(
        [url, str(tmp_path / "images"), "--output", str(output), "--label", "stable", "--header", "X-Key: 1"]
    )
    with np.load(output) as saved:
        assert [path[-5:] for path in saved["paths"]] == ["a.png", "b.jpg"]
        np.testing.assert_array_equal(saved["embeddings"], [[5 * ord("a"), 1], [5 * ord("b"), 1]])
    assert "2 embeddings of 2 numbers" in capsys.readouterr().out
    assert {name.lower(): value for name, value in model.requests[0][2].items()}["x-key"] == "1"
    main([url])
    said = capsys.readouterr().out
    assert "version 7: AVAILABLE" in said
    assert json.loads(said[said.index("{") :]) == stand_in.METADATA


def test_command_says_what_is_wrong(url, model, tmp_path):
    image = tmp_path / "a.jpg"
    image.write_bytes(b"bad")
    output = str(tmp_path / "out.npz")
    for arguments, message in (
        ([str(image), "--output", "out.txt"], "ends in .npz"),
        ([str(image)], "ends in .npz"),
        (["--output", output], "at least one image"),
        ([str(tmp_path / "none.jpg"), "--output", output], "no such file or folder"),
        ([str(image), "--output", output, "--header", "token"], "'Name: value'"),
        ([str(image), "--output", output, "--header", "Authorization: Bearer …"], "printable ASCII.*'Auth"),
        ([str(image), "--output", output, "--header", "two words: 1"], "a header must be a name of letters"),
        ([str(image), "--output", output, "--model", "other"], "no such model"),
        ([str(image), "--output", output], "a.jpg: "),
    ):
        with pytest.raises(UserError, match=message):
            main([url, *arguments])
    model.state = "LOADING"
    with pytest.raises(ServingError, match=r"no version of the model is available\. 7 is LOADING"):
        main([url, str(image), "--output", output])
    assert list(tmp_path.iterdir()) == [image]


def test_needs_no_tensorflow():
    code = (
        "import sys, keras_reid.serving.client.rest, keras_reid.serving.client.rpc; "
        "print([module for module in sys.modules if 'tensorflow' in module])"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "[]"
