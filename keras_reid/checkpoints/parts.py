"""Which set of weights a checkpoint holds: under which key, and behind which prefix of their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from keras_reid.checkpoints.stored_tensor import StoredTensor
from keras_reid.utils.errors import UserError

Value = TypeVar("Value")

# Where programs keep the weights that they trained, next to the state of the optimizer and schedule.
_MAIN = ("model", "state_dict", "model_state_dict", "net", "network")
# What holds tensors that are no network.
_NO_WEIGHTS = re.compile(r"optim|sched|scaler|criterion|loss|meter|metric|result|rng|queue", re.IGNORECASE)
_DEEPEST = 3
# What programs put before every name: data parallel training, `torch.compile`, Lightning.
_WRAPPERS = ("module.", "_orig_mod.", "model.", "net.", "network.")
# What a backbone is called within a larger network: MoCo's trained encoder, the re-identification baselines.
_BACKBONES = ("encoder_q.", "base.", "backbone.")


def choose_part(content: Any, part: str | None = None) -> tuple[Any, str, tuple[str, ...]]:
    """The weights in what a checkpoint holds.

    Args:
        content: nested dicts with tensors.
        part: its keys with dots between them, as "ema" or "teacher.state_dict"; or the first part of the names of a
            single state dict. None looks under "model", "state_dict", "model_state_dict", "net" and "network", then
            for the only state dict there is.

    Returns:
        The weights, by which keys they were found, and the keys of other weights that are there.

    Raises:
        UserError: there are several, and none of the usual name; or no such part.

    Example:
        >>> choose_part({"model": {"a": np.zeros(3)}, "ema": {"a": np.ones(3)}, "epoch": 7})[1:]
        ('model', ('ema',))
    """
    if not isinstance(content, Mapping):
        return content, "", ()
    found = _state_dicts(content)
    key = _main(content) if part is None else _named(found, part)
    if key is None:
        if part is not None:
            return _behind(content, found, part)
        if "" in found or not found:
            key = ""
        elif len(found) == 1:
            (key,) = found
        else:
            raise UserError(
                f"holds several sets of weights: {_listed(found)}. Choose one with --part (in Python, part=)"
            )
    for name in filter(None, key.split(_SEPARATOR)):
        content = content[name]
    # What lies within the chosen part, or around it, is no alternative to it.
    others = [other for other in found if other and not _within(other, key) and not _within(key, other)]
    return content, _shown(key), tuple(map(_shown, others))


def without_wrappers(state: Mapping[str, Value]) -> tuple[dict[str, Value], str]:
    """A state dict without what programs put before every one of its names, and what that was.

    Args:
        state: `{name: value}`.

    Example:
        >>> without_wrappers({"module._orig_mod.conv1.weight": 1, "module._orig_mod.bn1.bias": 2})
        ({'conv1.weight': 1, 'bn1.bias': 2}, 'module._orig_mod.')
    """
    before = ""
    while state and (wrapper := _shared(state, _WRAPPERS)):
        state, before = _stripped(state, wrapper), before + wrapper
    return dict(state), before


def backbone_part(state: Mapping[str, Value]) -> tuple[dict[str, Value], str, tuple[str, ...]]:
    """The backbone within a larger network; a state dict of a backbone as it is.

    Args:
        state: `{name: value}`.

    Returns:
        Its weights, what stood before their names, and the names of what is no part of it.

    Example:
        >>> backbone_part({"base.conv1.weight": 1, "bottleneck.weight": 2})
        ({'conv1.weight': 1}, 'base.', ('bottleneck.weight',))
    """
    left_out, before = [], ""
    while True:
        state, wrapper = without_wrappers(state)
        before += wrapper
        inner = next((one for one in _BACKBONES if any(name.startswith(one) for name in state)), None)
        if inner is None:
            return state, before, tuple(left_out)
        left_out += [before + name for name in state if not name.startswith(inner)]
        state, before = _stripped(state, inner), before + inner


# Between the keys of nested dicts while they are looked for, since keys may have dots.
_SEPARATOR = "\0"


def _state_dicts(content, level=0, seen=None):
    """`{keys: weights}` of every dict that holds tensors, the outermost first; one that is there twice, once."""
    seen = set() if seen is None else seen
    if id(content) in seen:  # otherwise a file of a few dicts that share their items would take hours
        return {}
    seen.add(id(content))
    found = {"": content} if any(map(_is_tensor, content.values())) else {}
    for key, inner in content.items() if level < _DEEPEST else ():
        if isinstance(inner, Mapping) and isinstance(key, str) and key and not _NO_WEIGHTS.search(key):
            for keys, weights in _state_dicts(inner, level + 1, seen).items():
                found[f"{key}{_SEPARATOR}{keys}" if keys else key] = weights
    return found


def _is_tensor(value):
    """Whether it has values by place: a number in a tensor may be a metric."""
    shape = value.shape if isinstance(value, StoredTensor) else getattr(value, "shape", ())
    return not isinstance(value, Mapping) and isinstance(shape, tuple) and len(shape) > 0


def _main(content):
    """The keys of the weights that a program trained, by their usual names; None without any."""
    keys = []
    while isinstance(content, Mapping) and len(keys) <= _DEEPEST:
        key = next((key for key in _MAIN if isinstance(content.get(key), Mapping)), None)
        if key is None:
            break
        keys.append(key)
        content = content[key]
    return _SEPARATOR.join(keys) if keys else None


def _named(found, part):
    """The keys that a user means."""
    exact = [keys for keys in found if keys and _shown(keys) == part]
    inner = [keys for keys in found if _shown(keys).startswith(f"{part}.")]
    return exact[0] if exact else inner[0] if len(inner) == 1 else None


def _behind(content, found, part):
    """The weights whose names begin with `part`, among those that are there."""
    key = _main(content)
    if key is None and ("" in found or len(found) == 1):
        key = "" if "" in found else next(iter(found))
    for name in filter(None, (key or "").split(_SEPARATOR)):
        content = content[name]
    state, before = without_wrappers(
        {name: value for name, value in content.items() if isinstance(name, str)}
    )
    first = f"{part}."
    chosen = _stripped(state, first)
    if not chosen:
        names = (
            dict.fromkeys(ascii(name.partition(".")[0])[1:-1][:40] for name in state)
            if key is not None
            else ()
        )
        begin = f", and names that begin with {', '.join(list(names)[:8])}" if names else ""
        raise UserError(f"has no part {part!a}. It has {_listed(found) or 'no named part'}{begin}")
    return chosen, ".".join(filter(None, (_shown(key or ""), (before + first).rstrip(".")))), ()


def _stripped(state, prefix):
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _shared(state: Iterable[str], prefixes):
    names = list(state)
    return next((one for one in prefixes if all(name.startswith(one) for name in names)), None)


def _within(inner, outer):
    return inner == outer or inner.startswith(f"{outer}{_SEPARATOR}") or not outer


def _shown(keys):
    return keys.replace(_SEPARATOR, ".")


def _listed(found):
    return ", ".join(
        f"{ascii(_shown(keys))[1:-1][:80]} ({len(found[keys])} arrays)" for keys in found if keys
    )
