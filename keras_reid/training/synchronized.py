"""Batch normalisation over all replicas."""

import keras

from keras_reid.utils.keras_internals import layers_within


def synchronize_batch_norm(model: keras.Model, synchronized: bool = True) -> None:
    """Lets every batch normalisation of a model take its statistics of the whole batch instead of its replica's part.

    Of Keras' `BatchNormalization` and its subclasses, wherever they are in the model, and of the batch half of an
    `IBN`. On one device nothing changes. Costs a sum over the replicas of two numbers a channel for each layer, forward
    and backward: worth it where a replica's part is small (below about 16 images), else slower for little.

    Args:
        model: a built Keras model; call it before the training step is traced.
        synchronized: False undoes it.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.BatchNormalization()])
        >>> synchronize_batch_norm(model)
        >>> model.layers[0].synchronized
        True

    Source: Peng et al., MegDet: a large mini-batch object detector, 2018, section 3.3.
    """
    for layer in layers_within(model):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = synchronized
