import numpy as np
import pytest

from keras_reid.backbones import ViT
from keras_reid.checkpoints.position_embedding import adapt_vit, resize_position_embedding
from keras_reid.utils.errors import UserError


def embedding(rows, columns, first=1, dim=4):
    return np.random.default_rng(0).normal(size=(1, first + rows * columns, dim)).astype("float32")


def reference(grid, size):
    """Bilinear between the centres of cells; beyond the outermost ones, these."""
    result = np.zeros((*size, grid.shape[-1]))
    for row, column in np.ndindex(*size):
        y = np.clip((row + 0.5) * grid.shape[0] / size[0] - 0.5, 0, grid.shape[0] - 1)
        x = np.clip((column + 0.5) * grid.shape[1] / size[1] - 0.5, 0, grid.shape[1] - 1)
        top, left = int(y), int(x)
        bottom, right = min(top + 1, grid.shape[0] - 1), min(left + 1, grid.shape[1] - 1)
        upper = grid[top, left] * (1 - x + left) + grid[top, right] * (x - left)
        lower = grid[bottom, left] * (1 - x + left) + grid[bottom, right] * (x - left)
        result[row, column] = upper * (1 - y + top) + lower * (y - top)
    return result


def test_literal_numbers():
    # What PyTorch's `interpolate(mode="bilinear", align_corners=False)` gives for [[0, 1], [2, 3]] at 3 × 4.
    value = np.array([9, 0, 1, 2, 3], "float32").reshape(1, 5, 1)
    resized = resize_position_embedding(value, (3, 4))
    expected = [9, 0, 0.25, 0.75, 1, 1, 1.25, 1.75, 2, 2, 2.25, 2.75, 3]
    np.testing.assert_allclose(resized[0, :, 0], expected)
    assert resized.dtype == "float32"


@pytest.mark.parametrize(
    ("before", "after"),
    [((14, 14), (16, 8)), ((14, 14), (21, 10)), ((24, 24), (16, 8)), ((1, 1), (4, 3)), ((4, 4), (1, 1))],
)
def test_square_to_any_grid(before, after):
    value = embedding(*before)
    resized = resize_position_embedding(value, after)
    np.testing.assert_array_equal(resized[:, 0], value[:, 0])
    expected = reference(value[0, 1:].reshape(*before, -1), after)
    np.testing.assert_allclose(resized[0, 1:].reshape(expected.shape), expected, rtol=1e-5, atol=1e-6)


def test_as_many_patches():
    """They are the same ones, unless they are a square's, as those of published weights."""
    value = embedding(6, 4)
    np.testing.assert_array_equal(resize_position_embedding(value, (6, 4)), value)
    value = embedding(4, 4)
    np.testing.assert_array_equal(resize_position_embedding(value, (4, 4)), value)
    expected = reference(value[0, 1:].reshape(4, 4, -1), (8, 2))
    resized = resize_position_embedding(value, (8, 2))
    np.testing.assert_allclose(resized[0, 1:].reshape(expected.shape), expected, rtol=1e-5, atol=1e-6)


def test_distillation_token_is_left_out():
    value = embedding(4, 4, first=2)
    resized = resize_position_embedding(value, (4, 4), distilled=True)
    np.testing.assert_array_equal(resized, np.delete(value, 1, axis=1))
    assert resize_position_embedding(value, (2, 3), distilled=True).shape == (1, 7, 4)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (embedding(3, 4), r"12 position embeddings are neither those of 5 × 2 patches nor of a square"),
        (embedding(3, 4)[0], r"must be \(1, tokens, dim\)\. Received: \(13, 4\)"),
        (embedding(1, 0), r"must be \(1, tokens, dim\)"),
    ],
)
def test_other_position_embeddings(value, message):
    with pytest.raises(UserError, match=message):
        resize_position_embedding(value, (5, 2))


def test_adapt_vit():
    backbone = ViT("small", width=96, input_shape=(48, 32, 3))
    other = np.ones((96,), "float32")
    state = {
        "cls_token": np.ones((1, 1, 96)),
        "dist_token": np.ones((1, 1, 96)),
        "pos_embed": embedding(14, 14, first=2, dim=96),
        "patch_embed.proj.weight": np.arange(96 * 768).reshape(96, 768),
        "norm.bias": other,
        "pre_logits.fc.weight": np.ones((96, 96)),
        "head.weight": np.ones((10, 96)),
        "head_dist.bias": np.ones((10,)),
    }
    before = dict(state)
    adapted = adapt_vit(state, backbone)
    assert set(adapted) == {"cls_token", "pos_embed", "patch_embed.proj.weight", "norm.bias"}
    assert adapted["pos_embed"].shape == (1, 7, 96)
    np.testing.assert_array_equal(adapted["pos_embed"][:, 0], state["pos_embed"][:, 0])
    assert adapted["patch_embed.proj.weight"].shape == (96, 3, 16, 16)
    assert adapted["patch_embed.proj.weight"][1, 2, 3, 4] == 768 + 2 * 256 + 3 * 16 + 4
    assert adapted["norm.bias"] is other
    assert list(state) == list(before)
