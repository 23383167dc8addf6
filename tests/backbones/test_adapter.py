import keras
import numpy as np
import pytest
from keras import applications, layers

from keras_reid.backbones import KerasBackbone
from keras_reid.heads import BNNeckHead
from keras_reid.losses import CrossEntropy
from keras_reid.models import ReIDModel
from tests.harness import rebuilt, reloaded, run_model_test, shapes


def images(height=64, width=32, batch=2):
    return np.random.default_rng(0).uniform(-1, 1, (batch, height, width, 3)).astype("float32")


def small(size=(None, None), channels=3):
    """A convolutional network of two feature maps with a classifier."""
    x = keras.Input((*size, channels))
    y = layers.Conv2D(4, 3, strides=2, padding="same", name="first")(x)
    y = layers.BatchNormalization(name="norm")(y)
    y = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu", name="second")(y)
    return keras.Model(x, layers.Dense(5, name="scores")(layers.GlobalAveragePooling2D()(y)), name="small")


@keras.saving.register_keras_serializable(package="tests")
class Subclassed(keras.Model):
    def __init__(self, rank=4, **kwargs):
        super().__init__(**kwargs)
        self.rank = rank
        self.convolution = layers.Conv2D(7, 3, strides=4, dtype=self.dtype_policy)
        self.pooling = layers.GlobalAveragePooling2D()

    def call(self, inputs, training=False):
        features = self.convolution(inputs)
        return features if self.rank == 4 else self.pooling(features)

    def get_config(self):
        return {**super().get_config(), "rank": self.rank}


@keras.saving.register_keras_serializable(package="tests")
class WithoutTraining(Subclassed):
    def call(self, x):
        return super().call(x)


def test_contract():
    model = run_model_test(lambda: KerasBackbone(small()), images(), (2, 16, 8, 6))
    assert (model.channels, model.feature_layer, model.model.name) == (6, "second", "small")
    assert model.compute_output_shape((None, 40, 24, 3)) == (None, 10, 6, 6)


def test_contract_of_a_subclassed_model():
    model = run_model_test(lambda: KerasBackbone(Subclassed()), images(), (2, 16, 8, 7))
    assert (model.channels, model.feature_layer) == (7, None)


def test_sequential_model():
    model = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(4, 3, name="map")])
    backbone = KerasBackbone(model)
    assert backbone.model is model
    assert backbone.feature_layer == "map"
    np.testing.assert_array_equal(backbone(images()), model(images()))


def test_what_comes_after_the_map_is_cut_off_and_the_rest_is_shared():
    model = small()
    backbone = KerasBackbone(model)
    kept = [variable for variable in model.weights if "scores" not in variable.path]
    assert all(a is b for a, b in zip(backbone.weights, kept, strict=True))
    np.testing.assert_array_equal(
        backbone(images()), keras.Model(model.input, model.get_layer("second").output)(images())
    )


def test_a_named_layer():
    backbone = KerasBackbone(small(), layer="norm")
    assert shapes(backbone(images())) == (2, 32, 16, 4)
    assert (backbone.channels, backbone.feature_layer) == (4, "norm")
    again = rebuilt(backbone)
    assert (again.channels, again.feature_layer, again.layer) == (4, "norm", "norm")
    assert KerasBackbone(small()).channels == 6


def test_training_reaches_the_model():
    backbone = KerasBackbone(small())
    mean = np.array(backbone.model.get_layer("norm").moving_mean)
    backbone(images(), training=False)
    np.testing.assert_array_equal(backbone.model.get_layer("norm").moving_mean, mean)
    backbone(images(), training=True)
    assert np.any(np.asarray(backbone.model.get_layer("norm").moving_mean) != mean)


def test_preprocessing_as_for_caffe_turns_the_colours_around():
    model = small()
    plain, turned = KerasBackbone(model), KerasBackbone(model, preprocessing="caffe")
    np.testing.assert_array_equal(turned(images()), plain(images()[..., ::-1]))
    assert plain.pixel_mean is None
    assert plain.pixel_std is None
    assert turned.pixel_mean == (123.68, 116.779, 103.939)
    assert turned.pixel_std == (1, 1, 1)
    assert rebuilt(turned).preprocessing == "caffe"


def test_frozen_layers_stay_frozen():
    model = small()
    model.get_layer("first").trainable = False
    assert len(rebuilt(KerasBackbone(model)).trainable_variables) == 4
    backbone = KerasBackbone(model)
    backbone.trainable = False
    assert rebuilt(backbone).trainable_variables == []


@pytest.mark.parametrize(
    "make", [small, Subclassed, WithoutTraining], ids=["functional", "subclassed", "without training"]
)
def test_in_a_reid_model(make):
    backbone = KerasBackbone(make(), preprocessing="raw")
    model = ReIDModel(backbone, layers.GlobalAveragePooling2D(), BNNeckHead(3), image_size=(32, 16))
    assert model.metadata["pixel_mean"] == [0, 0, 0]
    assert model.metadata["pixel_std"] == [1, 1, 1]
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 16, 3), "uint8")
    before = [np.array(variable) for variable in backbone.trainable_variables]
    model.compile(keras.optimizers.SGD(0.1), losses=[CrossEntropy()])
    model.fit(pixels, np.array([0, 1, 2, 0]), batch_size=4, verbose=0)
    assert all(
        np.any(np.asarray(variable) != old)
        for variable, old in zip(backbone.trainable_variables, before, strict=True)
        if "bias" not in variable.path  # before a normalisation it has no effect
    )
    np.testing.assert_allclose(reloaded(model)(pixels), model(pixels), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("include_top", [True, False])
def test_mobilenet_v3(include_top):
    model = applications.MobileNetV3Small(
        weights=None, include_top=include_top, alpha=0.35, minimalistic=True, input_shape=(None, None, 3)
    )
    backbone = KerasBackbone(model)
    assert backbone.preprocessing == "raw"
    assert backbone.channels == 192
    assert shapes(backbone(images())) == (2, 2, 1, 192)


@pytest.mark.parametrize(
    ("name", "layer", "channels"),
    [
        ("ConvNeXtTiny", None, 768),
        ("DenseNet121", "relu", 1024),
        ("EfficientNetB0", "top_activation", 1280),
        ("MobileNet", "conv_pw_13_relu", 1024),
        ("ResNet50V2", "post_relu", 2048),
        ("VGG16", "block5_pool", 512),
    ],
)
@pytest.mark.slow
def test_keras_applications(name, layer, channels):
    for include_top in (True, False):
        model = getattr(applications, name)(weights=None, include_top=include_top, input_shape=(64, 32, 3))
        backbone = KerasBackbone(model)
        assert backbone.channels == channels
        assert layer in (None, backbone.feature_layer)
        assert backbone.model.output_shape == (None, 2, 1, channels)
        assert not any("predictions" in variable.path for variable in backbone.weights)
    x = 255 * np.abs(images())
    np.testing.assert_allclose(reloaded(backbone)(x), backbone(x), rtol=1e-4, atol=1e-4)


def hub_models():
    hub = pytest.importorskip("keras_hub", reason="keras-hub is optional and not installed").models
    resnet = {
        "input_conv_filters": [64],
        "input_conv_kernel_sizes": [7],
        "stackwise_num_filters": [64, 8],
        "stackwise_num_blocks": [1, 1],
        "stackwise_num_strides": [1, 2],
        "block_type": "basic_block",
    }
    return hub, {
        "resnet": lambda: (hub.ResNetBackbone(**resnet), 8),
        "resnet_classifier": lambda: (hub.ResNetImageClassifier(hub.ResNetBackbone(**resnet), 5), 8),
        "densenet": lambda: (hub.DenseNetBackbone([2, 2, 2], growth_rate=8), 44),
        "vgg": lambda: (hub.VGGBackbone([1, 1], [8, 8]), 8),
    }


@pytest.mark.parametrize("name", ["resnet", "resnet_classifier", "densenet", "vgg"])
def test_keras_hub(name):
    model, channels = hub_models()[1][name]()
    backbone = KerasBackbone(model)
    assert backbone.channels == channels
    loaded = reloaded(backbone)
    np.testing.assert_allclose(loaded(images()), backbone(images()), rtol=1e-4, atol=1e-4)
    assert loaded(images()).shape[-1] == channels


def test_keras_hub_transformer_is_refused():
    hub, _ = hub_models()
    with pytest.raises(ValueError, match="as a transformer's tokens"):
        KerasBackbone(hub.ViTBackbone((64, 32, 3), 16, 2, 2, 16, 32))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: KerasBackbone(layers.Conv2D(3, 3)),
            r"`model` of KerasBackbone must be a keras\.Model\. Received: Conv2D",
        ),
        (
            lambda: KerasBackbone(small(), preprocessing="rgb"),
            r"`preprocessing` of KerasBackbone must be one of 'raw', .* Received: preprocessing='rgb'",
        ),
        (lambda: KerasBackbone(small(channels=1)), r"RGB images .* Received: \(None, None, None, 1\)"),
        (
            lambda: KerasBackbone(Subclassed(), layer="convolution"),
            r"`layer` of KerasBackbone needs a functional or sequential model; Subclassed has no graph",
        ),
        (
            lambda: KerasBackbone(keras.Sequential([layers.Conv2D(3, 3)]), layer="conv"),
            r"Sequential has no graph, or is not built",
        ),
        (
            lambda: KerasBackbone(Subclassed(rank=2))(images()),
            r"must give one feature map \(batch, height, width, channels\)\. Received: \(None, 7\)",
        ),
        (
            lambda: KerasBackbone(small((224, 224)))(images()),
            r"takes images of \(height, width\) = \(224, 224\) only\. Received: \(64, 32\)\. "
            r"Make it with `input_shape=\(64, 32, 3\)`",
        ),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
