import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_reid.layers import CameraEmbedding
from tests.harness import HALF_POLICIES, dtype_policy, dtypes, rebuilt, reloaded, shapes

CAMERAS = np.array([3, 0, -1, 4, 3], "int32")  # of four cameras: −1 and 4 are none of them


def tokens():
    return np.random.default_rng(0).normal(size=(5, 3, 8)).astype("float32")


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
@pytest.mark.parametrize("scale", [3.0, 0.5])
def test_adds_the_embedding_of_the_camera(scale, dtype):
    layer = CameraEmbedding(4, scale)
    x, cameras = tokens(), CAMERAS.astype(dtype)  # −1 becomes 255
    layer(x, cameras)
    embeddings = np.asarray(layer.embeddings)
    assert embeddings.shape == (4, 1, 8)
    assert embeddings.std() == pytest.approx(0.02, rel=0.5)
    mean = embeddings.mean(axis=0)
    expected = np.stack([embeddings[3], embeddings[0], mean, mean, embeddings[3]])
    np.testing.assert_allclose(layer(x, cameras), x + scale * expected, rtol=1e-6, atol=1e-6)


def test_contract():
    layer = rebuilt(CameraEmbedding(4))
    symbolic = layer(keras.Input((3, 8)), keras.Input((), dtype="int32"))
    assert shapes(symbolic) == (None, 3, 8)
    images, cameras = keras.Input((3, 8)), keras.Input((), dtype="int32")
    model = keras.Model([images, cameras], layer(images, cameras))
    np.testing.assert_array_equal(reloaded(model)([tokens(), CAMERAS]), model([tokens(), CAMERAS]))
    for policy in HALF_POLICIES:
        with dtype_policy(policy):
            half = CameraEmbedding(4)
            x = tokens().astype("float16" if "float16" in policy and "b" not in policy else "float32")
            assert dtypes(half(x, CAMERAS)) == {half.compute_dtype}
            assert half.embeddings.dtype == "float32"


def test_gradient_reaches_the_embeddings_that_were_used():
    layer = CameraEmbedding(4)
    x = tokens()
    layer(x, CAMERAS)
    for cameras, expected in (
        ([3, 3, 3, 3, 3], [0, 0, 0, 15]),
        ([0, 0, 0, 0, -1], [12.75, 0.75, 0.75, 0.75]),
    ):
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(layer(x, np.array(cameras)))
        (gradient,) = tape.gradient(value, layer.trainable_variables)
        np.testing.assert_allclose(gradient[:, 0], 3.0 * np.repeat([expected], 8, axis=0).T, rtol=1e-6)


@pytest.mark.parametrize("num_cameras", [0, -1, 2.5])
def test_bad_arguments(num_cameras):
    with pytest.raises(ValueError, match="`num_cameras` of CameraEmbedding must be a positive integer"):
        CameraEmbedding(num_cameras)


def test_a_camera_of_64_bits_does_not_become_another_one():
    layer = CameraEmbedding(num_cameras=3)
    tokens = np.zeros((2, 4, 8), "float32")
    layer.build(tokens.shape)
    unknown = np.asarray(layer(tokens, np.array([-1, -1])))
    np.testing.assert_array_equal(layer(tokens, np.array([2**32, 2**32 + 1])), unknown)
    compiled = tf.function(layer, input_signature=[tf.TensorSpec((2, 4, 8)), tf.TensorSpec((2,), "int64")])
    np.testing.assert_allclose(compiled(tokens, np.array([2**32, 2**32 + 1])), unknown, atol=1e-6)


def test_cameras_as_a_column_and_of_other_shapes():
    layer = CameraEmbedding(num_cameras=3)
    tokens = np.zeros((2, 4, 8), "float32")
    expected = layer(tokens, np.array([0, 2]))
    np.testing.assert_array_equal(layer(tokens, np.array([[0], [2]])), expected)
    with pytest.raises(ValueError, match=r"CameraEmbedding: .* Received: labels of shape \(2, 3\)"):
        layer(tokens, np.eye(2, 3))
    with pytest.raises(ValueError, match=r"CameraEmbedding: .* Received: 1 labels for 2 samples"):
        layer(tokens, np.array([1]))
