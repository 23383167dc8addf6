"""The statistics of batch normalisation for the final weights."""

import keras
import numpy as np
import tensorflow as tf

from keras_reid.utils.keras_internals import layers_within


def precise_batch_norm(model: keras.Model, batches: tf.data.Dataset, steps: int) -> None:
    """Replaces the moving statistics of batch normalisation by plain averages over batches, for the weights as now.

    Moving averages lag behind the weights and weigh the last batches most. Of each batch b its mean μ_b and its
    variance σ²_b over batch and positions are taken, and moving mean = (1/N) Σ μ_b, moving variance = (1/N) Σ σ²_b.
    σ²_b is the biased variance (divided by the count), as Keras' moving variance is, and what the layer normalises with
    in training; PyTorch's is unbiased, larger by n/(n − 1) with n = images × positions. Sums are kept in float64.

    Only the moving statistics of `BatchNormalization` layers (with subclasses, and the batch half of an `IBN`) change:
    whatever else a pass in training mode changes, such as random states, is put back. Layers with `trainable=False`
    keep theirs, as in training. Of a layer that is used several times in a pass the last use counts.

    Args:
        model: a `keras.Model` or `ReIDModel`.
        batches: a `tf.data.Dataset` of the model's inputs, not of pairs with labels.
        steps: how many batches N, 1 or more.

    Time: of N forward passes and one compilation. Memory: of a forward pass in training mode.

    Raises:
        ValueError: if `steps` is below 1, or there are fewer batches.

    Example:
        >>> precise_batch_norm(model, batches.map(lambda images, labels: images), steps=200)

    Source: Wu and Johnson, Rethinking "Batch" in BatchNorm, 2021, section 3.
    """
    if steps < 1:
        raise ValueError(f"steps must be 1 or more. Received: {steps}")
    norms = [
        layer
        for layer in layers_within(model)
        if isinstance(layer, keras.layers.BatchNormalization) and layer.built and layer.trainable
    ]
    moving = [variable for norm in norms for variable in (norm.moving_mean, norm.moving_variance)]
    if not moving:
        return
    ours = {id(variable) for variable in moving}
    others = [variable for variable in model.non_trainable_variables if id(variable) not in ours]
    kept = [np.array(variable) for variable in (*others, *moving)]
    momenta = [norm.momentum for norm in norms]
    sums = [np.zeros(variable.shape) for variable in moving]
    # A new function, so that it is compiled with the momentum of this pass.
    forward = tf.function(lambda inputs: model(inputs, training=True), reduce_retracing=True)
    done = 0
    try:
        for norm in norms:
            norm.momentum = 0.0  # the moving statistics become those of the batch
        for inputs in batches.take(steps):
            forward(inputs)
            done += 1
            for total, variable in zip(sums, moving, strict=True):
                total += np.asarray(variable, np.float64)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for variable, value in zip((*others, *moving), kept, strict=True):
            variable.assign(value)
    if done < steps:
        raise ValueError(f"{steps} batches were asked for. Received: {done}")
    for variable, total in zip(moving, sums, strict=True):
        variable.assign(total / steps)
