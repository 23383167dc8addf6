"""Small models with every part that an export must keep."""

import keras
import numpy as np

from keras_reid import backbones, heads, layers
from keras_reid.models import ReIDModel

SIZE = (64, 32)


def composite():
    """A small graph with each kind of convolution and each of our layers."""

    def norm():
        return keras.layers.BatchNormalization(epsilon=1e-5)

    images = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(16, 3, strides=2, padding="same", use_bias=True)(images)
    x = layers.IBN()(x)
    x = keras.layers.ReLU()(keras.layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(x))
    x = keras.layers.ReLU()(norm()(layers.GroupedConv2D(32, 3, strides=2, groups=8, use_bias=False)(x)))
    x = norm()(keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False, depth_multiplier=2)(x))
    x = norm()(keras.layers.SeparableConv2D(16, 3, padding="same")(x))
    x = layers.SplitAttention(16)(x)
    x = layers.NonLocal2D()(x)
    shortcut = norm()(keras.layers.Conv2D(16, 1, use_bias=False)(x))
    x = layers.SqueezeExcite(reduction=4)(x)
    x = keras.layers.ReLU()(keras.layers.Add()([x, shortcut]))
    return keras.Model(images, x)


BACKBONES = {
    "composite": composite,
    "resnet18": lambda: backbones.ResNet(18, width=8),
    "resnet50_ibn_non_local_se": lambda: backbones.ResNet(
        50, width=4, ibn=True, non_local=True, squeeze_excite=True
    ),
    "resnext50_ibn": lambda: backbones.ResNeXt(50, width=16, ibn=True),
    "resnest50": lambda: backbones.ResNeSt(50, width=8),
    "repvgg": lambda: backbones.RepVGG("A0", width=8),
    "osnet_ibn": lambda: backbones.OSNet(0.25, ibn=True),
    "mobilenet_v2": lambda: backbones.MobileNetV2(0.1),
    "vit": lambda: backbones.ViT("small", width=96, input_shape=(*SIZE, 3)),
    "keras_mobilenet": lambda: backbones.KerasBackbone(
        keras.applications.MobileNet(weights=None, include_top=False, input_shape=(*SIZE, 3), alpha=0.25)
    ),
    "multi_granularity": lambda: backbones.MultiGranularityResNet(50, width=4),
}


def model_of(name):
    """A `ReIDModel` with a backbone of the table, GeM, a BN-neck after a reduction, and random statistics."""
    keras.utils.set_random_seed(0)
    backbone, head = BACKBONES[name](), heads.BNNeckHead(7, embedding_dim=16)
    pooling = layers.IdentityPooling2D() if name == "vit" else layers.GeMPooling2D()
    if name == "multi_granularity":
        pooling, head = keras.layers.Identity(), heads.MultiGranularityHeads(7, embedding_dim=8)
    model = ReIDModel(backbone, pooling, head, image_size=SIZE if name != "multi_granularity" else (96, 32))
    randomize(model)
    return model


def randomize(model, seed=0):
    """Random statistics, scales and offsets."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        name = variable.path.rpartition("/")[2]
        if name in ("moving_variance", "gamma"):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        elif name in ("moving_mean", "beta", "bias"):
            variable.assign(rng.normal(scale=0.3, size=variable.shape))


def images(model, count=3):
    return np.random.default_rng(0).integers(0, 256, (count, *model.image_size, 3), np.uint8)
