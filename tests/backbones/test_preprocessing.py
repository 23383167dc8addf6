import keras
import numpy as np
import pytest
from keras import applications, layers

from keras_reid.backbones.adapter import KerasBackbone
from keras_reid.backbones.preprocessing import PIXEL_SCALES, recognize_preprocessing


def first(layer):
    return keras.Sequential([keras.Input((None, None, 3)), layer, layers.Conv2D(2, 3)])


@pytest.mark.parametrize(
    ("module", "model"),
    [
        ("convnext", "ConvNeXtTiny"),
        ("densenet", "DenseNet121"),
        ("efficientnet", "EfficientNetB0"),
        ("efficientnet_v2", "EfficientNetV2B0"),
        ("efficientnet_v2", "EfficientNetV2S"),
        ("inception_resnet_v2", "InceptionResNetV2"),
        ("inception_v3", "InceptionV3"),
        ("mobilenet", "MobileNet"),
        ("mobilenet_v2", "MobileNetV2"),
        ("mobilenet_v3", "MobileNetV3Small"),
        ("nasnet", "NASNetMobile"),
        ("resnet", "ResNet50"),
        ("resnet_v2", "ResNet50V2"),
        ("vgg16", "VGG16"),
        ("vgg19", "VGG19"),
        ("xception", "Xception"),
    ],
)
@pytest.mark.slow
def test_images_arrive_as_keras_prepares_them(module, model):
    backbone = KerasBackbone(getattr(applications, model)(weights=None, include_top=False))
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 4, 4, 3)).astype("float32")
    expected = getattr(applications, module).preprocess_input(pixels.copy())
    arrived = []
    backbone.model = lambda images, training: arrived.append(images)
    backbone.call((pixels - np.array(backbone.pixel_mean)) / np.array(backbone.pixel_std))
    np.testing.assert_allclose(arrived[0], expected, rtol=1e-4, atol=2e-3)


@pytest.mark.parametrize("mode", [mode for mode in PIXEL_SCALES if mode != "raw"])
def test_scales_are_those_of_keras(mode):
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 4, 4, 3)).astype("float32")
    expected = applications.imagenet_utils.preprocess_input(pixels.copy(), mode=mode)
    backbone = KerasBackbone(first(layers.Identity(name="pixels")), layer="pixels", preprocessing=mode)
    found = backbone((pixels - np.array(backbone.pixel_mean)) / np.array(backbone.pixel_std))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-3)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.Rescaling(1 / 255), "raw"),
        (layers.Rescaling([1 / 58.4, 1 / 57.1, 1 / 57.4]), "raw"),
        (layers.Normalization(mean=[124.0, 116.0, 104.0], variance=[3400.0, 3300.0, 3300.0]), "raw"),
        (layers.Rescaling(2.0, offset=-1.0), None),  # of pixels between 0 and 1
        (layers.Normalization(mean=[0.48, 0.46, 0.41], variance=[0.05, 0.05, 0.05]), None),
        (layers.Normalization(), None),
        (layers.Conv2D(3, 3, name="conv1_conv"), None),
    ],
)
def test_only_the_certain_is_recognised(layer, expected):
    assert recognize_preprocessing(first(layer)) == expected


def test_a_model_without_its_rescaling():
    model = applications.MobileNetV3Small(weights=None, include_preprocessing=False, include_top=False)
    assert recognize_preprocessing(model) == "tf"
