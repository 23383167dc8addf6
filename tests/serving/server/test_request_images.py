"""Files of several requests are decoded together, and a faulty one fails alone."""

import asyncio
import concurrent.futures
import types

import numpy as np
import pytest

from keras_reid.serving.server.batching_config import BatchingParameters
from keras_reid.serving.server.loaded_model import LoadedModel
from keras_reid.serving.server.request_images import Decoder
from keras_reid.serving.server.serving_error import ServingError
from tests.serving.conftest import jpeg


@pytest.fixture(scope="module")
def decode(savedmodel):
    return LoadedModel(savedmodel).route("serving_default").decode


@pytest.fixture(scope="module")
def decoder(decode):
    with concurrent.futures.ThreadPoolExecutor(2) as workers:
        yield Decoder(
            decode,
            types.SimpleNamespace(
                parameters=BatchingParameters(max_batch_size=4), workers=workers, max_request_pixels=1e8
            ),
        )


def files(*contents):
    return {"image_bytes": np.array([*contents, None], object)[:-1]}


def test_the_requests_of_a_batch(decode, decoder):
    pixels = {"images": np.zeros((2, 32, 16, 3), np.uint8)}
    requests = [
        *(files(jpeg(0)), pixels, files(jpeg(1), b"none"), files(jpeg(2), jpeg(3), jpeg(4)), files()),
        *(files(b""), files(jpeg(5))),
    ]
    answers = decoder.decode_all(requests)
    assert answers[1] is pixels
    for index in (0, 3, 4, 6):
        np.testing.assert_array_equal(answers[index]["images"], decode(requests[index])["images"])
    for index, place in ((2, r"image_bytes\[1\]"), (5, r"image_bytes\[0\]")):
        with pytest.raises(ServingError, match=place):
            raise answers[index]
    assert decoder.decode_all([pixels]) == [pixels]


def test_few_calls_find_a_faulty_request(decode, decoder, monkeypatch):
    calls, signature = [], decode.signature

    class Recorded:
        inputs = signature.inputs

        def __call__(self, inputs):
            calls.append(len(inputs["image_bytes"]))
            return signature(inputs)

    monkeypatch.setattr(decode, "signature", Recorded())
    answers = decoder.decode_all([files(jpeg(seed)) for seed in range(15)] + [files(b"none")])
    assert [isinstance(answer, ServingError) for answer in answers] == [False] * 15 + [True]
    assert calls == [16, 8, 8, 4, 4, 2, 2, 1, 1]


def test_a_failure_that_is_not_the_images_is_not_repeated(decode, decoder, monkeypatch):
    calls = []

    def fails(inputs):
        calls.append(inputs)
        raise ServingError("INTERNAL", "out of memory")

    monkeypatch.setattr(decode, "signature", fails)
    answers = decoder.decode_all([files(jpeg()), files(jpeg())])
    assert [answer.code for answer in answers] == ["INTERNAL", "INTERNAL"]
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("contents", "with_batch", "later"),
    [
        ([jpeg()], True, True),
        ([jpeg()], False, False),
        ([jpeg()] * 4, True, True),
        ([jpeg()] * 5, True, False),  # more than a batch may have
        ([jpeg(size=(400, 400))], True, False),
        ([jpeg(size=(400, 400)), jpeg()], True, True),  # small on average
        ([], True, True),
    ],
    ids=["small", "without batch", "a batch", "more", "large", "large and small", "none"],
)
def test_small_images_are_left_to_their_batch(decoder, contents, with_batch, later):
    request = files(*contents)
    answer = asyncio.run(decoder(request, with_batch))
    assert (answer is request) == later
    if not later:
        assert answer["images"].shape == (len(contents), 32, 16, 3)
