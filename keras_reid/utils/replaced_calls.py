"""Layers that compute something else for as long as a block runs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

_lock = threading.Lock()


@contextlib.contextmanager
def replaced_calls(layers: Iterable[Any], replacement: Callable[..., Any]) -> Iterator[None]:
    """Within the block, each layer calls `replacement(layer, call)` in place of its own method `call`.

    The block may be entered again with the same layers and replacement, by an inner block or by another thread: the
    layer stays as it is, and the last one to leave restores it. Replicas of one machine need this, because they trace
    their steps in threads that take turns. Other replacements may be nested within one thread.

    Args:
        layers: Keras layers; layers within them are left alone.
        replacement: a function of a layer and its bound method `call`. It returns what is called instead, or None to
            leave the layer alone. The same function must be given for the same replacement.

    Example:
        >>> dense = keras.layers.Dense(2)
        >>> with replaced_calls([dense], lambda layer, call: lambda inputs: 2 * call(inputs)):
        ...     doubled = dense(inputs)
    """
    entered = []
    try:
        with _lock:
            for layer in layers:
                _enter(layer, replacement)
                entered.append(layer)
        yield
    finally:
        with _lock:
            for layer in reversed(entered):
                _leave(layer, replacement)


class _Replaced:
    """Stands in a layer's own dictionary for its method `call`."""

    def __init__(self, replacement, call, before):
        self.replacement, self.call, self.before, self.users = replacement, call, before, 1

    def __call__(self, *args, **kwargs):
        return self.call(*args, **kwargs)


def _enter(layer, replacement):
    # In the dictionary itself, because Keras looks at everything that is set in the ordinary way.
    own = vars(layer)
    before = own.get("call")
    if isinstance(before, _Replaced) and before.replacement == replacement:
        before.users += 1
        return
    call = replacement(layer, layer.call)
    if call is not None:
        own["call"] = _Replaced(replacement, call, before)


def _leave(layer, replacement):
    own = vars(layer)
    replaced = own.get("call")
    if not (isinstance(replaced, _Replaced) and replaced.replacement == replacement):
        return  # it was left alone
    replaced.users -= 1
    if replaced.users:
        return
    if replaced.before is None:
        del own["call"]
    else:
        own["call"] = replaced.before
