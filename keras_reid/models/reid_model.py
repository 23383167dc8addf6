import os
from collections.abc import Mapping, Sequence
from typing import Any, Self

import keras
from keras import ops

from keras_reid.layers.margin import without_margin
from keras_reid.models.inputs import known_cameras, preprocessing
from keras_reid.models.training_model import TrainingModel
from keras_reid.utils.hints import Tensor


@keras.saving.register_keras_serializable(package="keras_reid")
class ReIDModel(TrainingModel):
    """Images in, embeddings out: normalisation → backbone → pooling → head.

    Calling the model gives the raw embedding after the neck, not normalised to unit length (`embed` and every export
    normalise). In training the head's logits and metric feature go to the losses, each to those that read it.

    Args:
        backbone: a `keras.Model` or layer: normalised images `(batch, h, w, 3)` → feature map `(batch, h', w', c)`. One
            that knows cameras (`num_cameras` above 0, as `backbones.ViT` may) is called with a dict of `images` and
            `cameras`; in `fit` and Keras' `evaluate` they are the labels' `"camera"`, and unknown (−1) wherever none
            are given, as in retrieval, `embed` and every export.
        pooling: a layer: feature map → `(batch, c)`.
        head: a layer called as `head(pooled, labels=None, training=False)` → dict with `logits` (with the
            margin where labels are given), `scores` (without), `feature` (for metric losses) and `embedding`. Where
            `logits` or `feature` is a list, of branches, a loss is the mean of its values over them.
        image_size: `(height, width)` in pixels, to which every way in resizes; None is what `metadata` says, else
            (256, 128).
        pixel_mean: per RGB channel on the 0–255 scale; None is what `metadata` says, else the backbone's own where it
            knows it (as `backbones.KerasBackbone` may), else ImageNet's.
        pixel_std: as `pixel_mean`.
        metadata: a JSON-able dict that travels with the model: `image_size`, `interpolation`, `pixel_mean`, `pixel_std`
            (filled from the arguments above), `threshold`, `provenance` and whatever else is put there. The only
            place that converters, calibration and exporters read and write.

    Shapes: images uint8 or float `(batch, height, width, 3)`, RGB, 0–255 → float32 `(batch, dim)`. A model that knows
    cameras may also be given `{"images": ..., "cameras": int (batch,)}`.

    Training: `compile(optimizer, loss=...)` with one loss, a list or a dict, then `fit` on batches
    `(images, {"identity": (batch,)})` or `(images, identities)`. A loss reads what its attribute `reads` names
    (`"logits"`, the default, or `"feature"`); its value is logged under its name, as are `loss`, `accuracy` and
    `learning_rate`.

    Example:
        >>> model = ReIDModel(
        ...     backbones.ResNet(depth=18), layers.GeMPooling2D(), heads.BNNeckHead(num_classes=751))
        >>> model.compile("adam", loss=[losses.CrossEntropy(), losses.TripletLoss()], warmup_steps=100)
        >>> model.predict(images).shape
        (8, 512)
    """

    def __init__(
        self,
        backbone: keras.Model,
        pooling: keras.layers.Layer,
        head: keras.layers.Layer,
        image_size: Sequence[int] | None = None,
        pixel_mean: Sequence[float] | None = None,
        pixel_std: Sequence[float] | None = None,
        metadata: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if getattr(pooling, "data_format", "channels_last") != "channels_last":
            raise ValueError(
                "pooling must take feature maps with channels last, (batch, height, width, channels). Received: "
                f'{type(pooling).__name__} for {pooling.data_format}. Make it with data_format="channels_last".'
            )
        # Without autocasting, mixed precision would round pixels to 11 bits before they are normalised.
        super().__init__(autocast=False, **kwargs)
        self.backbone = backbone
        self.pooling = pooling
        self.head = head
        self.metadata = {
            "interpolation": "bicubic",
            "threshold": None,
            "provenance": {},
            **(metadata or {}),
            **preprocessing(backbone, metadata or {}, image_size, pixel_mean, pixel_std),
        }
        # A symbolic pass creates every variable, so that weights can be loaded and counted at once.
        outputs = self.compute_outputs(keras.Input((*self.image_size, 3)))
        # Kept, because Keras reads every property when it loads a model, and another pass takes half a second.
        self._embedding_dim = outputs["embedding"].shape[-1]
        self.build((None, *self.image_size, 3))

    @property
    def image_size(self) -> tuple[int, int]:
        """`(height, width)` in pixels."""
        return tuple(self.metadata["image_size"])

    @property
    def embedding_dim(self) -> int:
        """Length of an embedding."""
        return int(self._embedding_dim)

    def build(self, input_shape: Any = None) -> None:
        """The constructor has built everything; Keras notes the shape."""

    def normalize(self, images: Tensor) -> Tensor:
        """`(images − mean) / std` in float32, whatever the precision of the layers."""
        images = ops.cast(images, "float32")
        mean = ops.convert_to_tensor(self.metadata["pixel_mean"], "float32")
        std = ops.convert_to_tensor(self.metadata["pixel_std"], "float32")
        return ops.cast((images - mean) / std, self.compute_dtype)

    def compute_outputs(
        self,
        images: Tensor | dict[str, Tensor],
        labels: Tensor | None = None,
        training: bool = False,
        cameras: Tensor | None = None,
    ) -> dict[str, Any]:
        """The head's outputs: a dict with `logits`, `scores`, `feature` and `embedding`."""
        if isinstance(images, dict):
            images, cameras = images["images"], images["cameras"]
        inputs = self.normalize(images)
        if getattr(self.backbone, "num_cameras", 0):
            if cameras is None:
                cameras = ops.zeros_like(images[:, 0, 0, 0], dtype="int32") - 1
            else:
                cameras = known_cameras(cameras, images, self.backbone.num_cameras)
            inputs = {"images": inputs, "cameras": cameras}
        features = self.backbone(inputs, training=training)
        return self.head(self.pooling(features), labels=labels, training=training)

    def call(self, images: Tensor | dict[str, Tensor], training: bool = False) -> Tensor:
        with without_margin():
            return ops.cast(self.compute_outputs(images, training=training)["embedding"], "float32")

    def fuse(self) -> Self:
        """A copy for deployment, whose backbone has made its parallel branches one convolution (as `RepVGG` can).

        Raises:
            ValueError: if the backbone has nothing to fuse.
        """
        if not callable(getattr(self.backbone, "fuse", None)):
            raise ValueError(
                f"Only a backbone with a method `fuse`, such as RepVGG, can be fused. Received: {self.backbone.name!r}"
            )
        config = self.get_config()
        parts = {part: keras.saving.deserialize_keras_object(config[part]) for part in ("pooling", "head")}
        fused = type(self)(self.backbone.fuse(), **parts, metadata=self.metadata, name=self.name)
        for part in parts:
            getattr(fused, part).set_weights(getattr(self, part).get_weights())
        return fused

    @classmethod
    def from_preset(cls, name_or_path: str | os.PathLike[str], trust_code: bool = False) -> Self:
        """A trained model, ready for inference, by its path or name.

        Args:
            name_or_path: a run directory, a `.keras` file, the name of a published model (`keras-reid zoo list`), or an
                address, as `keras_reid.zoo.resolve` takes them. A published model is fetched and converted once.
            trust_code: as of `models.load_model`.

        Raises:
            UserError: if there is no such path or name; as `models.load_model`.

        Example:
            >>> model = ReIDModel.from_preset("runs/quickstart")  # doctest: +SKIP
        """
        from keras_reid.models.presets import load_preset

        return load_preset(name_or_path, trust_code)

    def export(
        self,
        filepath: str | os.PathLike[str],
        format: str = "tf_saved_model",
        verbose: bool | None = None,
        input_signature: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Writes the model for inference without this package, as `keras.Model.export` does.

        Every artefact gives embeddings of length 1, in float32 `(n, dim)`, for images of the model's size, RGB 0–255,
        in a batch of any size.

        | format | writes | images | how to call it |
        |---|---|---|---|
        | `"tf_saved_model"` | a folder | uint8, float32 | `serve(images)` of the loaded object, and signatures |
        | `"onnx"` | a file | uint8 | input `images`, output `embedding`; the metadata is in the file |
        | `"litert"` | a `.tflite` file | uint8 | the signature `pixels`: `images` → `embedding` |

        These three are `export.export_savedmodel`, `export_onnx` and `export_litert`: batch normalisations are folded,
        the artefact is run in a new process on 41 images and must give the model's embeddings, and only then it takes
        the place of what was there. With `input_signature` or `kwargs`, and in other formats, Keras' own exporter
        writes, and compares nothing. `keras-reid export` has more precisions, and writes what a server needs.

        Time: that of the model on 82 images, and the start of a process.

        Args:
            filepath: where to write.
            format: one of the table, or another one of Keras.
            verbose: False to print nothing.
            input_signature: as of `keras.Model.export`. Defaults to None: as in the table.
            **kwargs: as of `keras.Model.export`, such as `opset_version` for ONNX.

        Raises:
            UserError: the place is taken by something else, or a package is missing.
            ParityError: the artefact's embeddings differ from the model's.

        Example:
            >>> model.export("exported")  # doctest: +SKIP
            >>> artefact = tf.saved_model.load("exported")  # doctest: +SKIP
            >>> artefact.serve(images).shape  # doctest: +SKIP
            TensorShape([8, 512])
        """
        from keras_reid.export.keras_call import export_model

        export_model(self, filepath, format, verbose, input_signature, **kwargs)

    def get_config(self) -> dict[str, Any]:
        metadata = dict(self.metadata)
        return {
            **super().get_config(),
            "backbone": keras.saving.serialize_keras_object(self.backbone),
            "pooling": keras.saving.serialize_keras_object(self.pooling),
            "head": keras.saving.serialize_keras_object(self.head),
            "image_size": metadata.pop("image_size"),
            "pixel_mean": metadata.pop("pixel_mean"),
            "pixel_std": metadata.pop("pixel_std"),
            "metadata": metadata,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        config = dict(config)
        for part in ("backbone", "pooling", "head"):
            config[part] = keras.saving.deserialize_keras_object(config[part])
        return cls(**config)
