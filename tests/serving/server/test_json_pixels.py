"""The fast reader of pixels agrees with the general parser, or leaves the body to it."""

import json
import random
import types

import numpy as np
import pytest

from keras_reid.serving.server import json_inputs, json_pixels
from keras_reid.serving.server.options import Limits
from keras_reid.serving.server.serving_error import ServingError
from keras_reid.serving.server.tensors import Spec

SHAPE = (8, 5, 3)
LIMITS = Limits(max_rows=4, max_nesting=8)


def model(dtype=np.uint8, shape=(None, *SHAPE), **more):
    """A model with a signature `pixels`, which is also the default one."""
    inputs = {"images": Spec(np.dtype(dtype), shape, np.dtype(dtype).name), **more}
    route = types.SimpleNamespace(signature=types.SimpleNamespace(inputs=inputs))
    return types.SimpleNamespace(routes={"pixels": route, "serving_default": route})


def generally(body, model):
    """What the general parser makes of a body; None if it rejects it."""
    try:
        payload = json_inputs.parse(body, LIMITS.max_nesting)
        route = model.routes.get(json_inputs.signature_name(payload))
        return route and (
            route,
            *json_inputs.read_inputs(payload, route.signature.inputs, LIMITS.max_rows),
        )
    except ServingError:
        return None


def pixels(rows=2, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (rows, *SHAPE), np.uint8)


def bodies(values):
    """The same images in all forms, compact and as Python's json writes them."""
    for document in (
        {"signature_name": "pixels", "instances": values},
        {"instances": values, "signature_name": ""},
        {"instances": values},
        {"inputs": values},
        {"inputs": {"images": values}},
        {"signature_name": "pixels", "instances": [{"images": image} for image in values]},
    ):
        for separators in ((",", ":"), None):
            yield json.dumps(document, separators=separators).encode()


@pytest.mark.parametrize("rows", [1, 4])
def test_all_forms(rows):
    served, images = model(), pixels(rows)
    images.flat[:5] = 0, 9, 10, 99, 255
    for body in bodies(images.tolist()):
        route, arrays, by_rows = json_pixels.read(body, served, LIMITS)
        assert route is served.routes["pixels"]
        assert by_rows == (b"instances" in body)
        assert arrays["images"].dtype == np.uint8
        np.testing.assert_array_equal(arrays["images"], images)


@pytest.mark.parametrize("shape", [(300,), (20, 20), (1, 1, 300), (300, 1, 1)])
def test_other_shapes(shape):
    images = np.random.default_rng(0).integers(0, 256, (2, *shape), np.uint8)
    body = json.dumps({"instances": images.tolist()}).encode()
    _, arrays, _ = json_pixels.read(body, model(shape=(None, *shape)), LIMITS)
    np.testing.assert_array_equal(arrays["images"], images)


def changed(draw, body):
    """A body with one to three changes to its syntax, numbers or structure."""
    body = bytearray(body)
    for _ in range(draw.randrange(1, 4)):
        place = draw.randrange(len(body))
        if draw.random() < 0.5:  # mostly among the numbers, but the rest is short
            place = draw.choice([place % 40, len(body) - 1 - place % 10])
        piece = draw.choice(
            [b"", b"0", b"7", b"12", b",", b"[", b"]", b" ", b"\n", b"-", b".", b"e", b'"', b"{", b"}", b"\\"]
            + [b"NaN", b"true", b"null", b"[]", b",0", b"0,", b"],[", b"]],[[", b"\xff", b"Infinity"]
        )
        body[place : place + draw.choice([0, 0, 1, len(piece)])] = piece
    return bytes(body)


def test_never_another_answer_than_the_general_parser():
    draw, served = random.Random(0), model()
    originals = list(bodies(pixels(2).tolist()))
    read = 0
    for _ in range(3000):
        body = changed(draw, draw.choice(originals))
        found, expected = json_pixels.read(body, served, LIMITS), generally(body, served)
        if found is None:
            continue
        read += 1
        assert expected is not None, body
        assert (found[0], found[2]) == (expected[0], expected[2])
        np.testing.assert_array_equal(found[1]["images"], expected[1]["images"])
    assert read > 50  # a changed digit is still an image


def one(text, place=0):
    """A body of one image with a text in place of one of its numbers."""
    numbers = [str(value) for value in range(100, 100 + int(np.prod(SHAPE)))]
    numbers[place] = text
    rows = np.array(numbers, object).reshape(SHAPE)
    image = "[" + ",".join("[" + ",".join(f"[{','.join(p)}]" for p in row) + "]" for row in rows) + "]"
    return f'{{"instances":[{image}]}}'.encode()


@pytest.mark.parametrize("place", [0, 1, 60, -1])
@pytest.mark.parametrize(
    "text",
    [
        "256",
        "299",
        "999",
        "1000",
        "01",
        "00",
        "001",
        "-1",
        "1.0",
        "1e2",
        "true",
        "null",
        "",
        " ",
        "1 2",
        "[1]",
    ]
    + ['"1"', "NaN", "1]", "[1", "1,2", "], [1", "{}", "\t1", "1\n"],
)
def test_anything_else_is_left_to_the_general_parser(text, place):
    assert json_pixels.read(one("7", place), model(), LIMITS) is not None
    assert json_pixels.read(one(text, place), model(), LIMITS) is None


BODY = json.dumps({"instances": pixels().tolist()}).encode()
LONG = b"[" + b"1, " * 200 + b"1]"


@pytest.mark.parametrize(
    "body",
    [
        BODY[:-1],
        BODY + b"}",
        b"\xef\xbb\xbf" + BODY,
        BODY.decode().encode("utf-16"),
        BODY.replace(b'"instances"', b'"instances" "a"'),
        BODY.replace(b"instances", b"rows"),
        BODY.replace(b"[[[[", b"-[[[[", 1),
        BODY.replace(b"]]]]", b"]]]]a", 1),
        BODY[:-1] + b', "instances": []}',
        BODY[:-1] + b', "inputs": []}',
        BODY[:-1] + b', "signature_name": "other"}',
        BODY[:-1] + b', "signature_name": 0}',
        BODY[:-1] + b', "signature_name": "\xff"}',
        BODY[:-1] + b', "signature_name": ' + LONG + b"}",
        BODY[:-1] + b', "instances": ' + LONG + b"}",
        b'{"instances": ' + LONG + b", " + BODY[1:],
        b'{"inputs": {"images": ' + LONG + b', "images": ' + BODY[14:-1] + b"}}",
        b'{"instances": [{"images": ' + LONG + b"}]}",
        json.dumps({"instances": pixels(5).tolist()}).encode(),
        json.dumps({"instances": [{"images": image} for image in pixels(5).tolist()]}).encode(),
        json.dumps({"instances": [{"images": pixels(1)[0].tolist()}, {"images": [1]}]}).encode(),
        json.dumps({"instances": pixels().tolist()}, indent=1).encode(),
        json.dumps({"instances": "a" * 1000}).encode(),
        LONG,
    ],
    ids=lambda body: repr(body[:20] + b" ... " + body[-20:]),
)
def test_bodies_that_are_left_to_the_general_parser(body):
    assert json_pixels.read(BODY, model(), LIMITS) is not None
    assert json_pixels.read(body, model(), LIMITS) is None


def test_signatures_that_are_left_to_the_general_parser():
    for served in (
        model(np.float32),
        model(np.int64),
        model(shape=(2, *SHAPE)),
        model(shape=None),
        model(more=Spec(np.dtype(np.uint8), (None,), "uint8")),
    ):
        assert json_pixels.read(BODY, served, LIMITS) is None


def test_nesting():
    assert json_pixels.read(BODY, model(), Limits(max_nesting=5)) is not None
    assert json_pixels.read(BODY, model(), Limits(max_nesting=4)) is None
