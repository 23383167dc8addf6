import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_reid.embedding import l2_normalize
from keras_reid.export.deployable import deployable
from keras_reid.heads import BNNeckHead, PartialHead
from keras_reid.layers import GeMPooling2D
from keras_reid.models import ReIDModel
from tests.export.models import BACKBONES, images, model_of, randomize

# Number of batch normalisations that stay in the embedding path: those inside IBN, or not after a convolution.
STAY = {
    "composite": 1,
    "resnet18": 0,
    "resnet50_ibn_non_local_se": 13,
    "resnext50_ibn": 13,
    "resnest50": 0,
    "repvgg": 0,
    "osnet_ibn": 0,
    "mobilenet_v2": 0,
    "vit": 0,
    "keras_mobilenet": 0,
    "multi_granularity": 0,
}
QUICK = ("composite", "resnet18")


def norms(model):
    return [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in BACKBONES]
)
def test_gives_the_same_with_the_normalisations_folded(name):
    model = model_of(name)
    pixels = images(model)
    weights = [np.array(value) for value in model.get_weights()]
    expected = model.predict(pixels, verbose=0)
    embed = deployable(model)
    answer = tf.function(embed)(pixels)
    np.testing.assert_allclose(answer, expected, atol=1e-5 * np.abs(expected).max())
    assert answer.dtype == tf.float32
    parts = model if name != "repvgg" else model.fuse()
    assert len(norms(parts)) - len(embed.folded) == STAY[name]
    assert not [variable.name for variable in embed.variables if "classifier" in variable.name]
    # The model has not changed.
    np.testing.assert_array_equal(model.predict(pixels, verbose=0), expected)
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_bfloat16_is_half_as_large_and_near():
    model = model_of("composite")
    pixels = images(model, 8)
    exact, half = deployable(model), deployable(model, "bfloat16")
    expected = l2_normalize(exact(pixels))
    answer = l2_normalize(tf.function(half)(pixels))
    assert np.abs(answer - expected).max() > 1e-5
    assert ((answer * expected).sum(1) > 0.9995).all()
    kinds = {variable.name: variable.dtype for variable in half.variables}
    for variable in exact.variables:
        assert kinds[variable.name] == (tf.bfloat16 if variable.shape.rank > 1 else tf.float32)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_the_policy_of_the_training_does_not_count(policy):
    model = model_of("composite")
    expected = model.predict(images(model), verbose=0)
    keras.config.set_dtype_policy(policy)
    try:
        mixed = model_of("composite")
    finally:
        keras.config.set_dtype_policy("float32")
    mixed.set_weights(model.get_weights())
    np.testing.assert_allclose(deployable(mixed)(images(model)), expected, atol=1e-5 * np.abs(expected).max())
    assert mixed.backbone.layers[1].dtype_policy.name == policy


def graph(build):
    inputs = keras.Input((None, None, 3))
    model = ReIDModel(keras.Model(inputs, build(inputs)), GeMPooling2D(), BNNeckHead(3), image_size=(16, 8))
    randomize(model)
    return model


def shared(x):
    convolution = keras.layers.Conv2D(3, 1)
    return keras.layers.BatchNormalization()(convolution(convolution(x)))


def read_twice(x):
    x = keras.layers.Conv2D(4, 3)(x)
    return keras.layers.Add()([x, keras.layers.BatchNormalization()(x)])


def activated(x):
    return keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3, activation="relu")(x))


def padded(x):
    x = keras.layers.ZeroPadding2D(1)(keras.layers.Conv2D(4, 3)(x))
    return keras.layers.BatchNormalization()(x)


def twice_normalized(x):
    norm = keras.layers.BatchNormalization()
    return norm(norm(keras.layers.Conv2D(4, 3)(x)))


def other_axis(x):
    x = keras.layers.Conv2D(4, 3, padding="same")(keras.layers.Resizing(16, 8)(x))
    return keras.layers.BatchNormalization(axis=1)(x)


class Standardized(keras.layers.Conv2D):
    """Its output does not depend on the scale of its kernel."""

    def convolution_op(self, inputs, kernel):
        return super().convolution_op(inputs, kernel / keras.ops.std(kernel))


def of_a_subclass(x):
    return keras.layers.BatchNormalization()(Standardized(4, 3)(x))


class OfTheBatch(keras.layers.Layer):
    """Normalises with batch statistics, even in inference."""

    def __init__(self):
        super().__init__()
        self.convolution = keras.layers.Conv2D(4, 3)
        self.norm = keras.layers.BatchNormalization()

    def call(self, inputs):
        return self.norm(self.convolution(inputs), training=True)


def of_the_batch(x):
    return OfTheBatch()(x)


@pytest.mark.parametrize(
    "build",
    [shared, read_twice, activated, padded, twice_normalized, other_axis, of_a_subclass, of_the_batch],
    ids=lambda build: build.__name__,
)
def test_what_may_not_be_folded_stays(build):
    model = graph(build)
    pixels = images(model)
    embed = deployable(model)
    assert embed.folded == ()
    expected = model(pixels, training=False)
    np.testing.assert_allclose(embed(pixels), expected, rtol=1e-5, atol=1e-5)


def test_nothing_to_fold():
    model = graph(lambda x: keras.layers.Conv2D(4, 3)(x))
    embed = deployable(model)
    assert embed.folded == ()
    np.testing.assert_allclose(embed(images(model)), model.predict(images(model), verbose=0), atol=1e-5)


def test_tells_what_it_is():
    model = model_of("composite")
    embed = deployable(model)
    assert embed.image_size == (64, 32)
    assert embed.metadata == model.metadata
    assert embed.embedding_dim == 16
    with pytest.raises(ValueError, match=r"`dtype` must be one of .* Received: dtype='int8'"):
        deployable(model, "int8")


def test_partial_head_keeps_the_foreground_alone():
    """The embedding needs neither the whole map's branch nor the larger windows."""
    keras.utils.set_random_seed(0)
    backbone = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(8, 3, strides=2)])
    model = ReIDModel(backbone, keras.layers.Identity(), PartialHead(7), image_size=(32, 16))
    randomize(model)
    model.head.occlusion.kernel.assign(np.random.default_rng(0).normal(size=(8, 1)))
    pixels = images(model)
    expected = model.predict(pixels, verbose=0)
    embed = deployable(model)
    np.testing.assert_allclose(tf.function(embed)(pixels), expected, atol=1e-5 * np.abs(expected).max())
    kept = {variable.path.partition("/")[2] for variable, _ in embed._values if "head" in variable.path}
    assert kept == {
        *("foreground/neck/gamma", "foreground/neck/beta"),
        *("foreground/neck/moving_mean", "foreground/neck/moving_variance"),
        *("occlusion/kernel", "occlusion/bias"),
    }
