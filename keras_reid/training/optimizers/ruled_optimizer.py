"""What Adam and SGD share: L2 in the gradient, and rules for single variables."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self, TypeAlias

import keras
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule

from keras_reid.training.optimizers.parameter_rule import ParameterRule, check_not_negative, settings_of
from keras_reid.utils.hints import Tensor
from keras_reid.utils.keras_internals import (
    DecaysInUpdateStep,
    UpdatesTogether,
    may_decay,
    variable_index,
)

LearningRate: TypeAlias = float | LearningRateSchedule
_Optimizer: Any = object  # for mypy: what Keras' optimizer gives, which comes after this mixin


class RuledOptimizer(UpdatesTogether, DecaysInUpdateStep, _Optimizer):
    """A mixin before a Keras optimizer; a subclass gives `move(gradients, variables, rates, indices)`.

    What differs from variable to variable only by numbers is computed for all of them in one vector: the graph of a
    training step takes the longer to build the more operations it has.

    L2 and decay are applied in the update itself: to the averaged and clipped gradient, once an update under gradient
    accumulation, not at all to a variable that is not updated (frozen, or a step skipped for an overflow), and on every
    device under a distribution strategy.
    """

    def __init__(
        self,
        learning_rate: LearningRate,
        l2: float = 0.0,
        rules: Iterable[ParameterRule | Mapping[str, Any]] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        check_not_negative("l2", l2)
        check_not_negative("weight_decay", self.weight_decay)
        self.l2 = float(l2)
        self.rules = tuple(ParameterRule(**rule) if isinstance(rule, Mapping) else rule for rule in rules)
        self._paths: list[str] | Any = None

    def build(self, variables: Sequence[keras.Variable]) -> None:
        if self.built:
            return
        paths = [getattr(variable, "path", variable.name) for variable in variables]
        # Keras shortens paths when it loads a model: the rules go by those of the model that was saved.
        self._paths = self._paths if _are_the_same(self._paths, paths) else paths
        settings = settings_of(self._paths, self.rules, self.l2, self.weight_decay or 0.0)
        super().build(variables)
        self._settings = tuple(
            one if may_decay(self, variable) else dataclasses.replace(one, weight_decay=0.0)
            for one, variable in zip(settings, variables, strict=True)
        )

    def update_step(self, gradient: Tensor, variable: keras.Variable, learning_rate: Tensor) -> None:
        self.update_together([gradient], [variable], learning_rate)

    def update_together(
        self, gradients: Sequence[Tensor], variables: Sequence[keras.Variable], learning_rate: Tensor
    ) -> None:
        by_dtype = {}
        for gradient, variable in zip(gradients, variables, strict=True):
            by_dtype.setdefault(keras.backend.standardize_dtype(variable.dtype), []).append(
                (gradient, variable)
            )
        rate = ops.cast(learning_rate, "float32")
        for dtype, pairs in by_dtype.items():
            self._update_alike(dtype, *zip(*pairs, strict=True), rate)  # type: ignore[call-arg]

    def _update_alike(self, dtype, gradients, variables, rate):
        """Updates variables of one dtype."""
        indices = [variable_index(self, variable) for variable in variables]
        settings = [self._settings[index] for index in indices]
        rates = rate * ops.convert_to_tensor([one.learning_rate_factor for one in settings], "float32")
        l2s = {one.l2: ops.convert_to_tensor(one.l2, dtype) for one in settings}
        gradients = [
            gradient + l2s[one.l2] * variable if one.l2 else gradient
            for gradient, variable, one in zip(
                (ops.cast(gradient, dtype) for gradient in gradients), variables, settings, strict=True
            )
        ]
        if any(one.weight_decay for one in settings):
            shares = ops.convert_to_tensor([one.weight_decay for one in settings], "float32") * rates
            shares = ops.unstack(ops.cast(shares, dtype))
            for variable, share, one in zip(variables, shares, settings, strict=True):
                if one.weight_decay:
                    self.assign_sub(variable, variable * share)
        self.move(gradients, variables, rates, indices)

    def move(
        self,
        gradients: Sequence[Tensor],
        variables: Sequence[keras.Variable],
        rates: Tensor,
        indices: Sequence[int],
    ) -> None:
        """Moves variables of one dtype.

        Args:
            gradients: with L2.
            variables: what they belong to.
            rates: their learning rates, float32 `(n,)`.
            indices: their places among those that the optimizer was built with.
        """
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        rules = [dataclasses.asdict(rule) for rule in self.rules]
        paths = list(self._paths) if self.rules and self._paths else None
        return {**super().get_config(), "l2": self.l2, "rules": rules, "paths": paths}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Self:
        config = dict(config)
        paths = config.pop("paths", None)
        optimizer = super().from_config(config, custom_objects)
        optimizer._paths = paths
        return optimizer


def _are_the_same(before, now):
    return before is not None and [path.split("/")[-1] for path in before] == [
        path.split("/")[-1] for path in now
    ]
