"""What the backbones share."""

import difflib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, Self

import keras
import numpy as np

from keras_reid.checkpoints import load_pretrained
from keras_reid.utils.hints import Shape, Tensor


class Backbone(keras.Model):
    """A functional model from normalised images to a feature map, made again from its constructor's arguments.

    Layers of the graph that are frozen on their own stay so when it is made again.

    A subclass validates its arguments, draws the graph, and hands both over:

    Args:
        inputs: `keras.Input` of the images.
        outputs: The feature map.
        own: The subclass's arguments by name, JSON-able; they become attributes and the config.
        input_shape: `(height, width, channels)` of the images.
        dtype: The dtype policy of all layers.
        name: Name of the model.
        pretrained: None, "imagenet", or the path of a weights file in PyTorch's format. It says what the weights
            start from, not what the model is, so it is no part of the config.
        published_name: What the weights that "imagenet" stands for are called in `keras_reid.checkpoints`.

    `presets` holds the networks of the family that weights are published for: `{name: the arguments that make it}`.

    Experiments read two class attributes: `smallest`, the arguments that make the smallest network of the family, for
    `fit --smoke`; and `gives_negatives`, whether the feature has negative values, which some poolings would cut off.
    """

    presets: ClassVar[Mapping[str, dict]] = {}
    smallest: ClassVar[dict] = {}
    gives_negatives = False

    def __init__(
        self,
        inputs: Tensor | dict[str, Tensor],
        outputs: Tensor | Sequence[Tensor],
        *,
        own: dict[str, Any],
        input_shape: Shape,
        dtype: keras.DTypePolicy,
        name: str | None = None,
        pretrained: str | None = None,
        published_name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(inputs=inputs, outputs=outputs, name=name, **kwargs)
        for key, value in own.items():
            setattr(self, key, value)
        self._own_arguments = tuple(own)
        self.image_shape = tuple(input_shape)
        self.layers_dtype = dtype
        if pretrained is not None:
            load_pretrained(self, pretrained, published_name)

    @classmethod
    def from_preset(cls, name: str, **kwargs: Any) -> Self:
        """A network of `presets` with its published weights, as `pretrained="imagenet"` fetches them.

        Args:
            name: one of `presets`.
            kwargs: further arguments of the constructor, such as `last_stride=2`.

        Raises:
            ValueError: if there is no such preset.
            UserError: if the weights cannot be fetched or do not fit.

        Example:
            >>> backbone = keras_reid.backbones.ResNet.from_preset("resnet50_ibn_a")  # doctest: +SKIP
        """
        if name not in cls.presets:
            near = difflib.get_close_matches(str(name), cls.presets, n=3, cutoff=0.3) or list(cls.presets)
            known = f"such as {', '.join(map(repr, near))}" if near else "and there are none"
            raise ValueError(
                f"`name` must be one of {cls.__name__}.presets, {known}. Received: {name!r}. For a file of your own "
                f'use {cls.__name__}(pretrained="PATH").'
            )
        return cls(**{**cls.presets[name], "pretrained": "imagenet", **kwargs})

    def adapt_checkpoint(self, state: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """A published state dict as this network's: `{name: array}` → `{name: array}`, where they differ."""
        return state

    def get_config(self) -> dict[str, Any]:
        config = {
            **{key: getattr(self, key) for key in self._own_arguments},
            "input_shape": list(self.image_shape),
            "name": self.name,
            "trainable": self.trainable,
            "dtype": keras.dtype_policies.serialize(self.layers_dtype),
        }
        frozen = sorted(layer.name for layer in self.layers if not layer.trainable)
        if self.trainable and frozen:
            config["frozen_layers"] = frozen
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Self:
        config = dict(config)
        trainable = config.pop("trainable", True)
        frozen = config.pop("frozen_layers", ())
        config["input_shape"] = tuple(config["input_shape"])
        config["dtype"] = keras.dtype_policies.deserialize(config["dtype"])
        model = cls(**config)
        model.trainable = trainable
        for layer in model.layers:
            if layer.name in frozen:
                layer.trainable = False
        return model


def policy(dtype: str | keras.DTypePolicy | None) -> keras.DTypePolicy:
    """The dtype policy that a backbone's `dtype` argument stands for."""
    return keras.dtype_policies.get(dtype or keras.config.dtype_policy())


def check_choice(owner: str, argument: str, value: Any, choices: Collection[Any]) -> None:
    """Raises ValueError unless `value` is one of `choices`."""
    if value not in choices:
        listed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"`{argument}` of {owner} must be one of {listed}. Received: {argument}={value!r}")


def check_width(owner: str, width: int, divisor: int = 1, least: int = 1) -> None:
    """Raises ValueError unless `width` is an integer of at least `least` and a multiple of `divisor`."""
    if not isinstance(width, int) or width < max(least, divisor) or width % divisor:
        rule = f"a positive multiple of {divisor}" if divisor > 1 else f"an integer of at least {least}"
        raise ValueError(f"`width` of {owner} must be {rule}. Received: width={width!r}")


def check_image_shape(owner: str, input_shape: Shape) -> None:
    """Raises ValueError unless `input_shape` is (height, width, channels) with known channels."""
    if len(input_shape) != 3 or input_shape[-1] is None:
        raise ValueError(
            f"`input_shape` of {owner} must be (height, width, channels); height and width may be None. "
            f"Received: input_shape={input_shape}"
        )
