"""A stand-in for TensorFlow Serving, without TensorFlow, that fails on demand, to test how clients handle failures.

Its embedding of an image is `(length or first pixel, 1)`. A file that begins with "bad" fails its whole batch.
"""

import base64
import concurrent.futures
import contextlib
import http.server
import json
import threading
import time

import grpc
import numpy as np

from keras_reid.serving.client import messages

METADATA = {"embedding_dim": 2, "image_size": [4, 2], "threshold": 0.25, "calibration": {"metric": "cosine"}}
_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    404: grpc.StatusCode.NOT_FOUND,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
    503: grpc.StatusCode.UNAVAILABLE,
}


class Failure(Exception):
    def __init__(self, status, message):
        self.status, self.message = status, message


class StandIn:
    """The model's answers, for both protocols.

    Attributes:
        failures: status codes for the next predictions, in this order.
        requests: `(signature, rows, headers)` of each prediction.
        delay: seconds before each answer.
        state: state of its only version, 7, which has the label stable.
        most_open: predictions at the same time, so far.
    """

    def __init__(self):
        self.failures, self.requests, self.delay, self.state = [], [], 0.0, "AVAILABLE"
        self.open, self.most_open, self.lock = 0, 0, threading.Lock()

    def predict(self, name, version, signature, inputs, headers):
        with self.lock:
            self.open += 1
            self.most_open = max(self.most_open, self.open)
        try:
            time.sleep(self.delay)
            return self._predict(name, version, signature, inputs, headers)
        finally:
            with self.lock:
                self.open -= 1

    def _predict(self, name, version, signature, inputs, headers):
        if name != "reid" or version not in ("", "7", "stable"):
            raise Failure(404, f"Servable not found for request: {name} {version}")
        if signature == "metadata":
            return np.array([json.dumps(METADATA)] * len(inputs["rows"]), object)
        (rows,) = inputs.values()
        self.requests.append((signature, len(rows), headers))
        if self.failures:
            raise Failure(self.failures.pop(0), "as told")
        if signature == "pixels":
            return np.array([[row[0][0][0], 1] for row in rows], np.float32)
        bad = [row for row, contents in enumerate(rows) if contents.startswith(b"bad")]
        if bad:
            raise Failure(400, f"image_bytes[{bad[0]}] must be a JPEG, PNG or BMP file")
        return np.array([[len(contents), 1] for contents in rows], np.float32)


def _handler(model):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = (
            -1
        )  # head and body in one packet, because otherwise each answer waits 40 ms for an acknowledgement

        def log_message(self, *_):
            pass

        def do_GET(self):
            if not self.path.startswith("/v1/models/reid"):
                return self.answer(404, {"error": "no such model"})
            entry = {
                "version": "7",
                "state": model.state,
                "status": {"error_code": "OK", "error_message": "e"},
            }
            self.answer(200, {"model_version_status": [entry]})

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            _, _, _, name, *choice = self.path.partition(":")[0].split("/")
            inputs = {
                key: [base64.b64decode(row["b64"]) if isinstance(row, dict) else row for row in value]
                for key, value in body["inputs"].items()
            }
            try:
                version = choice[1] if choice else ""
                output = model.predict(name, version, body["signature_name"], inputs, dict(self.headers))
            except Failure as failure:
                return self.answer(failure.status, {"error": failure.message})
            self.answer(200, {"outputs": output.tolist()})

        def answer(self, status, content):
            body = json.dumps(content).encode()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

    return Handler


class _Servicer(grpc.GenericRpcHandler):
    def __init__(self, model):
        self.model = model

    def service(self, details):
        if details.method.endswith("PredictionService/Predict"):
            function, request = self.predict, messages.PredictRequest
        elif details.method.endswith("ModelService/GetModelStatus"):
            function, request = self.status, messages.StatusRequest
        else:
            return None
        return grpc.unary_unary_rpc_method_handler(
            function, request.FromString, lambda m: m.SerializeToString()
        )

    def predict(self, request, context):
        inputs = {}
        for pair in request.inputs:
            tensor, shape = pair.value, [dim.size for dim in pair.value.tensor_shape.dim]
            inputs[pair.key] = list(tensor.string_val)
            if tensor.tensor_content:
                inputs[pair.key] = np.frombuffer(tensor.tensor_content, np.uint8).reshape(shape)
        spec, headers = request.model_spec, dict(context.invocation_metadata())
        version = str(spec.version.value or "") or spec.version_label
        try:
            output = self.model.predict(spec.name, version, spec.signature_name, inputs, headers)
        except Failure as failure:
            context.abort(_CODES[failure.status], failure.message)
        dim = [{"size": n} for n in output.shape]
        content = {"dtype": 1, "float_val": output.reshape(-1)}
        if output.dtype == object:
            content = {"dtype": 7, "string_val": [text.encode() for text in output.reshape(-1)]}
        answer = messages.PredictResponse()
        answer.outputs.add(key=request.output_filter[0], value={"tensor_shape": {"dim": dim}, **content})
        return answer

    def status(self, request, context):
        if request.model_spec.name != "reid":
            context.abort(grpc.StatusCode.NOT_FOUND, "no such model")
        answer = messages.StatusResponse()
        state = next(number for number, name in messages.STATES.items() if name == self.model.state)
        answer.model_version_status.add(version=7, state=state, status={"error_message": "e"})
        return answer


@contextlib.contextmanager
def rest(model, context=None, port=0):
    """Serves REST; yields the port. `context` is for TLS."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), _handler(model))
    server.daemon_threads = True
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def rpc(model, credentials=None, port=0):
    """Serves gRPC; yields the port."""
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        server = grpc.server(pool, handlers=[_Servicer(model)])
        address = f"localhost:{port}"
        port = (
            server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
        )
        server.start()
        try:
            yield port
        finally:
            server.stop(0).wait()
