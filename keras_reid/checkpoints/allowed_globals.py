"""The names that a pickle of weights may use, and what stands for them here.

No stand-in is the function or class itself: a container becomes a plain dict or list, a tensor becomes a
`StoredTensor`, and what a checkpoint keeps next to the weights (a NumPy number, a device) an `Inert` without content.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from keras_reid.checkpoints.problems import DamagedFile, ForeignGlobal, NeedsPyTorch
from keras_reid.checkpoints.stored_tensor import StorageKind, StoredTensor


@dataclasses.dataclass(frozen=True, slots=True)
class Global:
    """What a pickle gets in place of a function or class.

    Args:
        name: The dotted name.
        build: Function that is called in its place; None for a name that nobody calls.
    """

    name: str
    build: Callable | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Inert:
    """An object that is not built: only the name of its type is known."""

    name: str


# What keys of dicts may be. Others are dropped: names of weights are strings, and the hash of a nested tuple would
# recurse as deeply as the file wants.
KEYS = (str, bytes, int, float, bool, type(None))


def find_global(module: str, name: str) -> Any:
    """The stand-in for `module.name`: a `Global` or a `StorageKind`.

    Raises:
        NeedsPyTorch: if it is a part of PyTorch that is not built here.
        ForeignGlobal: if it is anything else.
    """
    dotted = f"{module}.{name}"
    stand_in = _GLOBALS.get(dotted)
    if stand_in is None:
        # The error is printed on a terminal: no control characters, and at most 100 letters.
        dotted = dotted.encode("unicode_escape").decode()[:100]
        raise NeedsPyTorch(f"a `{dotted}`") if module in _PYTORCH else ForeignGlobal(dotted)
    return stand_in


def _new_dict(items=()):
    """Python 2 gives an ordered dict its items at once, as a list of pairs."""
    if isinstance(items, dict) or items == ():
        return items or {}
    if not isinstance(items, list):
        raise DamagedFile("a dict is not made from a list of pairs")
    pairs = [pair for pair in items if isinstance(pair, (list, tuple)) and len(pair) == 2]
    items.clear()  # otherwise a file could make a thousand dicts from one long list
    return {key: value for key, value in pairs if isinstance(key, KEYS)}


def _default_dict(factory=None, *_):
    return {}


def _tensor(storage, offset, shape, strides, _requires_grad=False, _hooks=None, marks=None, *_):
    """`marks` are operations that PyTorch has put off: {"neg": True} for a tensor that is still to be negated."""
    marks = marks or {}
    if not isinstance(marks, dict):
        raise DamagedFile("the marks of a tensor are not a dict")
    for mark, is_set in marks.items():
        if is_set and mark != "neg":
            raise NeedsPyTorch("a tensor with a mark that is not known here")
    return StoredTensor.checked(storage, offset, shape, strides, bool(marks.get("neg")))


def _parameter(tensor, *_):
    if not isinstance(tensor, StoredTensor):
        raise DamagedFile("a parameter is not made from a tensor")
    return tensor


def _same(items=()):
    return items


_STORAGES = {
    "FloatStorage": StorageKind("float32", "<f4"),
    "DoubleStorage": StorageKind("float64", "<f8"),
    "HalfStorage": StorageKind("float16", "<f2"),
    "BFloat16Storage": StorageKind("bfloat16", "<u2", upper_half=True),
    "LongStorage": StorageKind("int64", "<i8"),
    "IntStorage": StorageKind("int32", "<i4"),
    "ShortStorage": StorageKind("int16", "<i2"),
    "CharStorage": StorageKind("int8", "<i1"),
    "ByteStorage": StorageKind("uint8", "<u1"),
    "BoolStorage": StorageKind("bool", "?"),
}
_BUILDERS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": _new_dict,
    "collections.Counter": _new_dict,
    "collections.defaultdict": _default_dict,
    "yacs.config.CfgNode": _new_dict,
    "easydict.EasyDict": _new_dict,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch.Size": _same,
}
# Without content, because they are not weights: they belong to the state of the optimizer or schedule, are metrics, or
# the options that a program was called with.
_INERT = (
    "argparse.Namespace",
    *(
        f"{module}.{name}"
        for module in ("pathlib", "pathlib._local")
        for name in ("PosixPath", "WindowsPath")
    ),
    "_codecs.encode",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray._reconstruct",
    "numpy.dtype",
    "numpy.ndarray",
    "torch.device",
    "torch.serialization._get_layout",
    *(f"torch.{name}" for name in ("float16", "float32", "float64", "bfloat16", "bool")),
    *(f"torch.{name}" for name in ("uint8", "int8", "int16", "int32", "int64")),
    *(
        f"{module}.{name}"
        for module in ("builtins", "__builtin__")  # Python 3 and 2
        for name in ("set", "frozenset", "list", "dict", "int", "float", "complex", "bytearray")
    ),
)


def _inert(name):
    return lambda *_: Inert(name)


_GLOBALS = {
    **{f"torch.{name}": kind for name, kind in _STORAGES.items()},
    **{f"torch.cuda.{name}": kind for name, kind in _STORAGES.items()},
    **{name: Global(name, build) for name, build in _BUILDERS.items()},
    **{name: Global(name, _inert(name)) for name in _INERT},
}
# Where other tensors come from: sparse, quantised and complex ones, other types of values.
_PYTORCH = ("torch", "torch._utils", "torch._tensor", "torch.storage", "torch.cuda", "torch.nn.parameter")
