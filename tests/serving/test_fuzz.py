"""Random requests with a fixed budget: the server never answers 500 or above, never hangs, and never dies."""

import concurrent.futures
import gzip
import json
import random
import socket

import grpc
import numpy as np
import pytest
import urllib3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keras_reid.serving.client import Client, messages
from tests.data.images import jpeg_of_scans, png_that_says
from tests.serving.beside import BUSY, SOON, good_requests_beside
from tests.serving.conftest import b64, jpeg

pytestmark = pytest.mark.medium

BUDGET = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5) | st.just("b64"), inner, max_size=3)
    ),
    max_leaves=20,
)
KEYS = st.sampled_from(["instances", "inputs", "signature_name", "image_bytes", "images", "b64", "other"])
DOCUMENTS = st.dictionaries(KEYS, VALUES | st.dictionaries(KEYS, VALUES, max_size=2), max_size=3) | VALUES
PATHS = st.sampled_from(
    ["reid:predict", "reid", "reid/metadata", "reid/versions/1:predict", "reid/labels/stable", "x"]
)
# Success or the client's fault, never the server's.
CODES = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}
IMAGE = b"\x89PNG\r\n\x1a\n" + bytes(40)


@pytest.fixture(scope="module")
def call(server):
    with grpc.insecure_channel(server.grpc) as channel:
        yield channel.unary_unary("/tensorflow.serving.PredictionService/Predict")


@pytest.fixture(scope="module", autouse=True)
def same_answer_afterwards(server):
    with Client(server.rest) as client:
        height, width = client.metadata()["image_size"]
        pixels = np.random.default_rng(0).integers(0, 256, (2, height, width, 3), np.uint8)
        before = client.embed(pixels)
        yield
        np.testing.assert_allclose(client.embed(pixels), before, atol=1e-5)
    assert server.process.poll() is None


@BUDGET
@given(document=DOCUMENTS, path=PATHS, method=st.sampled_from(["POST", "POST", "POST", "GET"]))
def test_random_documents(server, http, document, path, method):
    body = json.dumps(document) if method == "POST" else None
    answer = http.request(method, f"{server.rest}/v1/models/{path}", body=body)
    assert answer.status < 500, answer.data
    if answer.status >= 400:
        assert answer.json()["error"]


@st.composite
def mutated(draw, data):
    """The data with bytes changed, removed, added, or repeated."""
    data = bytearray(data)
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, max(0, len(data) - 1)))
        kind = draw(st.sampled_from(["change", "remove", "add", "repeat"]))
        if kind == "change" and data:
            data[place] = draw(st.integers(0, 255))
        elif kind == "remove":
            del data[place : place + draw(st.integers(1, 8))]
        elif kind == "add":
            data[place:place] = draw(st.binary(min_size=1, max_size=8))
        else:
            data[place:place] = data[place : place + 16]
    return bytes(data)


VALID_JSON = json.dumps(
    {
        "signature_name": "serving_default",
        "inputs": {"image_bytes": [{"b64": "iVBORw0KGgo="}, {"b64": "AAAA"}]},
    }
).encode()


@BUDGET
@given(body=mutated(VALID_JSON))
def test_mutated_documents(server, http, body):
    answer = http.request("POST", f"{server.rest}/v1/models/reid:predict", body=body)
    assert 400 <= answer.status < 500 or (answer.status == 200 and b"[]" in answer.data), answer.data


def valid_message():
    request = messages.PredictRequest(model_spec={"name": "reid", "signature_name": "serving_default"})
    request.inputs.add(key="image_bytes", value=messages.to_tensor([IMAGE, IMAGE]))
    return request.SerializeToString()


@BUDGET
@given(data=mutated(valid_message()) | st.binary(max_size=200))
def test_mutated_messages(call, data):
    code, text = grpc.StatusCode.OK, ""
    try:
        call(data, timeout=20)
    except grpc.RpcError as error:
        code, text = error.code(), error.details()
    assert code in CODES, (code, text)


@BUDGET
@given(
    data=st.binary(max_size=300)
    | mutated(
        b"POST /v1/models/reid:predict HTTP/1.1\r\nHost: a\r\nContent-Length: 17\r\n\r\n"
        + b'{"instances": []}'
    )
    | mutated(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"),
    port=st.sampled_from(["rest", "grpc"]),
)
def test_random_bytes(server, data, port):
    """A client that sends nonsense and ends its half of the connection soon gets an answer or a closed connection."""
    host, port = getattr(server, port).removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while part := connection.recv(65536):
                answer += part
        except ConnectionError:
            return
    if answer.startswith(b"HTTP/1"):
        assert not answer.startswith((b"HTTP/1.1 5", b"HTTP/1.0 5")) or b" 501 " in answer[:20], answer


FILES = [
    jpeg(),
    jpeg(size=(300, 200)),
    jpeg(format="PNG"),
    jpeg(format="BMP"),
    jpeg_of_scans(64, 64, 31),
    jpeg_of_scans(2000, 2000, 4),
    png_that_says(20000, 20000),
    IMAGE,
    b"",
]


def damaged(draw, data):
    """The data with a few bytes changed, removed, added or repeated; half of the time unchanged."""
    data = bytearray(data)
    for _ in range(draw.choice([0, 0, 1, 2, 5])):
        place = draw.randrange(len(data) + 1)
        kind = draw.randrange(4)
        if kind == 0:
            data[place : place + 1] = draw.randbytes(1)
        elif kind == 1:
            del data[place : place + draw.randrange(1, 40)]
        elif kind == 2:
            data[place:place] = draw.randbytes(draw.randrange(1, 9))
        else:
            data[place:place] = data[place : place + draw.randrange(1, 200)]
    return bytes(data)


def any_body(draw):
    """A body, good or damaged in its images or as a whole, packed or not, and its headers."""
    rows = [b64(damaged(draw, draw.choice(FILES))) for _ in range(draw.choice([1, 1, 2, 5]))]
    document = draw.choice(
        [
            {"instances": rows},
            {"instances": [{"image_bytes": row} for row in rows]},
            {"inputs": {"image_bytes": rows, "more": 1}},
            {"signature_name": "decode", "inputs": rows},
            {
                "signature_name": draw.choice(["pixels", "metadata", "other"]),
                "instances": [draw.randrange(9)],
            },
        ]
    )
    body = json.dumps(document).encode()
    if draw.random() < 0.5:
        body = damaged(draw, body)
    if draw.random() < 0.2:
        return damaged(draw, gzip.compress(body)), {"Content-Encoding": "gzip"}
    return body, {}


def any_message(draw):
    request = messages.PredictRequest(
        model_spec={
            "name": draw.choice(["reid", "reid", "reid", "x"]),
            "signature_name": draw.choice(["", "decode", "x"]),
        }
    )
    images = [damaged(draw, draw.choice(FILES)) for _ in range(draw.choice([1, 1, 2, 5]))]
    request.inputs.add(key="image_bytes", value=messages.to_tensor(images))
    data = request.SerializeToString()
    return damaged(draw, data) if draw.random() < 0.5 else data


def fuzz(server, call, requests, calls, within):
    """The returned status codes; every rejection gives a reason."""
    codes = set()

    def ask(seed):
        draw = random.Random(seed)
        with urllib3.PoolManager(retries=False, timeout=60) as pool:
            for _ in range(requests // 4):
                body, headers = any_body(draw)
                path = draw.choice(
                    ["reid:predict", "reid:predict", "reid:predict", "reid/versions/1:predict", "x:predict"]
                )
                answer = pool.request("POST", f"{server.rest}/v1/models/{path}", body=body, headers=headers)
                codes.add(answer.status)
                assert answer.status < 500, answer.data
                assert answer.status == 200 or answer.json()["error"]
        for _ in range(calls // 4):
            code, text = grpc.StatusCode.OK, ""
            try:
                call(any_message(draw), timeout=60)
            except grpc.RpcError as error:
                code, text = error.code(), error.details()
            codes.add(code)
            assert code in CODES, (code, text)

    with good_requests_beside(server, within), concurrent.futures.ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(ask, seed) for seed in range(4)]:
            done.result()
    return codes


SEEN = {200, 400, 404, grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}


def test_400_requests_and_100_calls(server, call):
    assert fuzz(server, call, 400, 100, BUSY) >= SEEN


@pytest.mark.slow
def test_20000_requests_and_5000_calls(server, call):
    assert fuzz(server, call, 20_000, 5000, SOON) >= SEEN
