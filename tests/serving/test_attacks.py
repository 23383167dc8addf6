"""Slow clients, and clients with images that are expensive to decode, do not hold up other clients."""

import concurrent.futures
import contextlib
import json
import os
import pathlib
import socket
import struct
import time

import grpc
import pytest
import urllib3

from keras_reid.serving.client import Client, messages
from tests.data.images import jpeg_of_scans
from tests.serving.beside import BUSY, good_requests_beside
from tests.serving.conftest import b64, jpeg

pytestmark = pytest.mark.medium

HEAD = "POST /v1/models/reid:predict HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n"


def connect(address):
    host, _, port = address.rpartition("/")[2].rpartition(":")
    return socket.create_connection((host, int(port)), timeout=60)


def memory(server):
    """Memory of a server in bytes."""
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmRSS"))


def rpc_beginning(size):
    """The bytes of a gRPC call up to a message of the given size, whose content never follows."""

    def frame(kind, flags, stream, content):
        return (
            struct.pack(">I", len(content))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + content
        )

    def field(name, value):
        return bytes([0, len(name)]) + name + bytes([len(value)]) + value

    fields = (
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", b"/tensorflow.serving.PredictionService/Predict"),
        (b":authority", b"localhost"),
        (b"te", b"trailers"),
        (b"content-type", b"application/grpc"),
    )
    start = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"")
    headers = frame(1, 4, 1, b"".join(field(*pair) for pair in fields))
    return start + headers + frame(0, 0, 1, b"\0" + struct.pack(">I", size) + b"begin")


def drip(server, clients, seconds):
    """Many clients send heads, bodies and gRPC messages byte by byte."""
    beginnings = (
        (server.rest, HEAD.format(1000).encode(), b" "),
        (server.rest, HEAD.format(1000)[:40].encode(), b"x"),
        (server.grpc, rpc_beginning(1000), b""),
    )
    with contextlib.ExitStack() as stack:
        slow = []
        for number in range(clients):
            address, beginning, piece = beginnings[number % len(beginnings)]
            connection = stack.enter_context(connect(address))
            connection.sendall(beginning)
            slow.append((connection, piece))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for connection, piece in slow:
                with contextlib.suppress(OSError):  # the server may have closed the connection, as it should
                    connection.sendall(piece)
            time.sleep(0.2)


def test_slow_clients_take_no_place(start, savedmodel):
    server = start(savedmodel, "--poll-seconds", 0, "--max-concurrent-requests", 8)
    with good_requests_beside(server, BUSY):
        drip(server, clients=60, seconds=2)


@pytest.mark.slow
def test_500_slow_clients(start, savedmodel):
    server = start(savedmodel, "--poll-seconds", 0)
    with good_requests_beside(server):
        drip(server, clients=500, seconds=30)


def test_slow_calls_of_grpc_end(start, tiny_model):
    server = start(tiny_model, "--poll-seconds", 0, "--timeout-seconds", 0.5)
    with connect(server.grpc) as connection:
        connection.sendall(rpc_beginning(1000))
        answer = b""
        while b"longer than 0.5 s" not in answer:
            piece = connection.recv(1 << 16)
            assert piece, answer
            answer += piece


def half_sent(server, clients, size):
    """Sends bodies without their last byte; returns how many the server has rejected halfway."""
    with contextlib.ExitStack() as stack:
        body, refused = b"x" * (size - 1), 0
        connections = [stack.enter_context(connect(server.rest)) for _ in range(clients)]
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.sendall(HEAD.format(size).encode() + body)
        time.sleep(1)
        for connection in connections:
            connection.setblocking(False)
            with contextlib.suppress(BlockingIOError, ConnectionError):
                refused += connection.recv(100).startswith(b"HTTP/1.1 503")
        return refused


def test_half_sent_bodies_hold_no_more_than_they_may(start, savedmodel):
    options = ("--poll-seconds", 0, "--max-body-mebibytes", 2, "--max-pending-mebibytes", 8)
    server = start(savedmodel, *options)
    with good_requests_beside(server, BUSY):
        assert half_sent(server, clients=12, size=2 << 20) >= 8


@pytest.mark.slow
def test_40_half_sent_bodies(server):
    before = memory(server)
    with good_requests_beside(server):
        assert half_sent(server, clients=40, size=30 << 20) >= 30
        assert memory(server) - before < 800 << 20
    assert server.predict({"instances": [b64(jpeg())]}).status_code == 200


def attacked(server, seconds, clients):
    """Sends requests at and above the cost limit; returns the status codes."""
    dear = jpeg_of_scans(5000, 5000, 30)
    bodies = [
        json.dumps({"instances": [b64(data)] * rows}).encode()
        for data, rows in (
            (dear, 4),
            (dear, 5),
            (dear[:-2], 1),
            (jpeg_of_scans(5000, 5000, 4000), 1),
            (jpeg_of_scans(5000, 5000, 1), 4),
            (jpeg_of_scans(5000, 5000, 1), 16),
        )
    ]
    end, codes = time.monotonic() + seconds, set()

    def attack(number):
        with urllib3.PoolManager(retries=False, timeout=120) as pool:
            while time.monotonic() < end:
                body = bodies[number % len(bodies)]
                answer = pool.request("POST", f"{server.rest}/v1/models/reid:predict", body=body)
                codes.add((number % len(bodies), answer.status))
                number += clients

    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        for done in [pool.submit(attack, number) for number in range(clients)]:
            done.result()
    return codes


def check_codes(codes):
    assert {status for kind, status in codes if kind in (1, 2, 3, 5)} == {400}
    assert {status for kind, status in codes if kind in (0, 4)} <= {200, 504}


def test_images_that_are_dear_to_decode(start, savedmodel):
    server = start(savedmodel, "--poll-seconds", 0, "--timeout-seconds", 3)
    with good_requests_beside(server, BUSY):
        check_codes(attacked(server, seconds=4, clients=6))


@pytest.mark.slow
def test_a_minute_of_images_that_are_dear_to_decode(start, savedmodel):
    server = start(savedmodel, "--poll-seconds", 0)
    before = memory(server)
    with good_requests_beside(server):
        check_codes(attacked(server, seconds=60, clients=24))
    assert memory(server) - before < 1500 << 20


def test_bodies_that_are_dear_to_parse(server):
    numbers = b"[" + b"[1,2,3]," * 900_000 + b"[1,2,3]]"
    lists = b"[]," * 1_900_000 + b"[]"
    texts = (
        b'{"signature_name":"pixels","instances":[' + inner + b"]}" for inner in (numbers, lists, lists * 5)
    )
    bodies = list(texts)

    def attack(body):
        with urllib3.PoolManager(retries=False, timeout=120) as pool:
            return [
                pool.request("POST", f"{server.rest}/v1/models/reid:predict", body=body).status
                for _ in range(2)
            ]

    with good_requests_beside(server, BUSY), concurrent.futures.ThreadPoolExecutor(3) as pool:
        assert list(pool.map(attack, bodies)) == [[400, 400]] * 3


def test_nothing_is_decoded_for_a_request_that_has_given_up(start, savedmodel):
    server = start(savedmodel, "--poll-seconds", 0, "--timeout-seconds", 0.5)
    picture = b64(jpeg_of_scans(5000, 5000, 30))

    def cost(count):
        before = processor_seconds(server)
        assert server.predict({"instances": [picture] * count}).status_code == 504
        return until_idle(server) - before

    # The image that is being decoded is decoded to its end, and no other one.
    one = cost(1)
    assert cost(4) < 2.5 * one


def until_idle(server):
    """Waits until the server does nothing for half a second; returns its processor time."""
    spent = processor_seconds(server)
    for _ in range(120):
        time.sleep(0.5)
        last, spent = spent, processor_seconds(server)
        if spent - last < 0.1:
            return spent
    raise AssertionError("the server computes for a minute")


def processor_seconds(server):
    fields = pathlib.Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_pixels_of_a_request_together(server):
    pictures = [jpeg_of_scans(5000, 5000, 1)] * 5
    words = "100 megapixels together. Received: 125.0 in 5 images"
    answer = server.predict({"instances": [b64(picture) for picture in pictures]})
    assert (answer.status_code, words in answer.json()["error"]) == (400, True)
    request = messages.PredictRequest(model_spec={"name": "reid"})
    request.inputs.add(key="image_bytes", value=messages.to_tensor(pictures))
    call = server.channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    with pytest.raises(grpc.RpcError) as raised:
        call(request.SerializeToString(), timeout=60)
    assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert words in raised.value.details()
    # The client repeats a rejected batch image by image.
    with Client(server.rest) as client:
        assert client.embed(pictures[:1] + [jpeg()] * 3 + pictures[1:]).shape[0] == 8
