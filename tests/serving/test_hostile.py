"""A bad request gets the right code and a helpful message, and harms nobody else."""

import base64
import concurrent.futures
import io
import json
import re
import socket
import struct
import threading
import zlib

import grpc
import numpy as np
import pytest
import urllib3
from PIL import Image

from keras_reid.serving.client import Client, messages

pytestmark = pytest.mark.medium

PREDICT = "/v1/models/reid:predict"


@pytest.fixture(scope="module")
def channel(server):
    options = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(server.grpc, options=options) as channel:
        yield channel


@pytest.fixture(scope="module")
def good():
    """An image file."""
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 16, 3), np.uint8)).save(stream, "JPEG")
    return stream.getvalue()


@pytest.fixture(scope="module")
def size(server):
    with Client(server.rest) as client:
        return tuple(client.metadata()["image_size"])


@pytest.fixture(autouse=True)
def others_unharmed(server, good):
    """During and after each test, a good request gets the same embedding as before, over both protocols."""
    over, answers, errors = threading.Event(), [], []
    with Client(server.rest) as client:
        before = client.embed([good])

    def ask(url):
        with Client(url, timeout=60) as client:
            while not over.is_set():
                try:
                    answers.append(client.embed([good]))
                except Exception as error:
                    errors.append(error)
                over.wait(0.02)
            answers.append(client.embed([good]))

    threads = [threading.Thread(target=ask, args=(url,)) for url in (server.rest, f"grpc://{server.grpc}")]
    for thread in threads:
        thread.start()
    yield
    over.set()
    for thread in threads:
        thread.join()
    assert errors == []
    np.testing.assert_allclose(answers, np.broadcast_to(before, (len(answers), *before.shape)), atol=1e-5)
    assert server.process.poll() is None


def png(width, height, data):
    """A PNG file that claims a size; `data` is compressed."""

    def chunk(name, content):
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", data), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def zeros(height, stride):
    """Compressed rows of zeros."""
    press, row = zlib.compressobj(1), bytes(stride)
    return b"".join([*(press.compress(row) for _ in range(height)), press.flush()])


BAD_IMAGES = {
    "empty": lambda good: b"",
    "no image": lambda good: b"no image at all",
    "truncated JPEG": lambda good: good[: len(good) // 2],
    "only the magic bytes": lambda good: b"\xff\xd8\xff",
    "a bomb: 20000 x 20000 pixels of nothing": lambda good: png(20000, 20000, zeros(1, 100)),
    "a bomb that is complete": lambda good: png(9000, 6000, zeros(6000, 27001)),
    "the largest size": lambda good: png(2**31 - 1, 2**31 - 1, b""),
    "no size": lambda good: png(0, 0, b""),
    "too few pixels": lambda good: png(16, 32, zeros(1, 10)),
    "GIF": lambda good: b"GIF89a\x01\x00\x01\x00\x00\x00\x00;",
}


@pytest.mark.parametrize("kind", BAD_IMAGES)
def test_bad_images(server, http, channel, good, kind):
    place = 2
    contents = [good, good, BAD_IMAGES[kind](good)]
    rows = [{"b64": base64.b64encode(content).decode()} for content in contents]
    answer = http.request("POST", server.rest + PREDICT, json={"instances": rows})
    assert answer.status == 400, answer.data
    assert f"image_bytes[{place}]" in answer.json()["error"]
    code, text = predict(channel, "serving_default", image_bytes=messages.to_tensor(contents))
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert f"image_bytes[{place}]" in text


def predict(channel, signature, name="reid", **inputs):
    """The code and message of a gRPC prediction."""
    request = messages.PredictRequest(model_spec={"name": name, "signature_name": signature})
    for key, value in inputs.items():
        request.inputs.add(key=key, value=value)
    return raw_predict(channel, request.SerializeToString())


def raw_predict(channel, data):
    call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    try:
        call(data, timeout=60)
    except grpc.RpcError as error:
        return error.code(), error.details()
    return grpc.StatusCode.OK, ""


def nested(depth):
    return b'{"instances": ' + b"[" * depth + b"]" * depth + b"}"


BAD_BODIES = {
    "nothing": (b"", 400, "JSON"),
    "no JSON": (b"{'instances': 1}", 400, "JSON"),
    "no UTF-8": (b'{"instances": ["\xff\xfe"]}', 400, "JSON|UTF"),
    "no object": (b"[1, 2]", 400, "object"),
    "neither instances nor inputs": (b'{"signature_name": "pixels"}', 400, "instances"),
    "both": (b'{"instances": [], "inputs": []}', 400, "instances"),
    "deep": (nested(100_000), 400, "nest|deep"),
    "no list": (b'{"instances": 3}', 400, "instances"),
    "numbers for bytes": (b'{"instances": [3, 4]}', 400, "image_bytes"),
    "wrong base64": (b'{"instances": [{"b64": "!!!"}]}', 400, "base64|b64"),
    "base64 of another type": (b'{"instances": [{"b64": 3}]}', 400, "b64"),
    "wrong input": (b'{"inputs": {"pictures": []}}', 400, "image_bytes"),
    "wrong signature": (b'{"signature_name": "other", "instances": []}', (400, 404), "other"),
    "signature of another type": (b'{"signature_name": 3, "instances": []}', 400, "signature_name"),
    "ragged": (b'{"signature_name": "pixels", "instances": [[[1, 2], [3]]]}', 400, "images"),
    "text for pixels": (b'{"signature_name": "pixels", "instances": ["a"]}', 400, "images"),
    "wrong shape": (b'{"signature_name": "pixels", "instances": [[[[1, 2, 3]]]]}', 400, "images"),
    "NaN": (b'{"signature_name": "pixels", "instances": [[[[NaN, NaN, NaN]]]]}', 400, "."),
    "out of range": (b'{"signature_name": "pixels", "instances": [[[[256, -1, 1e400]]]]}', 400, "."),
    "too many rows": (json.dumps({"instances": [{"b64": ""}] * 100_000}).encode(), 400, "rows"),
}


@pytest.mark.parametrize(("body", "status", "message"), BAD_BODIES.values(), ids=BAD_BODIES)
def test_bad_bodies(server, http, body, status, message):
    answer = http.request("POST", server.rest + PREDICT, body=body)
    assert answer.status in (status if isinstance(status, tuple) else (status,)), answer.data
    error = answer.json()["error"]
    assert len(error) < 2000
    assert re.search(message, error), error


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 256, -1, 0.5, True, None, "1", [], {}])
def test_bad_pixels_in_json(server, http, size, value):
    height, width = size
    body = json.dumps({"signature_name": "pixels", "instances": [[[[value, 0, 0]] * width] * height]})
    answer = http.request("POST", server.rest + PREDICT, body=body)
    assert answer.status == 400, answer.data
    assert re.search("images|finite", answer.json()["error"]), answer.data


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1/models/other:predict", 404),
        ("GET", "/v1/models/other", 404),
        ("GET", "/v1/models/other/metadata", 404),
        ("POST", "/v1/models/reid/versions/99:predict", 404),
        ("POST", "/v1/models/reid/versions/x:predict", 404),
        ("POST", "/v1/models/reid/labels/nobody:predict", 404),
        ("POST", "/v1/models/reid:destroy", 404),
        ("POST", "/v1/models/../../etc/passwd:predict", 404),
        ("GET", "/" + "a" * 5000, 404),
        ("DELETE", "/v1/models/reid", 405),
        ("GET", "/v1/models/reid:predict", 405),
    ],
)
def test_wrong_places(server, http, method, path, status):
    body = b'{"instances": []}' if method == "POST" else None
    answer = http.request(method, server.rest + path, body=body)
    assert answer.status == status, answer.data


def test_a_body_of_100_megabytes(server, http, channel):
    body = b'{"instances": [{"b64": "' + b"A" * 100_000_000 + b'"}]}'
    try:
        answer = http.request("POST", server.rest + PREDICT, body=body)
    except urllib3.exceptions.ProtocolError:
        pass  # the server closed the connection while we were still sending
    else:
        assert answer.status == 413
        assert "bytes" in answer.json()["error"]
    content = messages.to_tensor([bytes(100_000_000)])
    code, _ = predict(channel, "serving_default", image_bytes=content)
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED


def tensor(dtype, shape, **content):
    return messages.Tensor(dtype=dtype, tensor_shape={"dim": [{"size": n} for n in shape]}, **content)


BAD_TENSORS = {
    "float pixels": ("pixels", lambda s: {"images": tensor(1, (1, *s, 3), float_val=[0.0])}),
    "NaN": ("pixels", lambda s: {"images": tensor(1, (1, *s, 3), float_val=[float("nan")])}),
    "another size": ("pixels", lambda s: {"images": tensor(4, (1, 3, 3, 3), tensor_content=bytes(27))}),
    "too little content": ("pixels", lambda s: {"images": tensor(4, (1, *s, 3), tensor_content=b"abc")}),
    "a size that is not there": (
        "pixels",
        lambda s: {"images": tensor(4, (2**40, *s, 3), tensor_content=b"a")},
    ),
    "negative": ("pixels", lambda s: {"images": tensor(4, (-1, *s, 3), tensor_content=b"a")}),
    "sizes whose product overflows": ("pixels", lambda s: {"images": tensor(4, (2**33, 2**33, 2**33, 3))}),
    "no such type": ("pixels", lambda s: {"images": tensor(99, (1, *s, 3))}),
    "text for pixels": ("pixels", lambda s: {"images": tensor(7, (1,), string_val=[b"a"])}),
    "pixels for text": ("serving_default", lambda s: {"image_bytes": tensor(4, (1,), tensor_content=b"a")}),
    "a scalar": ("serving_default", lambda s: {"image_bytes": tensor(7, (), string_val=[b"a"])}),
    "two dimensions": ("serving_default", lambda s: {"image_bytes": tensor(7, (1, 1), string_val=[b"a"])}),
    "fewer texts than rows": ("serving_default", lambda s: {"image_bytes": tensor(7, (3,))}),
    "no input": ("serving_default", lambda s: {}),
    "another input": ("serving_default", lambda s: {"pictures": tensor(7, (0,))}),
    "an input too many": (
        "serving_default",
        lambda s: {"image_bytes": tensor(7, (0,)), "pictures": tensor(7, (0,))},
    ),
}


@pytest.mark.parametrize(("signature", "inputs"), BAD_TENSORS.values(), ids=BAD_TENSORS)
def test_bad_tensors(channel, size, signature, inputs):
    code, text = predict(channel, signature, **inputs(size))
    assert code == grpc.StatusCode.INVALID_ARGUMENT, text
    assert len(text) > 10


def test_wrong_names_over_grpc(channel):
    empty = messages.to_tensor([])
    assert (
        predict(channel, "serving_default", name="other", image_bytes=empty)[0] == grpc.StatusCode.NOT_FOUND
    )
    code, text = predict(channel, "other", image_bytes=empty)
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert "other" in text
    assert raw_predict(channel, b"\xff\xff no message")[0] == grpc.StatusCode.INVALID_ARGUMENT


def test_clients_that_leave(server, good):
    """Connections that are cut off in the middle of a request."""
    host, port = server.rest.removeprefix("http://").split(":")
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n".encode()

    def leave(number):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall((head + b'{"instances": [')[: 10 + 5 * number])

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(leave, range(24)))
