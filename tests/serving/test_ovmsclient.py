"""Tests with ovmsclient, a third-party client for TensorFlow Serving, in a separate environment."""

import io
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from keras_reid.serving.client import Client

pytestmark = pytest.mark.slow

SCRIPT = """
import json, sys
import numpy as np
import ovmsclient
from ovmsclient.tfs_compat.grpc.requests import make_predict_request
from ovmsclient.tfs_compat.grpc.responses import GrpcPredictResponse

VERSION = 1  # its default, 0, means the newest to OpenVINO's server, and version 0 to TensorFlow Serving
grpc_address, rest_address, image, pixels = sys.argv[1:]
image, pixels = open(image, "rb").read(), np.load(pixels)
told = {}
for name, client in (
    ("grpc", ovmsclient.make_grpc_client(grpc_address)), ("rest", ovmsclient.make_http_client(rest_address))
):
    told[name] = {
        "status": {str(k): v for k, v in client.get_model_status("reid", VERSION).items()},
        "bytes": np.asarray(client.predict({"image_bytes": [image]}, "reid", VERSION)).tolist(),
    }
client = ovmsclient.make_grpc_client(grpc_address)
metadata = client.get_model_metadata("reid", VERSION)
told["metadata"] = {key: list(metadata[key]) for key in ("inputs", "outputs")}
request = make_predict_request({"images": pixels}, "reid", VERSION)
request.raw_request.model_spec.signature_name = "pixels"  # it has no argument for it
answer = client.prediction_service_stub.Predict(request.raw_request, 30)
told["pixels"] = np.asarray(GrpcPredictResponse(answer).to_dict()["outputs"]).tolist()
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The interpreter of an environment with ovmsclient: $OVMSCLIENT_PYTHON, or a new one."""
    given = os.environ.get("OVMSCLIENT_PYTHON")
    if given:
        return given
    folder = tmp_path_factory.mktemp("ovmsclient")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "ovmsclient==2023.1"]
    process = subprocess.run(pip, capture_output=True, text=True)
    if process.returncode:
        pytest.skip(f"ovmsclient cannot be installed here: {process.stderr[-300:]}")
    return folder / "bin" / "python"


def test_status_metadata_and_predictions(python, server, tmp_path):
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 16, 3), np.uint8)).save(stream, "PNG")
    (tmp_path / "image.png").write_bytes(stream.getvalue())
    with Client(server.rest) as client:
        height, width = client.metadata()["image_size"]
        pixels = np.random.default_rng(1).integers(0, 256, (2, height, width, 3), np.uint8)
        expected = {"bytes": client.embed([stream.getvalue()]), "pixels": client.embed(pixels)}
    np.save(tmp_path / "pixels.npy", pixels)
    arguments = [
        server.grpc,
        server.rest.removeprefix("http://"),
        tmp_path / "image.png",
        tmp_path / "pixels.npy",
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    process = subprocess.run(
        [pathlib.Path(python), "-c", SCRIPT, *arguments], capture_output=True, text=True, env=environment
    )
    assert process.returncode == 0, process.stderr
    told = json.loads(process.stdout)
    for protocol in ("grpc", "rest"):
        assert {entry["state"] for entry in told[protocol]["status"].values()} == {"AVAILABLE"}
        np.testing.assert_allclose(told[protocol]["bytes"], expected["bytes"], atol=1e-5)
    assert told["metadata"] == {"inputs": ["image_bytes"], "outputs": ["embedding"]}
    np.testing.assert_allclose(told["pixels"], expected["pixels"], atol=1e-5)
