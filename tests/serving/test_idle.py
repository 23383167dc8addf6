"""Connections without a request are closed; those that wait for an answer are not."""

import pathlib
import socket
import time
import urllib.parse

import grpc
import numpy as np
import pytest

from keras_reid.serving.client import messages

pytestmark = pytest.mark.medium

IDLE = 0.2  # seconds; less than the signature `slow` takes
PATIENCE = 60


@pytest.fixture(scope="module")
def server(start, tiny_model):
    return start(tiny_model, "--poll-seconds", 0, "--idle-seconds", IDLE)


def connect(address):
    host, _, port = urllib.parse.urlsplit(address).netloc.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE)


def is_closed(connection, piece=b""):
    """Whether the server closes the connection in time although pieces keep arriving."""
    connection.settimeout(IDLE / 4)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            connection.sendall(piece)
            if connection.recv(4096) == b"":
                return True
        except TimeoutError:
            continue
        except OSError:  # it was closed while data was in transit
            return True
    return False


@pytest.mark.parametrize(
    ("first", "piece"),
    [
        (b"", b""),
        (b"GET /v1/models/reid HTTP/1.1\r\nHost: a\r\nX: ", b""),
        (b"GET /v1/models/reid HTTP/1.1\r\nHost: a\r\nX: ", b"x"),
        (b"GET /v1/models/reid HTTP/1.1\r\nHost: a\r\n\r\n", b""),
        (b"POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n", b"x"),
    ],
    ids=["nothing", "half a head", "a head without end", "one request", "the body of a refused request"],
)
def test_rest_closes_it(server, first, piece):
    with connect(server.rest) as connection:
        connection.sendall(first)
        assert is_closed(connection, piece)


def test_rest_closes_it_where_nobody_fetches_the_answers(server):
    ask = b"GET /v1/models/reid/metadata HTTP/1.1\r\nHost: a\r\n\r\n"
    host, _, port = urllib.parse.urlsplit(server.rest).netloc.rpartition(":")
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(PATIENCE)
        connection.connect((host, int(port)))
        connection.sendall(ask * 1500)
        time.sleep(3)
        assert is_gone(connection)


def is_gone(connection):
    """Whether the server has dropped the connection, whatever is left in the client's buffers."""
    mine = f":{connection.getsockname()[1]:04X}"
    lines = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()]
    # The state at the server's end: established, or closed only by the client.
    return not [line for line in lines if line[2].endswith(mine) and line[3] in ("01", "08")]


def test_rest_answers_what_takes_longer(server, http):
    body = {"signature_name": "slow", "inputs": {"images": np.zeros((1, 8, 4, 3), int).tolist()}}
    start = time.monotonic()
    answer = http.request("POST", f"{server.rest}/v1/models/reid:predict", json=body)
    assert answer.status == 200
    assert time.monotonic() - start > IDLE, "the test is no test if it is as fast as that"


def test_rpc_closes_a_connection_that_says_nothing(server):
    with connect(f"grpc://{server.grpc}") as connection:
        assert is_closed(connection)


def test_rpc_closes_a_connection_without_calls_and_answers_the_next(server):
    states = []
    with grpc.insecure_channel(server.grpc) as channel:
        channel.subscribe(states.append, try_to_connect=True)
        grpc.channel_ready_future(channel).result(PATIENCE)
        end = time.monotonic() + PATIENCE
        while states[-1] != grpc.ChannelConnectivity.IDLE and time.monotonic() < end:
            time.sleep(IDLE / 4)
        assert states[-1] == grpc.ChannelConnectivity.IDLE
        ask = channel.unary_unary("/tensorflow.serving.ModelService/GetModelStatus")
        assert ask(messages.StatusRequest(model_spec={"name": "reid"}).SerializeToString(), timeout=PATIENCE)
