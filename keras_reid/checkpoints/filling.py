"""Puts a state dict into variables, and reports every name left over on either side."""

import re

import numpy as np

from keras_reid.checkpoints.report import Report

# Counters of batches, and the pixel mean and deviation that belong to the pre-processing.
_IGNORED = re.compile(r"(^|\.)num_batches_tracked$|^pixel_(mean|std)$")


def named(state, rename=None):
    """`{name: (its own name, array)}` of a state dict, without what does not count.

    Args:
        state: `{name: array}`.
        rename: Function from the state dict's names to those of the targets, where they differ.
    """
    found = {}
    for own_name, value in state.items():
        name = own_name.removeprefix("module.")  # how data-parallel training wraps a network
        name = rename(name) if rename else name
        if not _IGNORED.search(name):
            found[name] = (own_name, value)
    return found


def fill(wanted, state, variables):
    """Assigns what fits.

    Args:
        wanted: `{name: Target}`.
        state: `{name: (its own name, array)}`, as `named` returns it.
        variables: All variables that should be filled.

    Returns a `Report`, in the state dict's own names.
    """
    used, mismatched, filled = [], {}, set()
    for name, target in wanted.items():
        if name not in state:
            continue
        own_name, value = state[name]
        if value.shape not in target.shapes():
            mismatched[own_name] = (value.shape, target.shapes()[0])
            continue
        target.variable.assign(np.asarray(target.convert(value), dtype="float32"))
        used.append(own_name)
        filled.add(id(target.variable))
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
