"""A training step whose loss is not finite changes nothing; the first one is remembered."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_reid.utils.hints import Tensor
from keras_reid.utils.labels import NO_LABELS, of_several, range_in_words

# Images of a replica that are remembered; a variable must have a fixed size.
_MOST_IMAGES = 4096
REGULARIZATION, GRADIENT = "regularization", "gradient"


@dataclasses.dataclass(frozen=True)
class NonFinite:
    """The first training step whose loss or gradient was not finite. Its update was not applied.

    Args:
        step: optimizer steps that were done before.
        learning_rate: of that step.
        terms: weighted value of each loss term by name, over all replicas; `"regularization"`, if there is any; and
            `"gradient"`, NaN if it was not finite, else 0. Under float16 loss scaling, where a gradient may overflow
            and the scale is then halved, it is always 0.
        identities: class numbers of the batch `(batch,)` int64, on several workers of this one's part; the first 4096
            of a replica.
        labels_below: what they must be below, for the losses; None if any whole numbers will do.
    """

    step: int
    learning_rate: float
    terms: dict[str, float]
    identities: np.ndarray
    labels_below: int | None = None

    @property
    def wrong_label(self) -> str | None:
        """Says which label of the batch is not a class, with its row; None if all are classes."""
        labels = np.asarray(self.identities)
        wrong = np.isin(labels, NO_LABELS)
        rule = "whole numbers"
        if self.labels_below is not None:
            wrong |= (labels < 0) | (labels >= self.labels_below)
            rule = range_in_words(self.labels_below)
        if not wrong.any():
            return None
        row = int(np.argmax(wrong))
        label = "none" if labels[row] in NO_LABELS else labels[row]
        return (
            f"identity labels must be {rule}. Received: label {label} in row {row} of the batch at step {self.step}"
            f"{of_several(wrong)}. Number the identities from 0, and make as many classes as there are."
        )

    @property
    def culprits(self) -> list[str]:
        """Names of the terms that are not finite."""
        return [name for name, value in self.terms.items() if not np.isfinite(value)]


class FiniteGuard:
    """Applies an update only where everything is finite on all replicas, and remembers the first one that was not.

    A plain class on purpose, so that Keras does not save its variables with the model.

    Cost: one pass over the gradients and one all-reduce of a few numbers a step.

    Args:
        names: of the loss terms.
        labels_below: a function that gives what identities must be below, or None.
    """

    def __init__(self, names: Iterable[str], labels_below: Callable[[], int | None] = lambda: None) -> None:
        self.labels_below = labels_below
        self.names = [*names, REGULARIZATION, GRADIENT]
        # Each replica writes its own copy, which aggregation NONE (the default) allows.
        self._step = tf.Variable(-1, dtype=tf.int64, trainable=False)
        self._learning_rate = tf.Variable(0.0, trainable=False)
        self._values = tf.Variable(tf.zeros(len(self.names)), trainable=False)
        self._identities = tf.Variable(tf.zeros((_MOST_IMAGES,), tf.int64), trainable=False)
        self._count = tf.Variable(0, trainable=False)

    def apply(
        self,
        optimizer: keras.Optimizer,
        gradients: Iterable[Tensor],
        variables: Sequence[keras.Variable],
        values: Iterable[Tensor],
        regularization: Tensor,
        identities: Tensor,
    ) -> None:
        """Updates the variables, or remembers why not. Called in the training step, on every replica.

        Args:
            optimizer: a Keras optimizer.
            gradients: as the tape gives them.
            variables: what they belong to.
            values: of the loss terms in the order of `names`, each () float32, this replica's share.
            regularization: what the layers add, this replica's share.
            identities: `(batch,)`.
        """
        gradients = list(gradients)
        scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
        everything = [*values, regularization, _zero_or_nan(gradients)]
        everything = tf.stack([tf.cast(value, tf.float32) for value in everything])
        context = tf.distribute.get_replica_context()
        if context.num_replicas_in_sync > 1:
            everything = context.all_reduce(tf.distribute.ReduceOp.SUM, everything)
            if scaled:
                # Keras decides by the first replica's gradients whether an update overflows: let all agree.
                index = next(i for i, gradient in enumerate(gradients) if gradient is not None)
                gradients[index] += tf.cast(everything[-1], gradients[index].dtype)
        if scaled:
            everything = tf.concat([everything[:-1], [0.0]], axis=0)
        finite = tf.reduce_all(tf.math.is_finite(everything))
        learning_rate = tf.cast(optimizer.learning_rate, tf.float32)
        tf.cond(
            tf.logical_or(finite, self._step >= 0),
            lambda: None,
            lambda: self._remember(optimizer.iterations, learning_rate, everything, identities),
        )
        _apply_if(finite, optimizer, gradients, variables)

    def _remember(self, step, learning_rate, values, identities):
        identities = tf.cast(identities, tf.int64)[:_MOST_IMAGES]
        count = tf.shape(identities)[0]
        self._step.assign(tf.cast(step, tf.int64))
        self._learning_rate.assign(learning_rate)
        self._values.assign(values)
        self._identities.assign(tf.pad(identities, [[0, _MOST_IMAGES - count]]))
        self._count.assign(count)

    def found(self, strategy: tf.distribute.Strategy) -> NonFinite | None:
        """The `NonFinite` that is remembered, or None. Waits for the running step to end."""
        step = int(self._step.numpy())
        if step < 0:
            return None
        terms = dict(zip(self.names, self._values.numpy().tolist(), strict=True))
        if terms[REGULARIZATION] == 0:
            del terms[REGULARIZATION]
        parts = [
            strategy.experimental_local_results(variable) for variable in (self._identities, self._count)
        ]
        identities = [part.numpy()[: int(count.numpy())] for part, count in zip(*parts, strict=True)]
        rate = float(self._learning_rate.numpy())
        return NonFinite(step, rate, terms, np.concatenate(identities), self.labels_below())


def _zero_or_nan(gradients):
    """0, or NaN if any of the gradients is not finite."""
    axes, sums = {}, []
    for gradient in gradients:
        if gradient is not None:
            parts = gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient
            rank = len(parts.shape)
            if rank not in axes:
                axes[rank] = tf.constant(list(range(rank)), tf.int32)
            # A sum is finite only if all its parts are, and is found in one pass.
            sums.append(tf.cast(tf.raw_ops.Sum(input=parts, axis=axes[rank]), tf.float32))
    return tf.reduce_sum(0.0 * tf.stack(sums)) if sums else tf.zeros(())


def _apply_if(finite, optimizer, gradients, variables):
    def apply():
        optimizer.apply(gradients, variables)

    one_device = not tf.distribute.has_strategy()
    if one_device or tf.__internal__.distribute.strategy_supports_no_merge_call():
        tf.cond(finite, apply, lambda: None)
        return

    # An update leaves the replica's own program, which a condition inside that program does not allow: so the
    # condition is set outside, as in Keras' LossScaleOptimizer.
    def on_all(strategy, finite, gradients):
        def apply_on_each():
            strategy.extended.call_for_each_replica(optimizer.apply, args=(gradients, variables))

        tf.cond(strategy.experimental_local_results(finite)[0], apply_on_each, lambda: None)

    tf.distribute.get_replica_context().merge_call(on_all, args=(finite, gradients))
