"""Puts a state dict into variables, and reports every name left over on either side."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_reid.checkpoints.parts import without_wrappers
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.checkpoints.targets import Target

# Counters of batches, the pixel mean and deviation that belong to the pre-processing, and MoCo's queue of features.
_IGNORED = re.compile(r"(^|\.)num_batches_tracked$|^pixel_(mean|std)$|^memory\.queue(_label|_ptr)?$")

# How data parallel training and `torch.compile` wrap a network; what is saved beside it need not be wrapped.
_WRAPPED = re.compile(r"^((module|_orig_mod)\.)+")


@dataclasses.dataclass(frozen=True)
class Report:
    """The outcome of an import. Nothing is skipped silently.

    Args:
        used: Names of the state dict whose values are now in the model.
        unused: Names of the state dict that the model has no place for. Counters of batches
            (`num_batches_tracked`), the pixel mean and deviation, which belong to the pre-processing, and MoCo's
            queue, which belongs to training, are not counted.
        unfilled: What the model still needs: the names it looked for, or the path of a variable that no name
            leads to.
        mismatched: `{name: (shape in the file, shape in the model)}`, both in the file's layout; these names are
            among the unused and the unfilled.

    Example:
        >>> report = keras_reid.weights.load_fastreid(model, state_dict)
        >>> report.complete
        True
    """

    used: tuple = ()
    unused: tuple = ()
    unfilled: tuple = ()
    mismatched: dict = dataclasses.field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every name was used and every variable filled."""
        return not self.unused and not self.unfilled

    def __str__(self):
        lines = [f"{len(self.used)} used, {len(self.unused)} unused, {len(self.unfilled)} unfilled"]
        lines += [
            f"  other shape: {name}: {a} in the file, {b} in the model"
            for name, (a, b) in self.mismatched.items()
        ]
        lines += [f"  unused: {name}" for name in self.unused if name not in self.mismatched]
        lines += [f"  unfilled: {name}" for name in self.unfilled if name not in self.mismatched]
        return "\n".join(lines)


def named(
    state: Mapping[str, np.ndarray], rename: Callable[[str], str] | None = None
) -> dict[str, tuple[str, np.ndarray]]:
    """`{name: (name in the state dict, array)}`, without counters and other values that belong to no variable.

    Args:
        state: `{name: array}`.
        rename: Function from the state dict's names to those of the targets, where they differ.

    Raises:
        UserError: if two names become the same one.
    """
    renamed = {}
    before = without_wrappers(state)[1]
    for own_name, value in state.items():
        name = _WRAPPED.sub("", own_name.removeprefix(before))
        name = rename(name) if rename else name
        if _IGNORED.search(name):
            continue
        if name in renamed:
            raise UserError(
                f"State dict: {renamed[name][0]!r} and {own_name!r} are two names of the same weight."
            )
        renamed[name] = (own_name, value)
    return renamed


def fill(
    wanted: Mapping[str, Target], state: Mapping[str, tuple[str, np.ndarray]], variables: Iterable[Any]
) -> Report:
    """Assigns the values that fit; if a value is invalid, nothing is assigned.

    Args:
        wanted: `{name: Target}`.
        state: `{name: (its own name, array)}`, as `named` returns it.
        variables: All variables that should be filled.

    Returns a `Report`, in the state dict's own names.

    Raises:
        UserError: if values are not real numbers, are not finite in float32, or are negative variances.
    """
    used, mismatched, filled, values = [], {}, set(), []
    for name, target in wanted.items():
        if name not in state:
            continue
        own_name, value = state[name]
        if value.shape not in target.shapes():
            mismatched[own_name] = (value.shape, target.shapes()[0])
            continue
        values.append((target, _checked(own_name, value)))
        used.append(own_name)
        filled.add(id(target.variable))
    for target, value in values:
        target.variable.assign(target.convert(value))
    seen = set(used)
    unused = [own_name for own_name, _ in state.values() if own_name not in seen]
    names = {id(target.variable): name for name, target in wanted.items()}
    optional = {id(target.variable) for target in wanted.values() if target.optional}
    unfilled = []
    for variable in variables:
        if id(variable) not in filled | optional:
            name = names.get(id(variable), variable.path)
            unfilled.append(state[name][0] if name in state else name)
    return Report(tuple(used), tuple(unused), tuple(unfilled), mismatched)


def _checked(name, value):
    """A file's value as float32."""
    if value.dtype.kind not in "fiu":
        raise UserError(f"State dict: {name!r} must hold real numbers. Received: {value.dtype}")
    with np.errstate(over="ignore"):
        value = value.astype("float32", copy=False)
    if not np.isfinite(value).all():
        raise UserError(f"State dict: {name!r} has values that are infinite or not a number.")
    if name.endswith("running_var") and (value < 0).any():
        raise UserError(f"State dict: {name!r} has negative values, and must be variances.")
    return value
