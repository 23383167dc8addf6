"""The loss terms of a compiled model: who reads what, how they add up, and what is logged."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_reid.losses.label_loss import LabelLoss
from keras_reid.models.given_losses import Term, combined
from keras_reid.utils.hints import Tensor
from keras_reid.utils.labels import check_labels, known_values

_EXACT_BELOW = 2**24  # in float32

# Reductions that Keras divides by the number of replicas, whose gradients the optimizer adds up.
_MEANS = ("sum_over_batch_size", "mean", "mean_with_sample_weight")


class LossTerms:
    """Several losses over the outputs of one head. Where it gives a list of outputs, of branches, a loss is the mean.

    A plain class on purpose: Keras saves what it can reach from a model's attributes, and running means of a training
    run are not part of a model.

    Args:
        own: `Term`s that the user gave. A loss gets the identities as `y_true`, or, where its `target` is "teacher",
            what the teachers' heads give for what it reads.
        further: `Term`s of the model's own.
        over_replicas: on several replicas, whether each loss sees the outputs of all of them (the whole batch) or those
            of its own replica.
        accuracy: whether the accuracy of the scores is tracked.
    """

    def __init__(
        self,
        own: Sequence[Term],
        further: Sequence[Term] = (),
        over_replicas: bool = False,
        accuracy: bool = True,
    ) -> None:
        self.own = own
        self.terms = terms = combined(own, further)
        if not terms:
            raise ValueError(
                "losses must hold at least one loss, for example [keras_reid.losses.CrossEntropy()]."
            )
        self.losses = [term.loss for term in terms]
        self.over_replicas = bool(over_replicas)
        self.accuracy = bool(accuracy)
        self.names = [term.name for term in terms]
        self._means = [keras.metrics.Mean(name=name) for name in self.names]
        self._accuracy = keras.metrics.Mean(name="accuracy")

    @property
    def trackers(self) -> list[keras.metrics.Metric]:
        """The metrics: a running mean for each weighted term, and the accuracy of the scores (without margin)."""
        return [*self._means, *([self._accuracy] if self.accuracy else [])]

    @property
    def state_variables(self) -> list[keras.Variable]:
        """Variables that losses keep from step to step, such as a memory of features."""
        return [variable for loss in self.losses for variable in getattr(loss, "state_variables", ())]

    def labels_below(self, classes: int | None) -> int | None:
        """Identities must be below this for all losses, with a head of that many classes; None for any numbers."""
        limits = [loss.labels_below(classes) for loss in self.losses if isinstance(loss, LabelLoss)]
        return min((limit for limit in limits if limit is not None), default=None)

    def check_labels(self, labels: Any, classes: int | None) -> None:
        """Raises ValueError for what `fit` was given, if it is an array with a label that a loss cannot use."""
        labels = labels.get("identity") if isinstance(labels, dict) else labels
        known = None if labels is None else known_values(labels)
        if known is None:
            return
        for name, loss in zip(self.names, self.losses, strict=True):
            if isinstance(loss, LabelLoss):
                check_labels(known, name, loss.labels_below(classes))
            elif not _has_teacher(loss) and known.dtype.kind in "iuf" and np.any(known >= _EXACT_BELOW):
                raise ValueError(
                    f"{name}: Keras gives labels to a loss as float32, which holds whole numbers exactly below "
                    f"{_EXACT_BELOW}. Received: label {np.max(known)}. Number the identities from 0, "
                    "numpy.unique(identities, return_inverse=True)[1]."
                )

    @contextlib.contextmanager
    def storing_nothing(self) -> Iterator[None]:
        """Within the block no loss puts the batch into its memory: for images that are not trained on."""
        storing = [loss for loss in self.losses if getattr(loss, "storing", False)]
        for loss in storing:
            loss.storing = False
        try:
            yield
        finally:
            for loss in storing:
                loss.storing = True

    @property
    def taught(self) -> list[str]:
        """What losses read of a teacher: names of outputs of a head."""
        return list(dict.fromkeys(term.reads for term in self.terms if _has_teacher(term.loss)))

    def values(
        self,
        identities: Tensor,
        outputs: Mapping[str, Any],
        sample_weight: Tensor | None = None,
        teachers: Sequence[Mapping[str, Any]] = (),
    ) -> list[Tensor]:
        """The weighted terms, a list of float32 (); their sum is the loss.

        `teachers` holds the outputs of each, at least what is in `taught`: a loss is the mean over them.

        On several replicas they are this replica's share: the sum over all of them is the batch's. Nothing is kept in
        the object, because the replicas of a machine are traced in threads that take turns.
        """
        context = tf.distribute.get_replica_context()
        gather = self.over_replicas and context.num_replicas_in_sync > 1

        def of_batch(x):
            if not gather:
                return x
            # Its gradient is the sum over the replicas of what their shares of the loss ask for.
            rows = None if x.shape[0] is None else x.shape[0] * context.num_replicas_in_sync
            return tf.ensure_shape(context.all_gather(x, axis=0), (rows, *x.shape[1:]))

        gathered = {
            reads: [of_batch(ops.cast(x, "float32")) for x in _as_list(outputs[reads])]
            # In one order, not a set's: all workers must gather the same at the same time.
            for reads in dict.fromkeys(term.reads for term in self.terms)
        }
        identities = of_batch(identities)
        taught = {
            reads: [of_batch(ops.cast(teacher[reads], "float32")) for teacher in teachers]
            for reads in self.taught
        }
        if sample_weight is not None:
            sample_weight = of_batch(ops.convert_to_tensor(sample_weight, "float32"))
        values_of_terms = []
        for term in self.terms:
            loss, weight = term.loss, term.weight
            targets = taught[term.reads] if _has_teacher(loss) else [identities]
            if not targets:
                raise ValueError(
                    f"{loss.name} compares with a teacher, and there is none: train with models.Distiller(student, "
                    "teachers=[...])."
                )
            values = [
                ops.cast(loss(target, x, sample_weight=sample_weight), "float32")
                for target in targets
                for x in gathered[term.reads]
            ]
            if gather and loss.reduction not in _MEANS:
                weight = weight / context.num_replicas_in_sync
            values_of_terms.append(sum(values[1:], values[0]) * (weight / len(values)))
        return values_of_terms

    def update(
        self,
        values: Sequence[Tensor],
        identities: Tensor,
        outputs: Mapping[str, Any],
        count: Tensor,
        replicas: int = 1,
    ) -> None:
        """Adds the terms and the accuracy of a batch of `count` images to the running means.

        A term is this replica's share of the batch's value; what is logged is the mean of such values over batches.
        """
        for mean, value in zip(self._means, values, strict=True):
            mean.update_state(value * replicas, sample_weight=count)
        if not self.accuracy:
            return
        correct = ops.equal(ops.cast(ops.argmax(outputs["scores"], axis=-1), identities.dtype), identities)
        self._accuracy.update_state(ops.cast(correct, "float32"))


def _has_teacher(loss):
    return getattr(loss, "target", "identity") == "teacher"


def _as_list(outputs):
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
