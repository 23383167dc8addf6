"""How models of others want their pixels."""

import keras
import numpy as np

# Mean and standard deviation of R, G, B on the 0–255 scale, by Keras' own names of the modes.
PIXEL_SCALES = {
    "raw": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "tf": ((127.5, 127.5, 127.5), (127.5, 127.5, 127.5)),
    "torch": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    "caffe": ((123.68, 116.779, 103.939), (1.0, 1.0, 1.0)),
}
# Layers that together only the models of one module of keras.applications have.
_ORIGINS = (
    ({"conv1_bn", "conv2_block1_0_conv", "conv2_block1_out"}, "caffe"),  # ResNet
    ({"block1_conv1", "block5_conv1", "block5_pool"}, "caffe"),  # VGG
    ({"conv1_conv", "conv2_block1_preact_bn", "post_bn"}, "tf"),  # ResNetV2
    ({"conv1_relu", "conv_dw_13", "conv_pw_13_relu"}, "tf"),  # MobileNet
    ({"Conv1_relu", "expanded_conv_depthwise", "block_16_project_BN"}, "tf"),  # MobileNetV2
    ({"conv_bn", "expanded_conv_project_bn", "conv_1_bn"}, "tf"),  # MobileNetV3
    ({"block1_conv1", "block14_sepconv2_act"}, "tf"),  # Xception
    ({"mixed0", "mixed9_1", "mixed10"}, "tf"),  # InceptionV3
    ({"mixed_5b", "conv_7b_ac"}, "tf"),  # InceptionResNetV2
    ({"stem_conv1", "reduction_concat_stem_1"}, "tf"),  # NASNet
    ({"conv1_bn", "conv2_block1_0_bn", "pool2_conv"}, "torch"),  # DenseNet
)


def recognize_preprocessing(model: keras.Model) -> str | None:
    """The name of the pixels that a model wants, one of `PIXEL_SCALES`, where that is certain; else None.

    Certain is a model whose first layer brings pixels of 0–255 to its own scale, and one whose layers are named as
    only `keras.applications` names them.

    Args:
        model: A `keras.Model`.
    """
    layers = list(getattr(model, "layers", ()))
    first = next((layer for layer in layers if not isinstance(layer, keras.layers.InputLayer)), None)
    if isinstance(first, keras.layers.Rescaling) and np.max(first.scale) < 0.05:
        return "raw"
    given = first.input_mean if isinstance(first, keras.layers.Normalization) else None
    if given is not None and np.max(given) > 1:
        return "raw"
    names = {layer.name for layer in layers}
    return next((mode for signature, mode in _ORIGINS if signature <= names), None)
