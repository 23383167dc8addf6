"""The model for deployment: inference only, one precision, without anything the embedding does not need."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

from keras_reid.export.folding import Folding, add_offset, folded
from keras_reid.utils.keras_internals import is_autocast, layers_within
from keras_reid.utils.replaced_calls import replaced_calls

if TYPE_CHECKING:
    from keras_reid.models.reid_model import ReIDModel

# The dtype policy of the backbone's layers, and the type in which matrices and kernels are stored.
_PRECISIONS = {"float32": ("float32", tf.float32), "bfloat16": ("mixed_bfloat16", tf.bfloat16)}


def deployable(model: ReIDModel, dtype: str = "float32") -> Deployable:
    """Prepares a model for inference: fuses parallel branches, folds batch normalisations, drops the classifier.

    - The branches of `RepVGG` become one convolution.
    - A batch normalisation is folded into the layer before it, if that is a convolution (plain, grouped, depthwise,
      separable) or dense layer whose output nothing else reads. This also works inside layers, and for a BN-neck after
      a reduction. Instance-batch normalisation stays. If nothing can be folded, the model stays as it is.
    - It computes in the given precision, regardless of the policies that the model was trained with. With bfloat16,
      kernels and matrices are stored in bfloat16, and the backbone's convolutions compute in it; normalisations,
      attention weights, pooling, head and all vectors are float32.

    The given model is not changed.

    Args:
        model: a `ReIDModel`.
        dtype: "float32" or "bfloat16".

    Returns:
        `Deployable`.

    Raises:
        ValueError: `dtype` is anything else.

    Example:
        >>> embed = deployable(model)  # doctest: +SKIP
        >>> embed(images).shape, len(embed.folded)  # doctest: +SKIP
        (TensorShape([8, 2048]), 53)
    """
    if dtype not in _PRECISIONS:
        raise ValueError(
            f"`dtype` must be one of {', '.join(map(repr, _PRECISIONS))}. Received: dtype={dtype!r}"
        )
    backbone = model.backbone
    if callable(getattr(backbone, "fuse", None)) and not getattr(backbone, "fused", False):
        model = model.fuse()
    return Deployable(model, dtype)


class Deployable:
    """Images `(n, height, width, 3)`, uint8 or float 0–255 → raw embeddings float32 `(n, dim)`; see `deployable`.

    You can call it inside any `tf.function`; an object that saves the function must hold `variables`.

    Attributes:
        image_size: `(height, width)` in pixels.
        metadata: the model's metadata.
        embedding_dim: length of an embedding.
        variables: list of the `tf.Variable`s that the embedding depends on.
        folded: names of the batch normalisations that were folded into another layer.
    """

    def __init__(self, model: ReIDModel, dtype: str) -> None:
        self._model = model
        self._policy, self._stored = _PRECISIONS[dtype]
        self.image_size = model.image_size
        self.metadata = model.metadata
        self.embedding_dim = model.embedding_dim
        needed, unneeded, pairs = self._look()
        self.folded = tuple(norm.path for _, norm in pairs)
        self._offsets = {}
        changed, gone = {}, set()
        for linear, norm in pairs:
            values, offset = folded(linear, norm)
            changed |= {id(variable): value for variable, value in values}
            gone |= {id(variable) for variable in norm.variables}
            self._offsets[norm] = tf.Variable(
                offset.astype("float32"), trainable=False, name=f"{norm.name}/offset"
            )
        self._values = []  # [(Keras variable, tf.Variable)]
        for variable in needed:
            if id(variable) not in gone:
                value = changed.get(id(variable))
                value = keras.ops.convert_to_numpy(variable) if value is None else value
                self._values.append((variable, self._store(variable, value)))
        self._unneeded = unneeded
        self._exact = {id(variable) for part in (model.pooling, model.head) for variable in part.variables}
        self.variables = [*self._offsets.values(), *(stored for _, stored in self._values)]

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        with contextlib.ExitStack() as stack:
            stack.enter_context(computing_in(self._model, self._policy))
            stack.enter_context(replaced_calls(self._offsets, self._adding_offset))
            scope = stack.enter_context(keras.StatelessScope())
            for variable, stored in self._values:
                value = tf.convert_to_tensor(stored)
                scope.add_update(
                    (variable, value if self._is_cast_down(variable) else tf.cast(value, variable.dtype))
                )
            # Variables that only the class scores need must not be captured.
            for variable in self._unneeded:
                scope.add_update((variable, tf.zeros(variable.shape, variable.dtype)))
            return tf.cast(self._model(images, training=False), tf.float32)

    def _adding_offset(self, norm, call):
        return lambda inputs, **kwargs: add_offset(inputs, self._offsets[norm])

    def _is_cast_down(self, variable):
        """Whether its layer casts it to the stored type anyway, so that casting it up first is useless."""
        return len(variable.shape) > 1 and is_autocast(variable) and id(variable) not in self._exact

    def _store(self, variable, value):
        kind = self._stored if len(variable.shape) > 1 else tf.float32
        if not np.issubdtype(value.dtype, np.floating) and value.dtype != tf.bfloat16.as_numpy_dtype:
            kind = tf.as_dtype(value.dtype)
        return tf.Variable(tf.cast(value, kind), trainable=False, name=variable.path)

    def _look(self):
        """Traces the model once; returns the variables the embedding needs, the other variables read, the pairs."""
        folding = Folding(self._model)

        def call(images):
            with computing_in(self._model, "float32"), folding.watching():
                return self._model(images, training=False)

        images = tf.TensorSpec((None, *self.image_size, 3), tf.float32)
        graph = tf.function(call, autograph=False).get_concrete_function(images).graph
        needed = _ancestors(graph.outputs)
        own = {id(variable.value.handle): variable for variable in self._model.variables}
        read = [(own[id(outer)], inner) for outer, inner in graph.captures if id(outer) in own]
        used = [variable for variable, inner in read if inner.op.name in needed]
        unused = [variable for variable, inner in read if inner.op.name not in needed]
        ids = {id(variable) for variable in used}
        return used, unused, [pair for pair in folding.pairs() if id(pair[1].moving_mean) in ids]


@contextlib.contextmanager
def computing_in(model: ReIDModel, backbone_policy: str) -> Iterator[None]:
    """Inside the block, all layers compute with the given policy, and pooling and head in float32."""
    policies = {layer: layer.dtype_policy for layer in layers_within(model)}
    exact = {layer for part in (model.pooling, model.head) for layer in layers_within(part)}
    try:
        for layer in policies:
            layer.dtype_policy = "float32" if layer in exact else backbone_policy
        yield
    finally:
        for layer, policy in policies.items():
            layer.dtype_policy = policy


def _ancestors(tensors):
    """Names of all operations that the given tensors of a graph depend on."""
    found, waiting = set(), [tensor.op for tensor in tensors]
    while waiting:
        operation = waiting.pop()
        if operation.name not in found:
            found.add(operation.name)
            waiting += [tensor.op for tensor in operation.inputs]
    return found
