"""`keras_reid.serving.publish` under load, on a server that only this test uses."""

import json
import shutil
import threading

import numpy as np
import pytest

from keras_reid.export.hashes import file_hashes
from keras_reid.serving.client import Client
from keras_reid.serving.publish import publish

pytestmark = pytest.mark.medium


@pytest.fixture
def export(savedmodel, tmp_path):
    """The SavedModel as written by the command."""
    folder = tmp_path / "export"
    shutil.copytree(savedmodel, folder)
    parity = {"verified": True, "sha256": file_hashes(folder)}
    (folder / "parity.json").write_text(json.dumps(parity))
    return folder


def test_no_request_fails_while_versions_are_published(start, export, tmp_path):
    models = tmp_path / "models" / "reid"
    publish(export, models)
    own_server = start(models, "--poll-seconds", 0.2)
    over, answers, errors = threading.Event(), [], []
    with Client(own_server.rest) as client:
        height, width = client.metadata()["image_size"]
    image = np.random.default_rng(0).integers(0, 256, (1, height, width, 3), np.uint8)

    def ask(url):
        with Client(url, retries=0, timeout=60) as client:
            while not over.is_set():
                try:
                    answers.append(client.embed(image)[0])
                except Exception as error:
                    errors.append(error)

    threads = [
        threading.Thread(target=ask, args=(url,))
        for url in (own_server.rest, f"grpc://{own_server.grpc}")
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    try:
        for _ in range(2):
            version = publish(export, models).name
            own_server.wait_for("AVAILABLE", version)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert errors == []
    assert len(answers) > 6
    np.testing.assert_allclose(answers, np.broadcast_to(answers[0], np.shape(answers)), atol=1e-5)
