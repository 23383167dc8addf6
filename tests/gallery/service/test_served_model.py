"""Embeddings by a model server: the version is pinned, and a swapped model never mixes."""

import contextlib
import http.server
import json
import threading

import numpy as np
import pytest

from keras_reid.embedding import UnreadableImage
from keras_reid.gallery.service.served_model import ServedModel
from keras_reid.gallery.service.service_error import ServiceError
from keras_reid.utils.errors import UserError


@contextlib.contextmanager
def model_server(**about):
    """A server with versions 2 and 3 of a model; `state` may be changed meanwhile."""
    state = {"fingerprint": "a" * 32, "status": 200, "error": "", "asked": [], **about}

    class Handler(http.server.BaseHTTPRequestHandler):
        def _answer(self, content, status=200):
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            versions = [(2, "AVAILABLE"), (3, "AVAILABLE"), (4, "LOADING")]
            self._answer({"model_version_status": [{"version": str(v), "state": s} for v, s in versions]})

        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state["asked"].append(self.path)
            if asked["signature_name"] == "metadata":
                metadata = {
                    "embedding_dim": 4,
                    "image_size": [8, 4],
                    "precision": "float32",
                    "threshold": None,
                }
                if state["fingerprint"]:
                    metadata["fingerprint"] = state["fingerprint"]
                metadata |= state.get("more", {})
                self._answer({"outputs": [json.dumps(metadata)]})
            elif state["status"] != 200:
                self._answer({"error": state["error"]}, state["status"])
            else:
                self._answer({"outputs": [[3.0, 4.0, 0.0, 0.0] for _ in asked["inputs"]["image_bytes"]]})

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/models/reid", state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_newest_available_version_is_pinned():
    with model_server() as (address, state):
        with ServedModel(address) as served:
            assert (served.version, served.image_size) == (3, (8, 4))
            assert (served.identity.fingerprint, served.identity.dimension) == ("a" * 32, 4)
            np.testing.assert_allclose(served([b"one", b"two"]), [[0.6, 0.8, 0, 0]] * 2, rtol=1e-6)
        assert set(state["asked"]) == {"/v1/models/reid/versions/3:predict"}
        with ServedModel(f"{address}/versions/2") as served:
            assert served.version == 2


def test_a_swapped_model_never_mixes():
    with model_server() as (address, state), ServedModel(address) as served:
        served([b"image"])
        state["fingerprint"] = "b" * 32
        with pytest.raises(
            ServiceError, match=r"another model under version 3 \(bbbbbbbb\) .* \(aaaaaaaa\)"
        ) as caught:
            served([b"image"])
        assert caught.value.status == 503
        state["fingerprint"] = "a" * 32
        served([b"image"])


def test_other_precisions_are_other_models():
    with model_server(more={"precision": "bfloat16"}) as (address, _), ServedModel(address) as served:
        assert served.identity.fingerprint == f"{'a' * 32} bfloat16"


def test_refusals():
    with model_server() as (address, state), ServedModel(address) as served:
        state.update(status=400, error="image_bytes[0] must be a complete file. Received: 3 bytes")
        with pytest.raises(UnreadableImage) as caught:
            served([b"abc"])
        assert "must be a complete file" in str(caught.value)
        assert "127.0.0.1" not in str(caught.value)
        state.update(status=500, error="secret")
        with pytest.raises(ServiceError, match="the model server does not answer") as caught:
            served([b"abc"])
        assert caught.value.status == 503
    with model_server(fingerprint="") as (address, _), pytest.raises(UserError, match="has no fingerprint"):
        ServedModel(address)
    with pytest.raises(UserError, match="cannot be reached"):
        ServedModel("http://127.0.0.1:9/v1/models/reid/versions/1")
    for wrong in (
        "http://127.0.0.1:8501",
        "grpc://x/v1/models/reid",
        "http://u:secret@x/v1/models/reid",
        "http://x/v1/models/reid:predict",
    ):
        with pytest.raises(UserError, match="--embed must be http://HOST:PORT/v1/models/NAME") as caught:
            ServedModel(wrong)
        assert "secret" not in str(caught.value)
