"""Both servers and both protocols give the same answers.

With `TF_SERVING_URL=http://HOST:8501` (and `TF_SERVING_GRPC=HOST:8500` if it is on another host) the same tests use a
real TensorFlow Serving that serves an export as "reid".
"""

import concurrent.futures
import dataclasses
import io
import os
import urllib.parse

import numpy as np
import pytest
from PIL import Image

from keras_reid.serving.client import Client, Refused, ServingError

REAL = os.environ.get("TF_SERVING_URL")


@dataclasses.dataclass(frozen=True)
class Endpoint:
    urls: dict

    def client(self, protocol, **options):
        return Client(self.urls[protocol], **options)


@pytest.fixture(
    scope="module",
    params=[
        "embedded",
        pytest.param(
            "tensorflow-serving",
            marks=pytest.mark.skipif(not REAL, reason="TF_SERVING_URL names no TensorFlow Serving"),
        ),
    ],
)
def endpoint(request):
    if request.param == "embedded":
        server = request.getfixturevalue("server")
        return Endpoint({"http": server.rest, "grpc": f"grpc://{server.grpc}"})
    address = os.environ.get("TF_SERVING_GRPC", f"{urllib.parse.urlsplit(REAL).hostname}:8500")
    return Endpoint({"http": REAL, "grpc": f"grpc://{address}"})


@pytest.fixture(params=["http", "grpc"])
def protocol(request):
    return request.param


@pytest.fixture(scope="module")
def pixels(endpoint):
    """Nine images in the model's size."""
    with endpoint.client("grpc") as client:
        height, width = client.metadata()["image_size"]
    coarse = np.random.default_rng(0).integers(0, 256, (9, 4, 2, 3), np.uint8)
    images = [Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC) for image in coarse]
    return np.stack([np.asarray(image) for image in images])


@pytest.fixture(scope="module")
def files(pixels):
    return [encoded(image) for image in pixels]


def encoded(image, form="PNG"):
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, form)
    return stream.getvalue()


@pytest.fixture(scope="module")
def expected(endpoint, pixels):
    with endpoint.client("grpc") as client:
        return client.embed(pixels)


def test_embeddings_have_unit_length_and_differ(expected):
    np.testing.assert_allclose(np.linalg.norm(expected, axis=1), 1, atol=1e-4)
    assert np.max(expected @ expected.T - np.eye(len(expected))) < 0.99999


def test_they_are_the_exported_models(expected, pixels, request, endpoint):
    if "embedded" not in request.node.callspec.id:
        pytest.skip("the model of a TensorFlow Serving elsewhere is not here")
    import tensorflow as tf

    export = tf.saved_model.load(str(request.getfixturevalue("savedmodel")))
    answer = export.signatures["pixels"](images=tf.constant(pixels))["embedding"]
    np.testing.assert_allclose(expected, answer, atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 4, 32])
def test_batches_protocols_and_signatures_agree(endpoint, protocol, batch_size, pixels, files, expected):
    with endpoint.client(protocol, batch_size=batch_size) as client:
        np.testing.assert_allclose(client.embed(pixels), expected, atol=1e-5)
        np.testing.assert_allclose(client.embed(files), expected, atol=1e-5)


def test_files_of_other_sizes_and_formats(endpoint, protocol, pixels):
    large = np.asarray(Image.fromarray(pixels[0]).resize((301, 203)))
    with endpoint.client(protocol) as client:
        embeddings = client.embed([encoded(large, form) for form in ("PNG", "JPEG", "BMP")])
    np.testing.assert_allclose(embeddings[0], embeddings[2], atol=1e-5)
    assert embeddings[0] @ embeddings[1] > 0.9


def test_status_and_metadata(endpoint, protocol, expected):
    with endpoint.client(protocol) as client:
        client.check_available()
        if protocol == "http" and endpoint.urls["http"] == REAL:
            pytest.xfail("TensorFlow Serving's REST takes no request without inputs")
        metadata = client.metadata()
        assert metadata["embedding_dim"] == expected.shape[1]
        assert client.threshold() == metadata["threshold"]


def test_versions(endpoint, protocol, files, expected):
    with endpoint.client(protocol) as client:
        version = next(entry["version"] for entry in client.status() if entry["state"] == "AVAILABLE")
    with endpoint.client(protocol, version=version) as client:
        np.testing.assert_allclose(client.embed(files), expected, atol=1e-5)
    for missing in ({"version": 987654}, {"label": "nobody"}, {"model": "other"}):
        with endpoint.client(protocol, **missing) as client, pytest.raises(ServingError) as caught:
            client.embed(files)
        assert not isinstance(caught.value, Refused)


def test_the_faulty_image_is_named_and_the_others_are_not_harmed(endpoint, protocol, files, expected):
    broken = files[3][: len(files[3]) // 2]
    with endpoint.client(protocol, batch_size=4) as client:
        with pytest.raises(Refused, match=r"images\[6\]: "):
            client.embed([*files[:6], broken, *files[6:]])
        np.testing.assert_allclose(client.embed(files), expected, atol=1e-5)


def test_many_at_the_same_time(endpoint, protocol, files, expected):
    """64 clients with one image each, which the server merges."""
    with endpoint.client(protocol, in_flight=64) as client, concurrent.futures.ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(lambda row: client.embed([files[row % len(files)]])[0], range(192)))
    np.testing.assert_allclose(answers, expected[np.arange(192) % len(files)], atol=1e-5)
