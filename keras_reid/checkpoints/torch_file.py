"""Files that `torch.save` wrote, without PyTorch.

Since PyTorch 1.6 they are zip archives: a pickle, `data.pkl`, and a member for each storage. Before, they were a row of
pickles (magic number, version of the format, facts about the machine, the content, the keys of the storages) and then
the storages.
"""

from __future__ import annotations

import os
import pathlib
import struct
import zipfile
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from keras_reid.checkpoints.byte_source import ByteSource
from keras_reid.checkpoints.problems import DamagedFile, ForeignGlobal
from keras_reid.checkpoints.stored_tensor import StoredTensor, is_size
from keras_reid.checkpoints.unpickling import Unpickler
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    import numpy as np

_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001
_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
# Where programs keep a network; what they keep under other keys is no weights.
_MODULES = (
    "model",
    "net",
    "network",
    "module",
    "teacher",
    "student",
    "ema",
    "model_ema",
    "ema_model",
    "encoder",
)
_LFS = b"version https://git-lfs"
# What `zipfile` raises for archives that are damaged, encrypted, or made up.
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
    EOFError,
    OSError,
    struct.error,
)


def read_torch_file(
    path: str | os.PathLike[str], select: Callable[[Any], Mapping[str, StoredTensor]]
) -> dict[str, np.ndarray]:
    """The selected tensors of a file, as numpy arrays; the others are not read.

    Args:
        path: The file.
        select: Function from the content to what is wanted of it, `{name: value}`. Tensors are
            `StoredTensor`s there, and other values are handed on as they are.

    Returns `{name: value}`, with read-only arrays for tensors (float32 for bfloat16). Tensors that share a storage
    share memory.

    Raises:
        UserError: if the file is missing, damaged or not written by `torch.save`, or if it asks to run something.
        NeedsPyTorch: if only PyTorch can build what it holds.
    """
    path = pathlib.Path(path)
    problem = why_no_torch_file(path)
    if problem:
        raise UserError(problem)
    try:
        with open(path, "rb") as file:
            archive = _ZipArchive if file.read(4) == _ZIP else _OldFile
            file.seek(0)
            archive = archive(file, path)
            return _arrays(archive, select(archive.content))
    except ForeignGlobal as error:
        raise UserError(
            f"{path} asks to run `{error}`, which no weights need; nothing was run. If you trust the file, save its "
            f"weights alone in PyTorch, where loading it runs its code: {_weights_alone(path, error)}"
        ) from error
    except DamagedFile as error:
        raise UserError(f"{path} is damaged or cut short: {error}. Fetch or save it again.") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error


def why_no_torch_file(path: str | os.PathLike[str]) -> str | None:
    """Why a file cannot be one that `torch.save` wrote, judged by its first bytes; None if it may be one."""
    path = pathlib.Path(path)
    try:
        if path.is_dir():
            return f"{path} is a folder, and must be a weights file."
        if not path.is_file():
            return f"Weights file not found: {path}"
        with open(path, "rb") as file:
            head = file.read(64)
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    if not head:
        return f"{path} is empty. Fetch or save it again."
    if head.startswith(_LFS):
        return f"{path} is only a pointer of Git LFS. Fetch the file itself: git lfs pull"
    if head.lstrip().startswith(b"<"):
        return f"{path} is a web page, probably of a download that failed. Fetch the file again."
    if not head.startswith((_ZIP, _PICKLE)):
        return f"{path} is not a file that torch.save wrote: it begins with {head[:12]!r}"
    return None


def _weights_alone(path, error):
    """The Python that makes a file of weights of one that holds other objects."""
    load, file = f"torch.load({path.name!a}, weights_only=False)", f"{path.stem}.weights.pth"
    if error.whole:
        return f"model = {load}; torch.save(model.state_dict(), {file!a})"
    if error.key in _MODULES:
        return f"checkpoint = {load}; torch.save(checkpoint[{error.key!a}].state_dict(), {file!a})"
    other = f"del checkpoint[{error.key!a}]; " if error.key and error.key.isprintable() else ""
    return f"checkpoint = {load}; {other}torch.save(checkpoint, {file!a})"


def _arrays(archive, wanted):
    parts, arrays = {}, {}
    for name, value in wanted.items():
        if isinstance(value, StoredTensor):
            value = value.array(value.storage.window(_values(archive, value.storage, value.negative, parts)))
        arrays[name] = value
    return arrays


def _values(archive, storage, negative, parts):
    """All values of the part of the file that holds a storage: read and converted once, however many views it has."""
    if not storage.length:
        return storage.kind.values(b"")
    part = (storage.key, storage.kind, negative)
    if part in parts:
        return parts[part]
    if negative:
        values = -_values(archive, storage, False, parts)
        values.flags.writeable = False
    else:
        values = storage.kind.values(archive.data(storage.key), archive.byte_order)
    parts[part] = values
    return values


class _ZipArchive:
    """The format since PyTorch 1.6."""

    def __init__(self, file, path):
        self._size = path.stat().st_size
        try:
            self._zip = zipfile.ZipFile(file)
        except _ZIP_ERRORS as error:
            raise DamagedFile(f"it begins as a zip archive, but {_lower(error)}") from error
        self._members = {member.filename: member for member in self._zip.infolist()}
        pickles = [name for name in self._members if name.count("/") == 1 and name.endswith("/data.pkl")]
        if not pickles:
            raise UserError(
                f"{path} is a zip archive, but not one that torch.save wrote: it has no data.pkl."
            )
        self._root = pickles[0].removesuffix("data.pkl")
        if f"{self._root}constants.pkl" in self._members:
            raise UserError(
                f"{path} is a TorchScript program. Save its weights in PyTorch: "
                f'torch.save(torch.jit.load("{path.name}").state_dict(), "weights.pth")'
            )
        order = f"{self._root}byteorder"
        self.byte_order = "big" if order in self._members and self._read(order) == b"big" else "little"
        self.content = Unpickler(ByteSource(self._read(pickles[0]))).load()

    def data(self, key):
        return self._read(f"{self._root}data/{key}")

    def _read(self, name):
        member = self._members.get(name)
        if member is None:
            raise DamagedFile(f"{name!r} is missing in it")
        # torch.save does not compress. A few compressed bytes could become any number of them.
        if member.compress_type != zipfile.ZIP_STORED or member.file_size > self._size:
            raise DamagedFile(f"{name!r} in it is compressed or larger than the whole file")
        try:
            return self._zip.read(member)
        except _ZIP_ERRORS as error:
            raise DamagedFile(_lower(error)) from error


class _OldFile:
    """The format before PyTorch 1.6."""

    def __init__(self, file, path):
        source = ByteSource(file, path.stat().st_size)
        if Unpickler(source).load() != _MAGIC:
            raise UserError(f"{path} is a pickle, but not one that torch.save wrote.")
        version, machine = Unpickler(source).load(), Unpickler(source).load()
        if version != _VERSION or not isinstance(machine, dict):
            raise DamagedFile(f"its format is not of version {_VERSION}")
        self.byte_order = "little" if machine.get("little_endian", True) else "big"
        unpickler = Unpickler(source)
        self.content = unpickler.load()
        keys = Unpickler(source).load()
        self._file, self._places = file, {}
        for key in keys if isinstance(keys, list) else ():
            # Not every key: as text, lists that share their items may be of any length.
            if not isinstance(key, str) and not is_size(key):
                raise DamagedFile(f"a {type(key).__name__} is the key of a storage in it")
            key = str(key)
            if key not in unpickler.storages:
                raise DamagedFile(f"no tensor uses its storage {key!r}")
            size = source.number("<q") * unpickler.storages[key].itemsize
            self._places[key] = (source.skip(size), size)

    def data(self, key):
        if key not in self._places:
            raise DamagedFile(f"its storage {key!r} is missing")
        start, size = self._places[key]
        self._file.seek(start)
        return self._file.read(size)


def _lower(error):
    text = str(error) or type(error).__name__
    return text[0].lower() + text[1:]
