"""How a model of several losses is trained."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_reid.models.checked_fit import CheckedFit
from keras_reid.models.freezing import Freezing, inference_mode
from keras_reid.models.given_losses import Term, losses_config, terms_of
from keras_reid.models.inputs import cameras_of, identities_of
from keras_reid.models.loss_terms import LossTerms
from keras_reid.models.nonfinite import FiniteGuard, NonFinite
from keras_reid.training.schedules import WarmUp
from keras_reid.training.strategy import over_workers
from keras_reid.utils.hints import Tensor
from keras_reid.utils.keras_internals import (
    BuiltByItsConstructor,
    compiled_metrics,
    compiled_step,
    loss_tracker,
)


class TrainingModel(BuiltByItsConstructor, CheckedFit):
    """What `ReIDModel` trains with: losses by what they read, warm-up, freezing, several replicas, a guard.

    A subclass has the parts `backbone`, `pooling` and `head`, everything built by its constructor, and
    `compute_outputs(images, labels, training, cameras)`.

    Freezing. There are two step functions, each compiled when it is first needed: `train_step`, in which everything
    learns, and `frozen_train_step`, in which the layers of `freeze_layers` run in inference mode and only the rest
    learns. `fit` takes the frozen one while the optimizer has done fewer than `freeze_backbone_steps` updates, also
    after a resume, because the optimizer's counter is saved. Two functions, and not one with a condition, because
    - a frozen step records no activation below the lowest layer that learns, which saves most of its time and memory;
    - updates inside `tf.cond` fail under `MirroredStrategy`;
    - gradients of zero would still move weights, through L2, weight decay and the optimizer's moments.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.freeze_backbone_steps = 0
        self._terms: LossTerms | Any = None
        self._guard: FiniteGuard | Any = None
        self._freezing: Freezing | Any = None
        self._predict: Any = None

    def compile(
        self,
        optimizer: str | keras.Optimizer = "adam",
        losses: Any = (),
        loss_weights: float | Sequence[float] | Mapping[str, float] | None = None,
        warmup_steps: int = 0,
        warmup_factor: float = 0.1,
        warmup_kind: Literal["linear", "exponential", "constant"] = "linear",
        freeze_backbone_steps: int = 0,
        freeze_layers: Sequence[str] = ("backbone",),
        losses_over_replicas: bool = False,
        metrics: Sequence[Any] | None = None,
        weighted_metrics: Sequence[Any] | None = None,
        loss: Any = None,
        **kwargs: Any,
    ) -> None:
        """Prepares training.

        What a loss gets: `y_true` is the identities `(batch,)`, be the labels an array or a dict with `"identity"`.
        `y_pred` is the output of the head that the loss `reads`, an attribute: `"logits"` `(batch, classes)`, with the
        classifier's margin, or `"feature"` `(batch, dim)`, which metric losses compare. Without the attribute it is the
        logits. A list of outputs, of branches, goes to the loss one by one, and the mean counts.

        Args:
            optimizer: a Keras optimizer or its name.
            losses: one loss, a list, or a dict; all are added. A loss is a `keras.Loss`, a class of one, a function of
                `(y_true, y_pred)` or a name that Keras knows, such as `"sparse_categorical_crossentropy"`, which is
                taken of logits. The keys of a dict are the names under which the losses are logged; the key `"logits"`
                or `"feature"` (or `"scores"`, `"embedding"`) also says what a loss without `reads` gets.
            loss_weights: a number for one loss; a list with one for each; or a dict by name. 1 each if not given.
            warmup_steps: optimizer steps in which the learning rate rises to what the optimizer's own says.
            warmup_factor: the fraction of the learning rate at the first step, in (0, 1].
            warmup_kind: `"linear"`, `"exponential"` or `"constant"`.
            freeze_backbone_steps: optimizer steps at the start in which `freeze_layers` run in inference mode: their
                batch normalisation uses and keeps the moving statistics, and nothing is dropped. Neither their
                variables nor what the optimizer keeps of them changes. Nothing is back-propagated below the lowest
                layer that learns.
            freeze_layers: patterns of the names of these layers, by default the whole backbone. A pattern is a regular
                expression for the start of a name, up to a dot or its end: `"layer1"`, `"backbone.layer[12]"`,
                `"head.neck"`.
            losses_over_replicas: on several replicas of a `tf.distribute` strategy, whether every loss sees the whole
                batch, with the features and logits of all replicas, instead of its replica's part. Pairs and triplets
                are then found in the whole batch, and training is the same on any number of replicas. A loss that sees
                its part alone gives the same where it is a mean over images; `CrossEntropy` divides by the images of
                the part whose loss is not 0. Costs a gathering of features and logits a step.
            metrics: a list, as of `keras.Model.compile`, of metrics of the identities and the class scores
                `(batch, classes)`, without margin: `["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(5)]`. The
                accuracy is logged without being asked for. For retrieval, see
                `keras_reid.callbacks.RetrievalEvaluation`.
            weighted_metrics: as `metrics`, with the sample weights.
            loss: the same as `losses`, under Keras' name for it.
            **kwargs: as `keras.Model.compile`: `jit_compile`, `steps_per_execution`, `run_eagerly`, `auto_scale_loss`.

        Raises:
            ValueError: if there is no loss, or `loss` and `losses`; if a loss takes one-hot rows or probabilities; or
                another argument makes no sense.
        """
        if loss is not None:
            if losses is not None and losses != ():
                raise ValueError(
                    "compile takes `loss` or `losses`, which mean the same: one loss, a list or a dict. Received: both."
                )
            losses = loss
        own_terms = terms_of(() if losses is None else losses, loss_weights)
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
        arguments = {
            "warmup_steps": warmup_steps,
            "warmup_factor": warmup_factor,
            "warmup_kind": warmup_kind,
            "freeze_backbone_steps": freeze_backbone_steps,
            "freeze_layers": list(freeze_layers) if isinstance(freeze_layers, tuple) else freeze_layers,
            "losses_over_replicas": losses_over_replicas,
        }
        for name, given in (("metrics", metrics), ("weighted_metrics", weighted_metrics)):
            if given is not None and not isinstance(given, (list, tuple)):
                raise ValueError(
                    f"{name} must be a list of metrics of the class scores, for example ['accuracy']. "
                    f"Received: {given!r}"
                )
            # Not the objects, which Keras would save a second time.
            arguments |= {name: keras.saving.serialize_keras_object(list(given))} if given else {}
        freezing = Freezing(self, freeze_layers)
        if freeze_backbone_steps and not freezing.learning:
            raise ValueError(
                f"freeze_layers must leave something that learns. Received: {freeze_layers!r}, which is everything."
            )
        if self.distribute_strategy.num_replicas_in_sync > 1:
            _check_optimizer(optimizer)
        with self.distribute_strategy.scope():
            optimizer = WarmUp.apply(
                keras.optimizers.get(optimizer), warmup_steps, warmup_factor, warmup_kind
            )
            super().compile(optimizer=optimizer, metrics=metrics, weighted_metrics=weighted_metrics, **kwargs)
            # One class is always right, or, in an adaptation, no class at all.
            accuracy = self.classes != 1
            asked_for = self._build_compiled_metrics()
            self._terms = LossTerms(
                own_terms,
                self.further_terms,
                losses_over_replicas,
                accuracy and "accuracy" not in asked_for,
            )
            own = ["loss", "learning_rate", *self._terms.names]
            if taken := [name for name in asked_for if name in own]:
                raise ValueError(
                    f"metrics must have other names than what is logged anyway: {', '.join(own)}. "
                    f"Received: metrics named {', '.join(taken)}. Give them a `name`."
                )
            self._guard = FiniteGuard(self._terms.names, lambda: self._terms.labels_below(self.classes))
            self.optimizer.build(self.trainable_variables)
        self.freeze_backbone_steps = freeze_backbone_steps
        self._freezing = freezing
        self._compile_arguments = arguments

    @property
    def further_terms(self) -> list[Term]:
        """Terms of the loss besides those that `compile` is given."""
        return []

    @property
    def classes(self) -> int | None:
        """Number of classes of the head, or None."""
        return getattr(self.head, "num_classes", None)

    def _build_compiled_metrics(self):
        """Makes the metrics that `compile` was given, because a replica may not in a step. Gives their names."""
        metrics = compiled_metrics(self)
        if metrics is None:
            return []
        if self.classes == 1:
            raise ValueError(
                "metrics compare class scores with identities, and the head has one class. "
                "Use callbacks.RetrievalEvaluation."
            )
        scores = self.compute_outputs(keras.Input((*self.image_size, 3)))["scores"]
        metrics.build(keras.KerasTensor((None,), "int32"), scores)
        return list(metrics.result())

    def get_build_config(self) -> dict[str, Any] | None:
        """None: the constructor builds everything."""

    def get_compile_config(self) -> dict[str, Any]:
        if self._terms is None:
            return {}
        return {
            "optimizer": keras.saving.serialize_keras_object(self.optimizer),
            "losses": losses_config(self._terms.own),
            "loss_weights": [term.weight for term in self._terms.own],
            **self._compile_arguments,
        }

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile(**keras.saving.deserialize_keras_object(config))

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        if self._terms is None:
            return []
        compiled = compiled_metrics(self)
        return [loss_tracker(self), *self._terms.trackers, *([] if compiled is None else [compiled])]

    @property
    def training_state(self) -> list[keras.Variable]:
        """Variables of the losses (their `state_variables`), which a checkpoint also needs."""
        return [] if self._terms is None else self._terms.state_variables

    @property
    def losses_by_name(self) -> dict[str, keras.Loss]:
        """The losses that it was compiled with, by the names under which they are logged."""
        return {} if self._terms is None else dict(zip(self._terms.names, self._terms.losses, strict=True))

    @property
    def nonfinite(self) -> NonFinite | None:
        """The first step since `compile` whose loss or gradient was not finite and whose update was therefore left out.

        A `NonFinite` with `step`, `learning_rate`, `terms`, `culprits` and `identities`, or None. Reading it waits for
        the step to end.
        """
        return None if self._guard is None else self._guard.found(self.distribute_strategy)

    def check_compiled(self) -> None:
        """Raises ValueError before `compile`."""
        if self._terms is None:
            raise ValueError("compile(optimizer, loss=...) must be called before fit.")

    def make_train_function(self, force: bool = False) -> None:
        """Called by `fit`: the step that it runs, full or frozen by the number of updates that are done."""
        if self.train_function is not None and not force:  # type: ignore[has-type]
            return
        self.check_compiled()
        full = compiled_step(self, self.train_step)
        if not self.freeze_backbone_steps:
            self.train_function = full
            return
        frozen = compiled_step(self, self.frozen_train_step)

        def full_or_frozen(iterator):
            still_frozen = self.optimizer.iterations < self.freeze_backbone_steps
            return (frozen if still_frozen else full)(iterator)

        self.train_function = full_or_frozen

    def train_step(self, data: Any) -> dict[str, Tensor]:
        """One update of everything that is trainable."""
        return self._step(data, self.trainable_variables)

    def frozen_train_step(self, data: Any) -> dict[str, Tensor]:
        """One update of what is not in `freeze_layers`; these run in inference mode, and nothing of them changes."""
        with inference_mode(self._freezing.layers):
            return self._step(data, self._freezing.learning)

    def _step(self, data, variables):
        """One update of the variables."""
        images, labels, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        identities = identities_of(labels)
        learning_rate = ops.convert_to_tensor(self.optimizer.learning_rate)
        teachers = self.teacher_outputs(images, labels)
        # Below the lowest variable that is watched nothing is recorded, so that no activation is kept.
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in variables])
            outputs = self.compute_outputs(images, identities, training=True, cameras=cameras_of(labels))
            terms = self._terms.values(identities, outputs, sample_weight, teachers)
            # Of the weights, the same on each replica.
            regularization = sum(self.losses, tf.zeros(())) / _replicas()
            loss = sum(terms, regularization)
            scaled_loss = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled_loss, variables)
        self._guard.apply(self.optimizer, gradients, variables, terms, regularization, identities)
        self.after_update()
        self._update_metrics(identities, outputs, terms, loss, sample_weight)
        return over_workers({**self.get_metrics_result(), "learning_rate": learning_rate})

    def teacher_outputs(self, images: Tensor, labels: Tensor | dict[str, Any]) -> Sequence[dict[str, Any]]:
        """What the losses whose `target` is "teacher" compare with: a head's outputs for each teacher."""
        return ()

    def after_update(self) -> None:
        """Called in the training step, on every replica, when the optimizer is done."""

    def test_step(self, data: Any) -> dict[str, Tensor]:
        images, labels, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        identities = identities_of(labels)
        outputs = self.compute_outputs(images, identities, training=False, cameras=cameras_of(labels))
        teachers = self.teacher_outputs(images, labels)
        with self._terms.storing_nothing():
            terms = self._terms.values(identities, outputs, sample_weight, teachers)
        self._update_metrics(identities, outputs, terms, sum(terms), sample_weight)
        return over_workers(self.get_metrics_result())

    def predict_on_batch(self, x: Tensor) -> np.ndarray:
        """As Keras' own; under a strategy on one device of this process, so that one worker can do it alone.

        Keras 3.15 would give every replica the whole batch, and wait for the other workers.
        """
        if self.distribute_strategy.num_replicas_in_sync == 1:
            return super().predict_on_batch(x)
        if self._predict is None:
            self._predict = tf.function(lambda x: self(x, training=False), reduce_retracing=True)
        return self._predict(x).numpy()

    def _update_metrics(self, identities, outputs, terms, loss, sample_weight):
        count = ops.shape(identities)[0]
        loss_tracker(self).update_state(loss * _replicas(), sample_weight=count)
        self._terms.update(terms, identities, outputs, count, _replicas())
        if (metrics := compiled_metrics(self)) is not None:
            metrics.update_state(identities, outputs["scores"], sample_weight)


def _replicas():
    return tf.distribute.get_strategy().num_replicas_in_sync


def _check_optimizer(optimizer):
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    for option in ("gradient_accumulation_steps", "ema_overwrite_frequency"):
        if getattr(optimizer, option, None):
            raise ValueError(
                f"{option} cannot be used on several devices, where Keras 3.15 may not update variables under a "
                f"condition. Use a larger batch, or one device. Received: {getattr(optimizer, option)}"
            )
