import asyncio
import base64
import gzip
import json
import socket
import types

import numpy as np
import pytest

from tests.serving import tiny
from tests.serving.conftest import b64, jpeg


def images(count=2, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, tiny.HEIGHT, tiny.WIDTH, 3), np.uint8)


def expected(pixels):
    return pixels.astype(np.float64).mean((1, 2))


def test_rows_and_columns_agree_with_the_model(tiny_server):
    pixels = images()
    for body, key in (
        ({"instances": pixels.tolist()}, "predictions"),
        ({"instances": [{"images": image} for image in pixels.tolist()]}, "predictions"),
        ({"inputs": pixels.tolist()}, "outputs"),
        ({"inputs": {"images": pixels.tolist()}}, "outputs"),
    ):
        answer = tiny_server.predict({"signature_name": "pixels", **body})
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/json"
        np.testing.assert_allclose(answer.json()[key], expected(pixels), rtol=1e-5)


def test_bytes_of_an_image(tiny_server):
    png = jpeg(format="PNG", size=(tiny.HEIGHT, tiny.WIDTH))
    pixels = np.random.default_rng(0).integers(0, 256, (tiny.HEIGHT, tiny.WIDTH, 3), np.uint8)
    for body in ({"instances": [b64(png)]}, {"instances": [{"image_bytes": b64(png)}]}):
        np.testing.assert_allclose(
            tiny_server.predict(body).json()["predictions"], expected(pixels[None]), rtol=1e-5
        )
    lines = {"b64": base64.encodebytes(png).decode()}
    assert tiny_server.predict({"inputs": [lines]}).json()["outputs"] == [
        pytest.approx(expected(pixels[None])[0].tolist(), rel=1e-5)
    ]


def test_several_inputs_and_outputs(tiny_server):
    rows = [{"a": [1.5, 2], "b": 3}, {"a": [0.25, 0], "b": -1}]
    answer = tiny_server.predict({"signature_name": "two", "instances": rows}).json()
    assert answer["predictions"] == [
        {"sum": 6.5, "name_bytes": b64(b"3")},
        {"sum": -0.75, "name_bytes": b64(b"-1")},
    ]
    columns = {"a": [[1.5, 2]], "b": [3]}
    answer = tiny_server.predict({"signature_name": "two", "inputs": columns}).json()
    assert answer["outputs"] == {"sum": [6.5], "name_bytes": [b64(b"3")]}


def test_signature_without_inputs(tiny_server):
    answer = tiny_server.predict({"signature_name": "metadata", "inputs": {}}).json()["outputs"]
    assert json.loads(answer["metadata"]) == {"embedding_dim": tiny.DIM}
    assert np.isnan(answer["threshold"])


def test_version_in_the_path(tiny_server):
    body = {"signature_name": "pixels", "instances": images().tolist()}
    for choice in ("/versions/1", "/versions/0"):  # 0: ovmsclient's default version
        assert tiny_server.predict(body, choice=choice).json() == tiny_server.predict(body).json()


def test_status_and_metadata(tiny_server):
    entry = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    for path in ("/v1/models/reid", "/v1/models/reid/versions/1", "/v1/models/reid/versions/0"):
        assert tiny_server.get(path).json() == {"model_version_status": [entry]}
    metadata = tiny_server.get("/v1/models/reid/metadata").json()
    assert metadata["model_spec"] == {"name": "reid", "signature_name": "", "version": "1"}
    shape = metadata["metadata"]["signature_def"]["signature_def"]["pixels"]["inputs"]["images"][
        "tensor_shape"
    ]
    assert [dim["size"] for dim in shape["dim"]] == ["-1", "8", "4", "3"]


def test_health_readiness_metrics(tiny_server):
    assert tiny_server.get("/healthz").status_code == 200
    assert tiny_server.get("/readyz").json() == {"ready": True, "models": {"reid": [1]}}
    tiny_server.predict({"signature_name": "pixels", "instances": images(3).tolist()})
    tiny_server.predict({"instances": [1]}, model="no-such-model")
    for path in ("/metrics", "/monitoring/prometheus/metrics"):
        lines = tiny_server.get(path).text.splitlines()
        assert 'serving_model_version{model="reid",version="1"} 1.0' in lines
        assert not any("no-such-model" in line for line in lines)
        counts = {line.split(" ")[0]: float(line.split(" ")[1]) for line in lines if line[0] != "#"}
        key = 'serving_requests_total{code="OK",method="predict",model="reid",protocol="rest"}'
        assert counts[key] >= 1
        assert (
            counts[
                'serving_requests_total{code="NOT_FOUND",method="predict",model="unknown",protocol="rest"}'
            ]
            >= 1
        )
        assert counts['serving_rows_total{model="reid"}'] >= 3
        assert counts['serving_batch_rows_count{model="reid"}'] >= 1


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/models/nobody", 404),
        ("/v1/models/reid/versions/7", 404),
        ("/v1/models/reid/versions/" + "9" * 5000, 404),
        ("/v1/models/reid/labels/canary", 404),
        ("/v1/models/nobody/metadata", 404),
        ("/v1/models/reid:predict", 405),
        ("/v1/models/reid:nothing", 404),
        ("/v1/models/reid:classify", 501),
        ("/v1/nothing", 404),
        ("/nothing", 404),
    ],
)
def test_unknown_paths(tiny_server, path, code):
    answer = tiny_server.get(path)
    assert answer.status_code == code
    assert answer.json()["error"]


@pytest.mark.parametrize("choice", ["/versions/7", "/labels/canary"])
def test_unknown_version_of_a_prediction(tiny_server, choice):
    answer = tiny_server.predict({"instances": [b64(jpeg())]}, choice=choice)
    assert answer.status_code == 404
    assert "Received" in answer.json()["error"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "must be JSON"),
        (b"{", "must be JSON"),
        (b"\xff\xfe{\x00}\x00", "UTF-8"),
        (b"[]", "must be a JSON object"),
        (b"[" * 100_000, "nested at most 16 deep. Received: 100000"),
        (b'{"instances": ' + b'{"a":' * 100_000, "nested"),
        (b'{"instances": [NaN]}', "NaN is not JSON"),
        (b'{"signature_name": "two", "inputs": {"a": [[1e999, 0]], "b": [1]}}', "a must be finite"),
        (b'{"signature_name": "two", "inputs": {"a": [[-Infinity, 0]], "b": [1]}}', "-Infinity is not JSON"),
        (b'{"instances": ' + b"1" * 5000 + b"}", "must be JSON"),
        ({}, "either"),
        ({"instances": [1], "inputs": [1]}, "not both"),
        ({"instances": []}, "Received: an empty array"),
        ({"instances": 3}, "Received: a number"),
        ({"signature_name": 3, "instances": [1]}, "signature_name must be a string"),
        ({"instances": [{"b64": "§§"}]}, "image_bytes[0] must be base64"),
        ({"instances": [{"b64": 3}]}, "must have the keys ['image_bytes']"),
        ({"instances": [{"b64": "QUJD"}, {"image_bytes": "a"}]}, "must be either all objects or all values"),
        ({"instances": [None]}, "image_bytes[0] must be a string"),
        ({"instances": ["\ud800"]}, "surrogate"),
        ({"instances": [["a"]]}, "image_bytes must have shape (n)"),
        ({"instances": ["a"] * 300}, "at most 256 rows"),
        ({"signature_name": "pixels", "instances": ["a"]}, "Received: strings"),
        ({"signature_name": "pixels", "instances": [[[[1.0]]]]}, "numbers with a fraction"),
        ({"signature_name": "pixels", "instances": [[[[256]]]]}, "from 0 to 255"),
        ({"signature_name": "pixels", "instances": [[[[10**40]]]]}, "images must be"),
        ({"signature_name": "pixels", "instances": [[[[True, 1]]]]}, "true or false"),
        ({"signature_name": "pixels", "instances": [[1], [1, 2]]}, "unequal length"),
        ({"signature_name": "pixels", "instances": [[[[1, 2, 3]]]]}, "must have shape (n, 8, 4, 3)"),
        ({"signature_name": "two", "inputs": {"a": [[1, 2]], "b": [1, 2]}}, "same number of rows"),
        ({"signature_name": "two", "inputs": {"a": [[1, 2]]}}, "inputs must be a, b. Received: a"),
        ({"signature_name": "two", "inputs": [1]}, "must be an object with the keys"),
        ({"signature_name": "metadata", "inputs": {"x": 1}}, "inputs must be none. Received: x"),
    ],
)
def test_bad_requests_name_what_is_wrong(tiny_server, body, words):
    answer = tiny_server.predict(body)
    assert answer.status_code == 400, answer.text
    assert words in answer.json()["error"]


def test_unknown_signature(tiny_server):
    answer = tiny_server.predict({"signature_name": "nope", "instances": [1]})
    assert answer.status_code == 404
    assert "signature_name must be one of" in answer.json()["error"]


@pytest.mark.parametrize("chunked", [False, True])
def test_body_of_100_megabytes(tiny_server, chunked):
    body = b"0" * 1_000_000
    data = (body for _ in range(100)) if chunked else body * 100
    answer = tiny_server.http.post(f"{tiny_server.rest}/v1/models/reid:predict", data, timeout=60)
    assert answer.status_code == 413
    assert "at most 33554432 bytes" in answer.json()["error"]


@pytest.mark.parametrize(
    "data", [b"", b"not an image", jpeg()[:300], b"\xff\xd8\xff" + bytes(50), jpeg(format="PNG")[:60]]
)
def test_only_the_request_with_the_bad_image_fails_and_names_its_row(tiny_server, data):
    answer = tiny_server.predict({"instances": [b64(jpeg()), b64(data)]})
    assert answer.status_code == 400
    assert "image_bytes[1]" in answer.json()["error"]
    assert "{{" not in answer.text
    assert tiny_server.predict({"instances": [b64(jpeg())]}).status_code == 200


def test_an_endless_head_is_refused(tiny_server):
    answer = tiny_server.http.get(tiny_server.rest + "/healthz", headers={"x": "a" * 300_000}, timeout=60)
    assert answer.status_code == 400
    assert "too long" in answer.text


PIXELS = {"signature_name": "pixels", "instances": images().tolist()}


def test_a_body_packed_with_gzip(tiny_server):
    text = json.dumps(PIXELS).encode()
    expected_answer = tiny_server.predict(PIXELS).json()
    for packed in (gzip.compress(text), gzip.compress(text[:99]) + gzip.compress(text[99:])):
        for name in ("gzip", "GZIP", "x-gzip"):
            answer = tiny_server.predict(packed, headers={"Content-Encoding": name})
            assert (answer.status_code, answer.json()) == (200, expected_answer)


@pytest.mark.parametrize(
    ("body", "encoding", "status", "words"),
    [
        (gzip.compress(b" " * (33 << 20)), "gzip", 413, "Received: more than 33554432, unpacked"),
        (gzip.compress(b"{}")[:-3], "gzip", 400, "the end of the gzip data is missing"),
        (b"{}", "gzip", 400, "Content-Encoding is gzip, but the body is not"),
        (b"{}", "br", 415, "Content-Encoding must be gzip, or left out. Received: 'br'"),
        (gzip.compress(b"[]"), "gzip", 400, "must be a JSON object"),
    ],
    ids=["bomb", "cut off", "plain", "brotli", "no object"],
)
def test_what_cannot_be_unpacked_is_refused(tiny_server, body, encoding, status, words):
    answer = tiny_server.predict(body, headers={"Content-Encoding": encoding})
    assert answer.status_code == status
    assert words in answer.json()["error"]


@pytest.mark.parametrize("extra", [0, 1, 2])
def test_base64_without_padding(tiny_server, extra):
    data = jpeg(format="PNG", size=(tiny.HEIGHT, tiny.WIDTH)) + bytes(extra)
    padded = b64(data)
    bare = {"b64": padded["b64"].rstrip("=")}
    assert tiny_server.predict({"instances": [bare, padded]}).json()["predictions"][0] == [
        pytest.approx(value)
        for value in tiny_server.predict({"instances": [padded]}).json()["predictions"][0]
    ]


@pytest.mark.parametrize("text", ["Q", "=", "QU=JD", "QUI=="])
def test_what_is_no_base64(tiny_server, text):
    answer = tiny_server.predict({"instances": [{"b64": text}]})
    assert answer.status_code == 400
    assert "image_bytes[0] must be base64" in answer.json()["error"]


def test_columns_that_the_signature_does_not_have_are_left_out(tiny_server):
    columns = {"a": [[1.5, 2]], "b": [3], "note": "mine", "more": {"deep": [1]}}
    answer = tiny_server.predict({"signature_name": "two", "inputs": columns})
    assert answer.json() == {"outputs": {"sum": [6.5], "name_bytes": [b64(b"3")]}}
    answer = tiny_server.predict({"signature_name": "two", "inputs": {"a": [[1, 2]], "note": 1}})
    assert (answer.status_code, "must be a, b. Received: a" in answer.json()["error"]) == (400, True)


def talk(server, data):
    """The server's answer to a client that sends nothing more, until the connection closes."""
    host, port = server.rest.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def test_a_client_that_closes_its_half_gets_its_answers(tiny_server):
    body = json.dumps({**PIXELS, "signature_name": "slow"}).encode()
    post = b"POST /v1/models/reid:predict HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )
    assert talk(tiny_server, post).startswith(b"HTTP/1.1 200")
    get = b"GET /v1/models/reid HTTP/1.1\r\nHost: a\r\n\r\n"
    answers = talk(tiny_server, post + get + get)
    assert answers.count(b"HTTP/1.1 200") == 3
    assert answers.index(b"predictions") < answers.index(b"model_version_status")
    assert talk(tiny_server, post[:-1]) == b""  # nothing to wait for
    assert talk(tiny_server, b"") == b""


def app(cors):
    from keras_reid.serving.server.rest import Rest

    return Rest(None, None, None, None, types.SimpleNamespace(), lambda: True, cors).app


def options(app, **headers):
    """Status and headers of the answer to OPTIONS."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "OPTIONS",
        "path": "/v1/models/reid:predict",
        "query_string": b"",
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
    }
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}


def test_pages_of_other_sites_may_ask_only_where_the_option_says_so():
    asked = {"origin": "http://a.example", "access_control_request_method": "POST"}
    asked["access_control_request_headers"] = "content-type"
    status, headers = options(app(cors=True), **asked)
    assert (status, headers["access-control-allow-origin"]) == (200, "*")
    assert headers["access-control-allow-methods"] == "GET, POST"
    assert headers["access-control-allow-headers"] == "content-type"
    status, headers = options(app(cors=True))
    assert (status, headers["allow"]) == (200, "GET, POST, OPTIONS")
    for asked_for in (asked, {}):
        status, headers = options(app(cors=False), **asked_for)
        assert status == 405
        assert "access-control-allow-origin" not in headers
