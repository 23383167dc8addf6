"""Pickles of weights, read without running anything that they name.

A pickle is a program for a machine with a stack, and Python's machine calls whatever function the program names. This
is Python's machine with fewer instructions: those that `torch.save` writes. Names come from `allowed_globals` alone,
only the small functions there are called, and nothing is built that the instructions in the file do not build one by
one.

It is the machine in Python, `pickle._Unpickler`, whose instructions can be taken away. The class is private; it is the
same in Python 3.11, 3.12 and 3.13. The machine in C, `pickle.Unpickler`, lets only `find_class` and `persistent_load`
be changed, which is not enough (seen in Python 3.11): a file of ten bytes makes it reserve 1 GiB for a place in the
memo, one of twelve bytes 2 GiB for a bytearray that the file does not hold, and a key of a million nested tuples ends
the process, because the hash of a tuple recurses.
"""

from __future__ import annotations

import pickle
from typing import IO, Any

from keras_reid.checkpoints.allowed_globals import KEYS, Global, find_global
from keras_reid.checkpoints.problems import DamagedFile, ForeignGlobal, NeedsPyTorch
from keras_reid.checkpoints.stored_tensor import Storage, StorageKind, is_size

_INHERITED = (
    *(pickle.PROTO, pickle.FRAME, pickle.STOP, pickle.MARK, pickle.POP, pickle.POP_MARK),
    *(pickle.MEMOIZE, pickle.BINPUT, pickle.LONG_BINPUT, pickle.BINGET, pickle.LONG_BINGET),
    *(pickle.NONE, pickle.NEWTRUE, pickle.NEWFALSE),
    *(pickle.BININT, pickle.BININT1, pickle.BININT2, pickle.LONG1, pickle.LONG4, pickle.BINFLOAT),
    *(pickle.BINUNICODE, pickle.SHORT_BINUNICODE, pickle.BINUNICODE8),
    *(pickle.BINBYTES, pickle.SHORT_BINBYTES, pickle.BINBYTES8),
    *(pickle.BINSTRING, pickle.SHORT_BINSTRING),  # the two strings of Python 2
    *(pickle.EMPTY_TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3, pickle.TUPLE),
    *(pickle.EMPTY_LIST, pickle.EMPTY_DICT),
    *(pickle.GLOBAL, pickle.STACK_GLOBAL, pickle.BINPERSID),  # these call the two methods below
)
# Sets become lists, because the hash of a nested tuple recurses as deeply as a file wants. The bytes of a bytearray are
# read, and not reserved first.
_REPLACED = {
    pickle.EMPTY_SET: pickle.EMPTY_LIST,
    pickle.FROZENSET: pickle.LIST,
    pickle.BYTEARRAY8: pickle.BINBYTES8,
}


class _Instructions(dict):
    """Code of an instruction → what it does."""

    def __missing__(self, code):
        raise DamagedFile(f"its pickle has an instruction that torch.save never writes: {bytes([code])!r}")


class Unpickler(pickle._Unpickler):
    """Reads one pickle.

    Args:
        source: `byte_source.ByteSource` that stands at its beginning, and stands behind it afterwards.

    `storages` holds `{key: StorageKind}` of all storages that the pickle names.

    Raises:
        DamagedFile, ForeignGlobal, NeedsPyTorch: from `load`.
    """

    dispatch = _Instructions({code[0]: pickle._Unpickler.dispatch[code[0]] for code in _INHERITED})
    for _code, _instead in _REPLACED.items():
        dispatch[_code[0]] = pickle._Unpickler.dispatch[_instead[0]]

    def __init__(self, source: IO[bytes]) -> None:
        super().__init__(source, encoding="latin-1")  # of the strings of Python 2: every byte is a letter
        self.storages = {}

    def load(self) -> Any:
        """The content, with `StoredTensor`s for tensors."""
        try:
            return super().load()
        except ForeignGlobal as error:
            # What is open, from the outside in: a dict, then the keys and values that it is still to get.
            open_now = [item for items in (*self.metastack, self.stack) for item in items]  # type: ignore[attr-defined]
            error.whole = not open_now
            outer = self.metastack[1] if len(self.metastack) > 1 else self.stack  # type: ignore[attr-defined]
            error.key = outer[-1] if len(open_now) > 1 and isinstance(outer[-1], str) else None
            raise
        except (DamagedFile, NeedsPyTorch):
            raise
        except (IndexError, KeyError, TypeError, ValueError, pickle.UnpicklingError) as error:
            raise DamagedFile(f"its pickle contradicts itself ({type(error).__name__})") from error

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a function or class that the pickle names."""
        return find_global(module, name)

    def persistent_load(self, pid: Any) -> Any:
        """A storage is stored elsewhere: `("storage", kind, key, device, length)`, and in the older format a view."""
        label, kind, key, _device, length, *view = pid
        if (
            label != "storage"
            or not isinstance(kind, StorageKind)
            or not (isinstance(key, str) or is_size(key))
        ):
            raise DamagedFile("its pickle refers to something that is not a storage")
        start = 0
        if view and view[0] is not None:
            _view_key, start, length = view[0]
        if not is_size(start) or not is_size(length):
            raise DamagedFile("its pickle has a storage of an invalid size")
        self.storages.setdefault(str(key), kind)
        return Storage(str(key), kind, start, length)

    def _call(self):
        arguments, function = self.stack.pop(), self.stack.pop()
        if not isinstance(function, Global) or function.build is None or not isinstance(arguments, tuple):
            raise DamagedFile(f"its pickle calls a {type(function).__name__}")
        self.append(function.build(*arguments))

    def _skip_state(self):
        """No object here has a state that matters."""
        self.stack.pop()

    def _append(self):
        item = self.stack.pop()
        self._container(list).append(item)

    def _append_all(self):
        items = self.pop_mark()
        self._container(list).extend(items)

    def _set_item(self):
        value, key = self.stack.pop(), self.stack.pop()
        self._put(key, value)

    def _set_items(self):
        items = self.pop_mark()
        for key, value in zip(items[::2], items[1::2], strict=True):
            self._put(key, value)

    def _put(self, key, value):
        content = self._container(dict)
        if isinstance(key, KEYS):
            content[key] = value

    def _container(self, kind):
        if type(self.stack[-1]) is not kind:
            raise DamagedFile(
                f"its pickle fills a {type(self.stack[-1]).__name__} as if it were a {kind.__name__}"
            )
        return self.stack[-1]

    dispatch.update(
        {
            pickle.REDUCE[0]: _call,
            pickle.NEWOBJ[0]: _call,
            pickle.BUILD[0]: _skip_state,
            pickle.APPEND[0]: _append,
            pickle.APPENDS[0]: _append_all,
            pickle.ADDITEMS[0]: _append_all,
            pickle.SETITEM[0]: _set_item,
            pickle.SETITEMS[0]: _set_items,
        }
    )
