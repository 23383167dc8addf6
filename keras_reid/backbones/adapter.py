"""Models of `keras.applications`, `keras_hub` and users as backbones."""

import copy
from typing import Any, Literal, Self

import keras
from keras import ops

from keras_reid.backbones.feature_map import find_feature_map
from keras_reid.backbones.preprocessing import PIXEL_SCALES, recognize_preprocessing
from keras_reid.utils.hints import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_reid")
class KerasBackbone(keras.Model):
    """Any Keras image model as a backbone: finds its feature map, and cuts off what comes after it.

    Takes models of `keras.applications`, with or without their top, backbones of `keras_hub`, and functional,
    sequential and subclassed models of your own. The weights are the model's: they are shared, not copied, and what
    is cut off (pooling, classifier) is neither trained nor saved. The stride of the last stage stays as it is, since
    nothing tells where in a foreign graph it could be changed: expect 1/32 of the image's size, where
    `keras_reid.backbones` give 1/16. A model of a fixed size takes only that: give it the size of your images
    (`input_shape=(256, 128, 3)`) or none (`(None, None, 3)`, without its top).

    Foreign models want their pixels in different ranges, and nothing fails if they get another. `ReIDModel` does the
    scaling, and takes `pixel_mean` and `pixel_std` of the adapter by itself, also in an experiment. Where the adapter
    knows nothing (both are None), `ReIDModel` assumes ImageNet's: give it what the model was trained with, or name the
    `preprocessing` here.

    | preprocessing | mean, standard deviation | `keras.applications` |
    |---|---|---|
    | `"raw"` | 0, 1: the model scales pixels itself | EfficientNet, EfficientNetV2, ConvNeXt, MobileNetV3 |
    | `"tf"` | 127.5, 127.5 | MobileNet, MobileNetV2, ResNetV2, Xception, Inception, NASNet |
    | `"torch"` | ImageNet's, the default of `ReIDModel` | DenseNet |
    | `"caffe"` | ImageNet's mean, 1; the adapter turns RGB into BGR | ResNet, VGG |

    Presets of `keras_hub` differ from one another: read the scale in `keras_hub.layers.ImageConverter`. Before a saved
    model with such a backbone is loaded, `import keras_hub` must have made its classes known to Keras.

    Args:
        model: The `keras.Model`: RGB images `(batch, height, width, 3)` → anything. A subclassed one, which has no
            graph to search, must give the feature map itself, and be serialisable to be saved.
        layer: Name of the layer that gives the feature map. Defaults to None: the last one before pooling.
        preprocessing: A name of the table. Defaults to None: found by itself where that is certain.
        name: Name of the backbone. Defaults to None: Keras makes one.

    Attributes:
        channels: Channels of the feature map; None for a subclassed model before its first call.
        feature_layer: Name of the layer that gives the feature map; None for a subclassed model.
        pixel_mean, pixel_std: What `ReIDModel` scales pixels by; None where unknown.

    Input shape: `(batch, height, width, 3)`, scaled by `pixel_mean` and `pixel_std`. Output shape: the feature map
    `(batch, height', width', channels)`.

    Raises:
        ValueError: if `model` is no model of images, has no feature map or more than one, continues with tokens (a
            vision transformer), has no such `layer`, has another size than the images, or an argument is wrong.

    Example:
        >>> model = keras.applications.MobileNetV3Small(weights=None, alpha=0.35, minimalistic=True)
        >>> backbone = keras_reid.backbones.KerasBackbone(model)
        >>> keras.ops.shape(backbone(keras.random.uniform((2, 128, 64, 3), maxval=255)))
        (2, 4, 2, 192)
        >>> backbone.channels, backbone.preprocessing, backbone.pixel_mean
        (192, 'raw', (0.0, 0.0, 0.0))

    Source: none; the original has no such part. The ranges are those of `keras.applications.*.preprocess_input`.
    """

    in_experiments = None  # it takes a finished model, which an experiment makes in a function

    def __init__(
        self,
        model: keras.Model,
        layer: str | None = None,
        preprocessing: Literal["raw", "tf", "torch", "caffe"] | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        # Validation.
        if not isinstance(model, keras.Model):
            raise ValueError(
                f"`model` of KerasBackbone must be a keras.Model. Received: {type(model).__name__}"
            )
        if preprocessing is not None and preprocessing not in PIXEL_SCALES:
            raise ValueError(
                f"`preprocessing` of KerasBackbone must be one of {', '.join(map(repr, PIXEL_SCALES))}, or None. "
                f"Received: preprocessing={preprocessing!r}"
            )
        super().__init__(name=name, **kwargs)

        # The part of the model up to its feature map.
        self.layer = layer
        self.preprocessing = preprocessing or recognize_preprocessing(model)
        self.pixel_mean, self.pixel_std = PIXEL_SCALES.get(self.preprocessing, (None, None))  # type: ignore[arg-type]
        self.channels = self.feature_layer = None
        if getattr(model, "inputs", None):
            _check_images(model)
            feature_map, self.feature_layer = find_feature_map(model, layer)
            self.channels = feature_map.shape[-1]
            if len(model.outputs) != 1 or feature_map is not model.outputs[0]:
                model = keras.Model(model.inputs, feature_map, name=model.name)
        elif layer is not None:
            raise ValueError(
                f"`layer` of KerasBackbone needs a functional or sequential model; {type(model).__name__} has no "
                f"graph, or is not built. Make its `call` return the feature map. Received: layer={layer!r}"
            )
        self.model = model
        self.built = self.feature_layer is not None

    def build(self, input_shape: Shape) -> None:
        # A subclassed model tells what it gives, and creates its weights, in a symbolic pass.
        feature_map = self.model(keras.Input(input_shape[1:]))
        shape = getattr(feature_map, "shape", feature_map)
        if not isinstance(shape, tuple) or len(shape) != 4 or shape[-1] is None:
            raise ValueError(
                f"The model {self.model.name!r} must give one feature map (batch, height, width, channels). "
                f"Received: {shape}"
            )
        self.channels = shape[-1]

    def call(self, images: Tensor, training: bool = False) -> Tensor:
        self._check_size(images)
        if self.preprocessing == "caffe":
            images = ops.flip(images, axis=-1)
        return self.model(images, training=training)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return self.model.compute_output_shape(input_shape)

    def compute_output_spec(self, images: Tensor, training: bool = False) -> Tensor:
        self._check_size(images)
        # A call hands `training` on only where the model's own takes it.
        return self.model(images, training=training)

    def _check_size(self, images):
        if self.feature_layer is None:
            return
        own, received = (tuple(tensor.shape)[1:3] for tensor in (self.model.inputs[0], images))
        if any(None not in sides and sides[0] != sides[1] for sides in zip(own, received, strict=True)):
            raise ValueError(
                f"The model {self.model.name!r} takes images of (height, width) = {own} only. Received: {received}. "
                f"Make it with `input_shape=({received[0]}, {received[1]}, 3)`, or with "
                "`input_shape=(None, None, 3)` and without its top."
            )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "model": keras.saving.serialize_keras_object(self.model),
            "layer": self.layer,
            "preprocessing": self.preprocessing,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Self:
        # Keras takes the config of a functional model apart while it reads it.
        model = keras.saving.deserialize_keras_object(copy.deepcopy(config["model"]), custom_objects)
        return cls(**{**config, "model": model})


def _check_images(model):
    shapes = [tuple(tensor.shape) for tensor in model.inputs]
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][-1] != 3:
        raise ValueError(
            "`model` of KerasBackbone must take one input, RGB images (batch, height, width, 3). "
            f"Received: {', '.join(map(str, shapes))}"
        )
