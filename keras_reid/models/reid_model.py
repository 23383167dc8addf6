import keras
import tensorflow as tf
from keras import ops

from keras_reid.models.inputs import cameras_of, identities_of, preprocessing
from keras_reid.models.terms import LossTerms
from keras_reid.training.schedules import WarmUp


@keras.saving.register_keras_serializable(package="keras_reid")
class ReIDModel(keras.Model):
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
        pixel_std: likewise.
        metadata: a JSON-able dict that travels with the model: `image_size`, `interpolation`, `pixel_mean`, `pixel_std`
            (filled from the arguments above), `threshold`, `provenance` and whatever else is put there. The only
            place that converters, calibration and exporters read and write.

    Shapes: images uint8 or float `(batch, height, width, 3)`, RGB, 0–255 → float32 `(batch, dim)`. A model that knows
    cameras may also be given `{"images": ..., "cameras": int (batch,)}`.

    Training: `compile(optimizer, losses=[...])`, then `fit` on batches `(images, {"identity": (batch,)})` or
    `(images, identities)`. A loss reads what its attribute `reads` names (`"logits"`, the default, or `"feature"`);
    its value is logged under its name, beside `loss`, `accuracy` and `learning_rate`.

    Example:
        >>> model = ReIDModel(
        ...     backbones.ResNet(depth=18), layers.GeMPooling2D(), heads.BNNeckHead(num_classes=751))
        >>> model.compile("adam", losses=[losses.CrossEntropy(), losses.TripletLoss()], warmup_steps=100)
        >>> model.predict(images).shape
        (8, 512)
    """

    def __init__(
        self,
        backbone,
        pooling,
        head,
        image_size=None,
        pixel_mean=None,
        pixel_std=None,
        metadata=None,
        **kwargs,
    ):
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
        self.freeze_backbone_steps = 0
        self._terms = None
        self._frozen_step = False
        # A symbolic pass creates every variable, so that weights can be loaded and counted at once.
        self.compute_outputs(keras.Input((*self.image_size, 3)))
        self.built = True

    @property
    def image_size(self):
        """`(height, width)` in pixels."""
        return tuple(self.metadata["image_size"])

    @property
    def embedding_dim(self):
        """Length of an embedding."""
        return int(self(keras.Input((*self.image_size, 3))).shape[-1])

    def build(self, input_shape=None):
        """Everything is built by the constructor."""

    def normalize(self, images):
        """`(images − mean) / std` in float32, whatever the precision of the layers."""
        images = ops.cast(images, "float32")
        mean = ops.convert_to_tensor(self.metadata["pixel_mean"], "float32")
        std = ops.convert_to_tensor(self.metadata["pixel_std"], "float32")
        return ops.cast((images - mean) / std, self.compute_dtype)

    def compute_outputs(self, images, labels=None, training=False, cameras=None):
        """The head's outputs: a dict with `logits`, `scores`, `feature` and `embedding`."""
        return self._after_backbone(self._features(images, cameras, training), labels, training)

    def _features(self, images, cameras, training):
        if isinstance(images, dict):
            images, cameras = images["images"], images["cameras"]
        inputs = self.normalize(images)
        if getattr(self.backbone, "num_cameras", 0):
            if cameras is None:
                cameras = ops.zeros_like(images[:, 0, 0, 0], dtype="int32") - 1
            inputs = {"images": inputs, "cameras": ops.cast(ops.reshape(cameras, (-1,)), "int32")}
        return self.backbone(inputs, training=training)

    def _after_backbone(self, features, labels, training):
        return self.head(self.pooling(features), labels=labels, training=training)

    def call(self, images, training=False):
        return ops.cast(self.compute_outputs(images, training=training)["embedding"], "float32")

    def compile(
        self,
        optimizer="adam",
        losses=(),
        loss_weights=None,
        warmup_steps=0,
        warmup_factor=0.1,
        warmup_kind="linear",
        freeze_backbone_steps=0,
        **kwargs,
    ):
        """Prepares training.

        Args:
            optimizer: a Keras optimizer or its name.
            losses: Keras losses or functions of `(y_true, y_pred)`; each reads `logits`, or what its `reads` says.
            loss_weights: a number for each loss; 1 each if not given.
            warmup_steps: optimizer steps in which the learning rate rises to what the optimizer's own says.
            warmup_factor: the fraction of the learning rate at the first step, in (0, 1].
            warmup_kind: `"linear"`, `"exponential"` or `"constant"`.
            freeze_backbone_steps: optimizer steps at the start in which the backbone runs in inference mode (its
                batch normalisation uses and keeps the moving statistics), is not back-propagated and does not change.
            **kwargs: as `keras.Model.compile`: `jit_compile`, `steps_per_execution`, `run_eagerly`, `auto_scale_loss`.
        """
        if "loss" in kwargs:
            raise ValueError(
                "ReIDModel.compile takes `losses=[...]`, a list, as it adds several; not `loss`."
            )
        if not isinstance(freeze_backbone_steps, int) or freeze_backbone_steps < 0:
            raise ValueError(
                f"freeze_backbone_steps must be a whole number of steps, 0 or more. Received: {freeze_backbone_steps!r}"
            )
        steps_per_execution = kwargs.get("steps_per_execution", 1)
        if freeze_backbone_steps % steps_per_execution:
            raise ValueError(
                "freeze_backbone_steps must be a multiple of steps_per_execution, because the step changes between "
                f"executions. Received: {freeze_backbone_steps} and {steps_per_execution}"
            )
        optimizer = WarmUp.apply(keras.optimizers.get(optimizer), warmup_steps, warmup_factor, warmup_kind)
        super().compile(optimizer=optimizer, **kwargs)
        self.freeze_backbone_steps = freeze_backbone_steps
        self._terms = LossTerms(losses, loss_weights)
        self._compile_arguments = {
            "warmup_steps": warmup_steps,
            "warmup_factor": warmup_factor,
            "warmup_kind": warmup_kind,
            "freeze_backbone_steps": freeze_backbone_steps,
        }
        self.optimizer.build(self.trainable_variables)

    def get_compile_config(self):
        if self._terms is None:
            return {}
        return {
            "optimizer": keras.saving.serialize_keras_object(self.optimizer),
            "losses": [keras.saving.serialize_keras_object(loss) for loss in self._terms.losses],
            "loss_weights": self._terms.weights,
            **self._compile_arguments,
        }

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))

    @property
    def metrics(self):
        return [] if self._terms is None else [self._loss_tracker, *self._terms.trackers]

    def make_train_function(self, force=False):
        """Two compiled steps, a frozen and a full one, chosen by the optimizer's own step counter."""
        if self.train_function is not None and not force:
            return
        if self._terms is None:
            raise ValueError("compile(optimizer, losses=[...]) must be called before fit.")
        super().make_train_function(force=True)
        full_step = self.train_function
        super().make_train_function(force=True)
        frozen_step = self.train_function

        def train_function(iterator):
            # Which of the two is traced is decided by this flag at its first call.
            self._frozen_step = bool(self.optimizer.iterations < self.freeze_backbone_steps)
            return (frozen_step if self._frozen_step else full_step)(iterator)

        self.train_function = train_function if self.freeze_backbone_steps else full_step

    def train_step(self, data):
        images, labels, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        identities = identities_of(labels)
        cameras = cameras_of(labels)
        variables = self.trainable_variables
        frozen = self._frozen_step and self.freeze_backbone_steps > 0
        if frozen:
            in_backbone = {id(variable) for variable in self.backbone.trainable_variables}
            variables = [variable for variable in variables if id(variable) not in in_backbone]
            # Outside the tape: no activation is kept and nothing flows back.
            features = self._features(images, cameras, training=False)
        learning_rate = ops.convert_to_tensor(self.optimizer.learning_rate)
        with tf.GradientTape() as tape:
            if frozen:
                outputs = self._after_backbone(features, identities, training=True)
            else:
                outputs = self.compute_outputs(images, identities, training=True, cameras=cameras)
            loss = self._terms.total(identities, outputs, sample_weight)
            loss = ops.add(loss, sum(self.losses)) if self.losses else loss
            scaled_loss = self.optimizer.scale_loss(loss)
        self.optimizer.apply(tape.gradient(scaled_loss, variables), variables)
        self._update_metrics(identities, outputs, loss)
        return {**self.get_metrics_result(), "learning_rate": learning_rate}

    def test_step(self, data):
        images, labels, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        identities = identities_of(labels)
        outputs = self.compute_outputs(images, identities, training=False, cameras=cameras_of(labels))
        loss = self._terms.total(identities, outputs, sample_weight)
        self._update_metrics(identities, outputs, loss)
        return self.get_metrics_result()

    def _update_metrics(self, identities, outputs, loss):
        count = ops.shape(identities)[0]
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        self._loss_tracker.update_state(loss * replicas, sample_weight=count)
        self._terms.update(identities, outputs, count, replicas)

    def fuse(self):
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

    def get_config(self):
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
    def from_config(cls, config):
        config = dict(config)
        for part in ("backbone", "pooling", "head"):
            config[part] = keras.saving.deserialize_keras_object(config[part])
        return cls(**config)
