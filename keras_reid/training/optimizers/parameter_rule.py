"""What holds for some variables only."""

import dataclasses
import re
from collections.abc import Iterable

# By the last part of a variable's path. The offset of a normalisation is a bias, as in PyTorch, where it has that name.
BIASES = r"(^|/)(bias|beta)$"
NORMALIZATION = r"(^|/)gamma$"


@dataclasses.dataclass(frozen=True)
class ParameterRule:
    """Learning rate and decay of the variables whose path matches a pattern.

    Where several rules match a variable, their factors multiply, and the last that names an `l2` or `weight_decay`
    decides it.

    Args:
        pattern: regular expression, searched for in a variable's path, such as `bn_neck_head/classifier/kernel`.
        learning_rate_factor: factor on the learning rate, 0 or more. Defaults to 1.
        l2: L2 coefficient instead of the optimizer's; None leaves that.
        weight_decay: decoupled weight decay instead of the optimizer's; None leaves that.

    Raises:
        ValueError: if the pattern is not a regular expression, or a number is negative.

    Example:
        >>> from keras_reid.training import BIASES, Adam, ParameterRule
        >>> adam = Adam(3.5e-4, l2=5e-4, rules=[ParameterRule(BIASES, learning_rate_factor=2.0, l2=0.0)])
    """

    pattern: str
    learning_rate_factor: float = 1.0
    l2: float | None = None
    weight_decay: float | None = None

    def __post_init__(self):
        try:
            re.compile(self.pattern)
        except (re.error, TypeError) as error:
            raise ValueError(
                f"pattern must be a regular expression. Received: {self.pattern!r} ({error})"
            ) from error
        for name in ("learning_rate_factor", "l2", "weight_decay"):
            check_not_negative(name, getattr(self, name))


@dataclasses.dataclass(frozen=True)
class Settings:
    """What holds for one variable."""

    learning_rate_factor: float
    l2: float
    weight_decay: float


def settings_of(
    paths: list[str], rules: Iterable[ParameterRule], l2: float, weight_decay: float
) -> list[Settings]:
    """The `Settings` of each variable, by its path.

    Raises:
        ValueError: if a rule matches no variable, and so would do nothing.
    """
    for rule in rules:
        if not any(re.search(rule.pattern, path) for path in paths):
            raise ValueError(
                f"the rule for {rule.pattern!r} matches none of the {len(paths)} trainable variables, whose paths are "
                f"such as {', '.join(repr(path) for path in paths[:1] + paths[-2:])}. Correct or remove it."
            )
    return [_settings(path, rules, l2, weight_decay) for path in paths]


def _settings(path, rules, l2, weight_decay):
    factor = 1.0
    for rule in rules:
        if re.search(rule.pattern, path):
            factor *= rule.learning_rate_factor
            l2 = l2 if rule.l2 is None else rule.l2
            weight_decay = weight_decay if rule.weight_decay is None else rule.weight_decay
    return Settings(factor, l2, weight_decay)


def check_not_negative(name: str, value: float | None) -> None:
    if value is not None and not value >= 0:
        raise ValueError(f"{name} must be 0 or more. Received: {value!r}")
