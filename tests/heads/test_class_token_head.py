import numpy as np
import pytest

from keras_reid.heads import ClassTokenHead
from keras_reid.layers import CosSoftmax
from tests.harness import run_layer_test

CLASSES = 5
LABELS = np.array([0, 0, 3, 4], "int32")


def tokens(parts=2, channels=6):
    return np.random.default_rng(0).normal(1.0, 2.0, (4, 1, 1 + parts, channels)).astype("float32")


def test_contract():
    shapes = {
        "logits": [(4, CLASSES)] * 4,
        "scores": (4, CLASSES),
        "feature": [(4, 6)] * 4,
        "embedding": (4, 18),
    }
    call = {"labels": LABELS, "training": True}
    run_layer_test(lambda: ClassTokenHead(CLASSES, num_parts=2), tokens(), shapes, call, "float32")


@pytest.mark.parametrize("embedding", ["before", "after"])
def test_embedding_holds_the_parts_divided_by_their_number(embedding):
    x = tokens()
    head = ClassTokenHead(CLASSES, embedding=embedding, num_parts=2)
    head(x, training=True)
    found = np.asarray(head(x)["embedding"])
    each = [
        x[:, 0, index] if embedding == "before" else head.heads[index].neck(x[:, 0, index])
        for index in range(3)
    ]
    expected = np.concatenate([each[0], np.asarray(each[1]) / 2, np.asarray(each[2]) / 2], axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_mean_over_the_branches_is_half_the_whole_images_and_half_the_parts():
    head = ClassTokenHead(CLASSES, CosSoftmax(CLASSES, 1, 0.25), num_parts=2)
    outputs = head(tokens(), labels=LABELS)
    whole, again, first, second = (np.asarray(value) for value in outputs["logits"])
    np.testing.assert_array_equal(whole, again)
    assert np.abs(first - second).max() > 0.01
    expected = np.asarray(outputs["scores"]) - 0.25 * np.eye(CLASSES)[LABELS]
    np.testing.assert_allclose(whole, expected, atol=1e-6)
    for feature, index in zip(outputs["feature"], (0, 0, 1, 2), strict=True):
        np.testing.assert_array_equal(feature, tokens()[:, 0, index])


def test_the_whole_image_alone():
    outputs = ClassTokenHead(CLASSES, num_parts=0)(tokens(0))
    assert len(outputs["logits"]) == 1
    np.testing.assert_array_equal(outputs["embedding"], tokens(0)[:, 0, 0])


@pytest.mark.parametrize("embedding", ["before", "after"])
def test_each_token_is_reduced_first(embedding):
    x = tokens()
    head = ClassTokenHead(CLASSES, embedding=embedding, num_parts=2, embedding_dim=3)
    head(x, training=True)
    outputs = head(x)
    reduced = [x[:, 0, index] @ np.asarray(head.reductions[index].kernel) for index in range(3)]
    for feature, index in zip(outputs["feature"], (0, 0, 1, 2), strict=True):
        np.testing.assert_allclose(feature, reduced[index], rtol=1e-5, atol=1e-6)
    if embedding == "after":
        reduced = [np.asarray(part.neck(value)) for part, value in zip(head.heads, reduced, strict=True)]
    expected = np.concatenate([reduced[0], reduced[1] / 2, reduced[2] / 2], axis=1)
    np.testing.assert_allclose(outputs["embedding"], expected, rtol=1e-5, atol=1e-6)


def test_a_config_from_before_the_reduction():
    config = ClassTokenHead(CLASSES).get_config()
    assert config.pop("embedding_dim") is None
    assert ClassTokenHead.from_config(config).reductions == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"embedding": "both"},
            r"`embedding` of ClassTokenHead must be 'before' or 'after' .*Received: 'both'",
        ),
        (
            {"num_parts": -1},
            r"`num_parts` of ClassTokenHead must be an integer of at least 0\. Received: num_parts=-1",
        ),
        (
            {"embedding_dim": 0},
            r"`embedding_dim` of ClassTokenHead must be a positive number .* Received: embedding_dim=0",
        ),
        (
            {"num_parts": 3},
            r"with 3 parts needs tokens \(batch, 1, 4, channels\)\. Received: shape \(4, 1, 3, 6\)",
        ),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ClassTokenHead(CLASSES, **arguments)(tokens())
