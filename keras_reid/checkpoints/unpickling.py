"""Pickles of weights, read without running anything that they name.

A pickle is a program for a machine with a stack, and Python's own machine calls whatever function the program names.
This one knows the instructions that `torch.save` writes, takes names only from `allowed_globals`, and calls nothing
else than the small functions there. It reads no further than the file is long, and builds no more than the
instructions in the file do one by one.
"""

import pickle

from keras_reid.checkpoints.allowed_globals import KEYS, Global, find_global
from keras_reid.checkpoints.problems import DamagedFile, ForeignGlobal, NeedsPyTorch
from keras_reid.checkpoints.stored_tensor import Storage, StorageKind, is_size

_CONSTANTS = {pickle.NONE: None, pickle.NEWTRUE: True, pickle.NEWFALSE: False, pickle.EMPTY_TUPLE: ()}
_EMPTY = {pickle.EMPTY_LIST: list, pickle.EMPTY_DICT: dict, pickle.EMPTY_SET: list}
_NUMBERS = {pickle.BININT: "<i", pickle.BININT1: "<B", pickle.BININT2: "<H", pickle.BINFLOAT: ">d"}
# Instructions followed by a length, and its format.
_TEXTS = {pickle.BINUNICODE: "<I", pickle.SHORT_BINUNICODE: "<B", pickle.BINUNICODE8: "<Q"}
_BYTES = {
    pickle.BINBYTES: "<I",
    pickle.SHORT_BINBYTES: "<B",
    pickle.BINBYTES8: "<Q",
    pickle.BYTEARRAY8: "<Q",
    pickle.BINSTRING: "<i",  # the two strings of Python 2
    pickle.SHORT_BINSTRING: "<B",
}
_LONGS = {pickle.LONG1: "<B", pickle.LONG4: "<i"}
_IGNORED = {pickle.PROTO: 1, pickle.FRAME: 8}
_TUPLES = {pickle.TUPLE1: 1, pickle.TUPLE2: 2, pickle.TUPLE3: 3}
_PUTS = {pickle.BINPUT: "<B", pickle.LONG_BINPUT: "<I"}
_GETS = {pickle.BINGET: "<B", pickle.LONG_BINGET: "<I"}


class Unpickler:
    """Reads one pickle.

    Args:
        source: `byte_source.ByteSource` that stands at its beginning, and stands behind it afterwards.

    `storages` holds `{key: StorageKind}` of all storages that the pickle names.

    Raises:
        DamagedFile, ForeignGlobal, NeedsPyTorch: from `load`.
    """

    def __init__(self, source):
        self.storages = {}
        self._source = source
        self._stack = []
        self._outer = []  # the stacks below the marks
        self._memo = {}
        self._instructions = {
            pickle.MARK: self._mark,
            pickle.POP: self._pop,
            pickle.POP_MARK: self._items,
            pickle.TUPLE: self._tuple,
            pickle.APPEND: self._append,
            pickle.APPENDS: self._append_all,
            pickle.ADDITEMS: self._append_all,
            pickle.FROZENSET: self._frozen_set,
            pickle.SETITEM: self._set_item,
            pickle.SETITEMS: self._set_items,
            pickle.MEMOIZE: self._memoize,
            pickle.GLOBAL: self._global,
            pickle.STACK_GLOBAL: self._stack_global,
            pickle.REDUCE: self._call,
            pickle.NEWOBJ: self._call,
            # The state of an object: nothing here has one that matters.
            pickle.BUILD: self._pop,
            pickle.BINPERSID: self._storage,
        }

    def load(self):
        """The content, with `StoredTensor`s for tensors."""
        try:
            while (code := self._source.take(1)) != pickle.STOP:
                self._step(code)
            return self._pop()
        except ForeignGlobal as error:
            error.whole = not self._stack and not self._outer
            raise
        except (DamagedFile, NeedsPyTorch):
            raise
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise DamagedFile(f"its pickle contradicts itself ({type(error).__name__})") from error

    def _step(self, code):
        source, push = self._source, self._stack.append
        if code in _PUTS:
            self._memo[source.number(_PUTS[code])] = self._stack[-1]
        elif code in _GETS:
            push(self._memo[source.number(_GETS[code])])
        elif code in _TEXTS:
            push(source.take(source.number(_TEXTS[code])).decode("utf-8", "surrogatepass"))
        elif code in self._instructions:
            self._instructions[code]()
        elif code in _NUMBERS:
            push(source.number(_NUMBERS[code]))
        elif code in _CONSTANTS:
            push(_CONSTANTS[code])
        elif code in _EMPTY:
            push(_EMPTY[code]())
        elif code in _TUPLES:
            count = _TUPLES[code]
            self._stack[-count:] = [tuple(self._top(count))]
        elif code in _BYTES:
            push(_text_or_bytes(source.take(source.number(_BYTES[code]))))
        elif code in _LONGS:
            push(int.from_bytes(source.take(source.number(_LONGS[code])), "little", signed=True))
        elif code in _IGNORED:
            source.take(_IGNORED[code])
        else:
            raise DamagedFile(f"its pickle has an instruction that torch.save never writes: {code!r}")

    def _top(self, count):
        if len(self._stack) < count:
            raise IndexError
        return self._stack[-count:]

    def _pop(self):
        return self._stack.pop()

    def _mark(self):
        self._outer.append(self._stack)
        self._stack = []

    def _items(self):
        """What was pushed since the last mark."""
        items, self._stack = self._stack, self._outer.pop()
        return items

    def _tuple(self):
        items = self._items()
        self._stack.append(tuple(items))

    def _frozen_set(self):
        items = self._items()
        self._stack.append(items)

    def _append(self):
        item = self._pop()
        self._container(list).append(item)

    def _append_all(self):
        items = self._items()
        self._container(list).extend(items)

    def _set_item(self):
        key, value = self._top(2)
        del self._stack[-2:]
        self._put(key, value)

    def _set_items(self):
        items = self._items()
        for key, value in zip(items[::2], items[1::2], strict=True):
            self._put(key, value)

    def _put(self, key, value):
        content = self._container(dict)
        if isinstance(key, KEYS):
            content[key] = value

    def _container(self, kind):
        if type(self._stack[-1]) is not kind:
            raise DamagedFile(
                f"its pickle fills a {type(self._stack[-1]).__name__} as if it were a {kind.__name__}"
            )
        return self._stack[-1]

    def _memoize(self):
        self._memo[len(self._memo)] = self._stack[-1]

    def _global(self):
        module, name = self._source.line(), self._source.line()
        self._stack.append(find_global(module, name))

    def _stack_global(self):
        module, name = self._top(2)
        if not isinstance(module, str) or not isinstance(name, str):
            raise DamagedFile("its pickle has a name that is no text")
        self._stack[-2:] = [find_global(module, name)]

    def _call(self):
        function, arguments = self._top(2)
        if not isinstance(function, Global) or function.build is None or not isinstance(arguments, tuple):
            raise DamagedFile(f"its pickle calls a {type(function).__name__}")
        self._stack[-2:] = [function.build(*arguments)]

    def _storage(self):
        """A storage is stored elsewhere: `("storage", kind, key, device, length)`, and in the older format a view."""
        label, kind, key, _device, length, *view = self._pop()
        if (
            label != "storage"
            or not isinstance(kind, StorageKind)
            or not (isinstance(key, str) or is_size(key))
        ):
            raise DamagedFile("its pickle refers to something that is no storage")
        start = 0
        if view and view[0] is not None:
            _view_key, start, length = view[0]
        if not is_size(start) or not is_size(length):
            raise DamagedFile("its pickle has a storage of no proper size")
        self.storages.setdefault(str(key), kind)
        self._stack.append(Storage(str(key), kind, start, length))


def _text_or_bytes(data):
    """Python 2 has one type for both."""
    return data.decode() if data.isascii() else data
