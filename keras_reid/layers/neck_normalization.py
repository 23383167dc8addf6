"""The batch normalisation of a BN-neck."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="keras_reid")
class NeckNormalization(keras.layers.BatchNormalization):
    """Batch normalisation with an offset that is not trained.

    Without a trained offset, the classifier's hyperplanes pass close to the origin. The features of an identity then
    lie in a cone around it, and cosine similarity compares them well. The offset starts at 0 and never changes in
    training; imported weights may contain another value. It stays untrained when the layer is frozen and unfrozen.

    Args:
        momentum: Momentum of the running statistics. Defaults to 0.9.
        epsilon: Added to the variance. Defaults to 1e-5.
        **kwargs: The other arguments of `keras.layers.BatchNormalization`.

    Input shape: `(batch, channels)` or with positions in between. Output shape: the same.

    Example:
        >>> neck = keras_reid.layers.NeckNormalization()
        >>> neck.build((None, 512))
        >>> [variable.name for variable in neck.trainable_variables]
        ['gamma']

    Source: Luo et al., "Bag of tricks and a strong baseline for deep person re-identification", 2019.
    """

    def __init__(self, momentum: float = 0.9, epsilon: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(momentum=momentum, epsilon=epsilon, **kwargs)

    def add_weight(self, *args: Any, name: str | None = None, **kwargs: Any) -> keras.Variable:
        # Create it as a non-trainable variable: switching it off later would be undone by `layer.trainable = True`.
        if name == "beta":
            kwargs["trainable"] = False
        return super().add_weight(*args, name=name, **kwargs)
