"""Each limit, at its edge."""

import concurrent.futures

import numpy as np
import pytest

from tests.serving import tiny

pytestmark = pytest.mark.medium


@pytest.fixture(scope="module")
def limited(start, tiny_model, tmp_path_factory):
    batching = tmp_path_factory.mktemp("batching") / "batching.config"
    batching.write_text(
        "max_batch_size { value: 2 } max_enqueued_batches { value: 1 } num_batch_threads { value: 1 }"
    )
    return start(
        *(tiny_model, "--poll-seconds", 0, "--batching-config", batching),
        *("--max-rows", 5, "--max-nesting", 5, "--max-body-mebibytes", 1),
        *("--max-concurrent-requests", 2, "--timeout-seconds", 3, "--max-json-values", 10_000),
    )


def body(count, signature="pixels"):
    images = np.zeros((count, tiny.HEIGHT, tiny.WIDTH, 3), np.uint8)
    return {"signature_name": signature, "instances": images.tolist()}


def test_rows(limited):
    assert limited.predict(body(5)).status_code == 200
    assert "at most 5 rows" in limited.predict(body(6)).json()["error"]


def test_nesting(limited):
    deep = {"signature_name": "pixels", "instances": [[[[[[1]]]]]]}
    assert "nested at most 5 deep. Received: 7" in limited.predict(deep).json()["error"]


def test_values(limited):
    numbers = {"signature_name": "two", "inputs": {"a": [[1, 2]] * 3, "b": [1] * 3, "x": [1] * 9900}}
    assert limited.predict(numbers).status_code == 200
    for more in ({"x": [1] * 10_000}, {"x": [[]] * 5000}, {"x": dict.fromkeys(map(str, range(1200)), 1)}):
        answer = limited.predict({"signature_name": "two", "inputs": {**numbers["inputs"], **more}})
        assert answer.status_code == 400
        assert "JSON may have at most 10000 values" in answer.json()["error"]
    assert (
        limited.predict({"instances": [{"b64": "QUJD" * 9000}]}).status_code == 400
    )  # one value, and no image


def test_body(limited):
    text = b'{"signature_name": "two", "inputs": {"a": [[1, 1]], "b": [1]}}'
    assert limited.predict(text + b" " * ((1 << 20) - len(text))).status_code == 200
    assert limited.predict(text + b" " * ((1 << 20) - len(text) + 1)).status_code == 413


def test_concurrent_requests(limited):
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: limited.predict(body(1, "slow")), range(12)))
    codes = {answer.status_code for answer in answers}
    assert {200, 503} <= codes <= {200, 503, 504}  # 504 on a busy machine
    reasons = " ".join(answer.json()["error"] for answer in answers if answer.status_code == 503)
    assert "already holds 2 requests" in reasons
    assert limited.predict(body(1)).status_code == 200


def test_time(limited):
    with limited.http.post(
        f"{limited.rest}/v1/models/reid:predict", body_that_never_ends(), stream=True, timeout=60
    ) as answer:
        assert answer.status_code == 504
        assert "longer than 3 s" in answer.json()["error"]
    assert limited.predict(body(1)).status_code == 200


def body_that_never_ends():
    import time

    yield b'{"instances": '
    time.sleep(4)
    yield b"[]}"
