import keras
import numpy as np
import pytest

from keras_reid.layers import PatchEmbedding
from tests.harness import randomize, run_layer_test


def images(height=20, width=12, batch=2):
    return np.random.default_rng(0).normal(size=(batch, height, width, 3)).astype("float32")


def test_contract():
    layer = run_layer_test(
        lambda: PatchEmbedding(8, patch_size=(8, 4), stride=(6, 4)), images(), (2, 10, 8), {"training": True}
    )
    assert layer.grid == (3, 3)


@pytest.mark.parametrize(
    ("patch_size", "stride", "grid"),
    [
        ((4, 4), (4, 4), (5, 3)),
        ((4, 4), (4, 3), (5, 3)),
        ((8, 4), (5, 2), (3, 5)),
        ((20, 12), (7, 7), (1, 1)),
    ],
)
def test_tokens_row_by_row(patch_size, stride, grid):
    layer = PatchEmbedding(8, patch_size, stride)
    x = images()
    layer(x)
    randomize(layer)
    assert layer.grid == grid
    tokens = np.asarray(layer(x))
    positions = np.asarray(layer.positions)
    np.testing.assert_allclose(
        tokens[:, 0], np.asarray(layer.class_token[:, 0]) + positions[:, 0] + 0 * tokens[:, 0]
    )
    kernel = np.asarray(layer.projection.kernel).reshape(-1, 8)
    for index in range(grid[0] * grid[1]):
        top, left = (stride[0] * (index // grid[1]), stride[1] * (index % grid[1]))
        patch = x[:, top : top + patch_size[0], left : left + patch_size[1]].reshape(2, -1)
        expected = patch @ kernel + np.asarray(layer.projection.bias) + positions[:, 1 + index]
        np.testing.assert_allclose(tokens[:, 1 + index], expected, rtol=1e-4, atol=1e-4)


def test_initial_weights():
    layer = PatchEmbedding(512, (4, 4), (4, 4))
    layer.build((None, 64, 32, 3))
    assert np.std(layer.projection.kernel) == pytest.approx((2 / (16 * 512)) ** 0.5, rel=0.02)
    assert not np.any(layer.projection.bias)
    for variable in (layer.class_token, layer.positions):
        assert np.std(variable) == pytest.approx(0.02, rel=0.1)


def test_images_of_another_size_are_refused():
    layer = PatchEmbedding(8, (4, 4), (4, 4))
    layer(images())
    with pytest.raises(ValueError, match=r"expected shape=\(None, 20, 12, 3\), found shape=\(2, 24, 12, 3\)"):
        layer(images(24, 12))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dim": 0}, r"`dim` of PatchEmbedding must be a positive integer\. Received: dim=0"),
        ({"dim": 2.5}, r"Received: dim=2\.5"),
        ({"patch_size": 16}, r"`patch_size` of PatchEmbedding must be two positive integers.*patch_size=16"),
        ({"stride": (16, 0)}, r"`stride` of PatchEmbedding must be .* Received: stride=\(16, 0\)"),
        ({"stride": (4, 4, 4)}, r"Received: stride=\(4, 4, 4\)"),
        ({"stride": (4.0, 4)}, r"Received: stride=\(4\.0, 4\)"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        PatchEmbedding(**{"dim": 8, **arguments})


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (
            (None, None, 3),
            r"needs images of known height and width.*Received: input shape \(None, None, None, 3\)",
        ),
        ((32, 15, 3), r"needs images of at least one patch, \(16, 16\) pixels"),
    ],
)
def test_bad_images(shape, message):
    with pytest.raises(ValueError, match=message):
        PatchEmbedding(8)(keras.Input(shape))
