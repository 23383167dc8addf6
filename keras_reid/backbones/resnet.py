"""ResNet with the options that re-identification asks for."""

import keras
from keras import layers

from keras_reid.layers import IBN, NonLocal2D, SqueezeExcite

_EXPANSION = 4  # a bottleneck block gives four times the channels it works in


@keras.saving.register_keras_serializable(package="keras_reid")
class ResNet(keras.Model):
    """ResNet feature extractor, without pooling and classifier.

    The layout is torchvision's, so that its weights fit: stride on the 3×3 convolution of a bottleneck,
    symmetric padding, no biases, batch normalisation with ε 1e-5 and momentum 0.9. The first pooling has no
    padding and covers the last row and column (ceil mode), as in FastReID.

    Layers are named by stage and block, such as `layer3_0_conv1`; `layer1_0` to `layer4_n` are the four
    stages' blocks.

    Args:
        depth: 18, 34 (basic blocks), 50, 101 or 152 (bottleneck blocks).
        last_stride: Stride of the last stage, 1 or 2. 1 keeps twice the resolution, 1/16 of the image's,
            which re-identification wants. Defaults to 1.
        ibn: Whether the first normalisation of every block in stages 1 to 3 is instance-batch normalisation
            (IBN-a). Defaults to False.
        non_local: Whether non-local blocks follow the last 2 blocks of stage 2 and the last 3 (depth 50) or 9
            (depth 101, 152) of stage 3. Depths 18 and 34 have none, as in the original, which has no depth
            152. Defaults to False.
        squeeze_excite: Whether every block ends in squeeze-and-excitation. Defaults to False.
        width: Channels of the stem and of the first stage's convolutions; each later stage doubles them. 64
            is the paper's; fewer make a lighter network. Defaults to 64.
        input_shape: `(height, width, channels)` of the images in pixels; None is any size.
            Defaults to (None, None, 3).
        dtype: Keras dtype policy of all layers. Defaults to the global one.

    Input shape: `(batch, height, width, 3)`, normalised. Output shape: `(batch, height / 16, width / 16,
    channels)` with `channels = 8 · width` for basic and `32 · width` for bottleneck blocks; half the height
    and width with `last_stride=2`.

    Raises:
        ValueError: if an argument is not one of the values above.

    Example:
        >>> backbone = keras_reid.backbones.ResNet(depth=18, width=16)
        >>> keras.ops.shape(backbone(keras.random.normal((2, 128, 64, 3))))
        (2, 8, 4, 128)

    Source: He et al., "Deep residual learning for image recognition", 2016; Luo et al., "Bag of tricks", 2019
    (last stride); Pan et al., 2018 (IBN); Wang et al., 2018 (non-local); Hu et al., 2018
    (squeeze-and-excitation).
    """

    depths = (18, 34, 50, 101, 152)

    def __init__(
        self,
        depth=50,
        last_stride=1,
        ibn=False,
        non_local=False,
        squeeze_excite=False,
        width=64,
        input_shape=(None, None, 3),
        name=None,
        dtype=None,
        **kwargs,
    ):
        # Validation.
        if depth not in self.depths:
            raise ValueError(f"`depth` of ResNet must be one of {self.depths}. Received: depth={depth}")
        if last_stride not in (1, 2):
            raise ValueError(f"`last_stride` of ResNet must be 1 or 2. Received: last_stride={last_stride}")
        if not isinstance(width, int) or width < 2:
            raise ValueError(f"`width` of ResNet must be an integer of at least 2. Received: width={width!r}")
        if len(input_shape) != 3 or input_shape[-1] is None:
            raise ValueError(
                "`input_shape` of ResNet must be (height, width, channels); height and width may be None. "
                f"Received: input_shape={input_shape}"
            )

        # Functional graph.
        dtype = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        build = _Builder(ibn=ibn, squeeze_excite=squeeze_excite, dtype=dtype)
        images = keras.Input(input_shape, name="images")
        x = build.convolution(images, width, kernel=7, stride=2, name="conv1")
        x = build.norm(x, "bn1")
        x = build.relu(x, "relu")
        # All values are ≥ 0 here, so that a zero row and column at the end never win: exactly ceil mode.
        x = layers.ZeroPadding2D(((0, 1), (0, 1)), name="maxpool_pad", dtype=dtype)(x)
        x = layers.MaxPooling2D(3, strides=2, name="maxpool", dtype=dtype)(x)
        blocks = _BLOCKS[depth]
        for stage, (count, stride) in enumerate(zip(blocks, (1, 2, 2, last_stride), strict=True), start=1):
            channels = width * 2 ** (stage - 1)
            non_local_blocks = _NON_LOCAL[depth][stage - 1] if non_local else 0
            for index in range(count):
                block = build.bottleneck if depth >= 50 else build.basic
                x = block(x, channels, stride if index == 0 else 1, stage, f"layer{stage}_{index}")
                position = index - (count - non_local_blocks)
                if position >= 0:
                    x = NonLocal2D(name=f"non_local{stage}_{position}", dtype=dtype)(x)
        super().__init__(inputs=images, outputs=x, name=name, **kwargs)

        # Configuration.
        self.depth = depth
        self.last_stride = last_stride
        self.ibn = bool(ibn)
        self.non_local = bool(non_local)
        self.squeeze_excite = bool(squeeze_excite)
        self.width = width
        self.image_shape = tuple(input_shape)
        self.layers_dtype = dtype

    def get_config(self):
        return {
            "depth": self.depth,
            "last_stride": self.last_stride,
            "ibn": self.ibn,
            "non_local": self.non_local,
            "squeeze_excite": self.squeeze_excite,
            "width": self.width,
            "input_shape": list(self.image_shape),
            "name": self.name,
            "trainable": self.trainable,
            "dtype": keras.dtype_policies.serialize(self.layers_dtype),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        trainable = config.pop("trainable", True)
        config["input_shape"] = tuple(config["input_shape"])
        config["dtype"] = keras.dtype_policies.deserialize(config["dtype"])
        model = cls(**config)
        model.trainable = trainable
        return model


_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
_NON_LOCAL = {18: (0, 0, 0, 0), 34: (0, 0, 0, 0), 50: (0, 2, 3, 0), 101: (0, 2, 9, 0), 152: (0, 2, 9, 0)}


class _Builder:
    """Adds layers and blocks to a functional graph, all with the same options."""

    def __init__(self, ibn, squeeze_excite, dtype):
        self.ibn = ibn
        self.squeeze_excite = squeeze_excite
        self.dtype = dtype

    def convolution(self, x, filters, kernel, stride, name):
        padding = "same"
        if stride > 1 and kernel > 1:
            # "same" would pad a strided convolution at the bottom and right only.
            x = layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad", dtype=self.dtype)(x)
            padding = "valid"
        return layers.Conv2D(
            filters,
            kernel,
            strides=stride,
            padding=padding,
            use_bias=False,
            # N(0, sqrt(2 / (kernel² · filters)))
            kernel_initializer=keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal"),
            name=name,
            dtype=self.dtype,
        )(x)

    def norm(self, x, name, ibn=False):
        if ibn:
            return IBN(name=name, dtype=self.dtype)(x)
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=name, dtype=self.dtype)(x)

    def relu(self, x, name):
        return layers.ReLU(name=name, dtype=self.dtype)(x)

    def basic(self, inputs, channels, stride, stage, name):
        """3×3, 3×3."""
        x = self.convolution(inputs, channels, 3, stride, f"{name}_conv1")
        x = self.norm(x, f"{name}_bn1", ibn=self.ibn and stage < 4)
        x = self.relu(x, f"{name}_relu1")
        x = self.convolution(x, channels, 3, 1, f"{name}_conv2")
        x = self.norm(x, f"{name}_bn2")
        return self._finish(x, inputs, stride, name)

    def bottleneck(self, inputs, channels, stride, stage, name):
        """1×1, 3×3 with the stride, 1×1 to four times the channels."""
        x = self.convolution(inputs, channels, 1, 1, f"{name}_conv1")
        x = self.norm(x, f"{name}_bn1", ibn=self.ibn and stage < 4)
        x = self.relu(x, f"{name}_relu1")
        x = self.convolution(x, channels, 3, stride, f"{name}_conv2")
        x = self.norm(x, f"{name}_bn2")
        x = self.relu(x, f"{name}_relu2")
        x = self.convolution(x, _EXPANSION * channels, 1, 1, f"{name}_conv3")
        x = self.norm(x, f"{name}_bn3")
        return self._finish(x, inputs, stride, name)

    def _finish(self, x, inputs, stride, name):
        """Squeeze-and-excitation where wanted, and the sum with the shortcut."""
        if self.squeeze_excite:
            x = SqueezeExcite(name=f"{name}_se", dtype=self.dtype)(x)
        if stride > 1 or inputs.shape[-1] != x.shape[-1]:
            inputs = self.convolution(inputs, x.shape[-1], 1, stride, f"{name}_downsample_conv")
            inputs = self.norm(inputs, f"{name}_downsample_bn")
        return self.relu(layers.Add(name=f"{name}_add", dtype=self.dtype)([x, inputs]), f"{name}_relu")
