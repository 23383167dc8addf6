"""The lines of serving/README.md and the examples do what they say."""

import io
import json
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from keras_reid.serving.client import Client

SERVING = pathlib.Path(__file__).parents[2] / "serving"
COMMANDS = re.findall(r"```bash\n(.*?)```", (SERVING / "README.md").read_text(), re.DOTALL)

pytestmark = pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")


@pytest.fixture(scope="module")
def person(tmp_path_factory, server):
    """A folder with person.jpg, the server's answer for it, and the size of the model's images."""
    folder = tmp_path_factory.mktemp("curl")
    pixels = np.random.default_rng(0).integers(0, 256, (8, 4, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).resize((64, 128)).save(stream, "JPEG")
    (folder / "person.jpg").write_bytes(stream.getvalue())
    with Client(server.rest) as client:
        return folder, client.embed([stream.getvalue()])[0], client.metadata()["image_size"]


def shell(command, folder, server):
    address = server.rest.removeprefix("http://")
    command = command.replace("localhost:8501", address).replace("localhost:8500", server.grpc)
    process = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command], cwd=folder, capture_output=True, text=True, timeout=60
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def documents(text):
    """Splits concatenated JSON documents."""
    found, text = [], text.strip()
    while text:
        document, end = json.JSONDecoder().raw_decode(text)
        found.append(document)
        text = text[end:].strip()
    return found


def test_curl(person, server):
    folder, expected, (height, width) = person
    assert len(COMMANDS) == 4
    status, metadata = documents(shell(COMMANDS[0], folder, server))
    assert status["model_version_status"][0]["state"] == "AVAILABLE"
    assert "serving_default" in metadata["metadata"]["signature_def"]["signature_def"]
    for command in (COMMANDS[1], COMMANDS[3]):
        (answer,) = documents(shell(command, folder, server))
        np.testing.assert_allclose(answer["predictions"], [expected], atol=1e-5)
    pixels = COMMANDS[2].replace("seq 63", f"seq {width - 1}").replace("seq 127", f"seq {height - 1}")
    (answer,) = documents(shell(pixels, folder, server))
    with Client(server.rest) as client:
        grey = client.embed(np.full((1, height, width, 3), 128, np.uint8))
    np.testing.assert_allclose(answer["predictions"], grey, atol=1e-5)


def test_example_with_curl(person, server):
    folder, expected, _ = person
    said = shell(f"{SERVING}/examples/curl.sh person.jpg http://localhost:8501", folder, server)
    np.testing.assert_allclose(documents(said)[-1]["predictions"], [expected], atol=1e-5)


@pytest.mark.medium
def test_example_with_official_stubs(person, server):
    folder = person[0]
    code = f"{sys.executable} {SERVING}/examples/grpc_predict.py localhost:8500 person.jpg person.jpg"
    said = shell(code, folder, server)
    assert "2 embeddings of" in said
    assert re.search(r"\[\[1\. 1\.\]\s+\[1\. 1\.\]\]", said)
