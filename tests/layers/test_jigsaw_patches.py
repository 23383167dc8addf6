import keras
import numpy as np
import pytest

from keras_reid.layers import JigsawPatches
from tests.harness import run_layer_test


def tokens(patches, batch=2, channels=3):
    return np.random.default_rng(0).normal(size=(batch, 1 + patches, channels)).astype("float32")


def original(features, shift, groups):
    """TransReID's shuffle of the patches, written down from its description."""
    x = np.concatenate([features[:, shift:], features[:, 1:shift]], axis=1)
    if x.shape[1] % groups:
        x = np.concatenate([x, x[:, -2:-1]], axis=1)
    x = x.reshape(len(x), groups, -1, x.shape[-1]).transpose(0, 2, 1, 3)
    return x.reshape(len(x), -1, x.shape[-1])


@pytest.mark.parametrize(("patches", "shift", "groups"), [(210, 5, 2), (441, 8, 2), (11, 1, 1), (10, 10, 2)])
def test_parts_of_the_original(patches, shift, groups):
    x = tokens(patches)
    mixed, size = original(x, shift, groups), patches // 4
    parts = JigsawPatches(shift, groups, 4)(x)
    assert len(parts) == 4
    for index, part in enumerate(parts):
        np.testing.assert_array_equal(part[:, 0], x[:, 0])
        np.testing.assert_array_equal(part[:, 1:], mixed[:, index * size : (index + 1) * size])


def test_contract():
    run_layer_test(lambda: JigsawPatches(2, 2, 2), tokens(6), [(2, 4, 3)] * 2)
    symbolic = JigsawPatches(2, 2, 2)(keras.Input((7, 3)))
    assert [tuple(part.shape) for part in symbolic] == [(None, 4, 3)] * 2


@pytest.mark.parametrize(
    ("arguments", "patches", "message"),
    [
        ({"shift": 0}, 8, r"`shift` of JigsawPatches must be a positive integer\. Received: shift=0"),
        ({"groups": 1.5}, 8, "`groups` of JigsawPatches"),
        ({"num_parts": 0}, 8, "`num_parts` of JigsawPatches"),
        ({"shift": 9}, 8, r"at least as many patches .*Received: 8 patches, shift=9"),
        ({"groups": 3, "shift": 1}, 7, "runs of the same length"),
        ({"shift": 1}, 3, "Received: 3 patches"),
    ],
)
def test_bad_arguments(arguments, patches, message):
    with pytest.raises(ValueError, match=message):
        JigsawPatches(**arguments)(tokens(patches))
