"""Files as `torch.save` writes them, made by hand so that they may be wrong in any way."""

import pickle
import struct
import zipfile

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C


def value(content):
    """The instructions that push a plain value."""
    return pickle.dumps(content, 2)[2:-1]  # without version and stop


def name(dotted):
    """The instruction that pushes a function or class."""
    module, _, last = dotted.rpartition(".")
    return pickle.GLOBAL + f"{module}\n{last}\n".encode()


def row(*parts):
    """The instructions that push a tuple of what the parts push."""
    return pickle.MARK + b"".join(parts) + pickle.TUPLE


def call(dotted, *arguments):
    """The instructions that call a function."""
    return name(dotted) + row(*arguments) + pickle.REDUCE


def storage(kind="torch.FloatStorage", key="0", length=6, view=None):
    """The instructions that push a storage."""
    end = (value(view),) if view else ()
    return row(value("storage"), name(kind), value(key), value("cpu"), value(length), *end) + pickle.BINPERSID


def tensor(own_storage=None, offset=0, shape=(2, 3), strides=(3, 1), marks=None):
    """The instructions that push a tensor."""
    end = () if marks is None else (value(marks),)
    return call(
        "torch._utils._rebuild_tensor_v2",
        own_storage or storage(),
        *(value(part) for part in (offset, shape, strides, False)),
        call("collections.OrderedDict"),
        *end,
    )


def mapping(**items):
    """The instructions that push a dict of what the parts push."""
    pairs = b"".join(value(key) + part for key, part in items.items())
    return pickle.EMPTY_DICT + pickle.MARK + pairs + pickle.SETITEMS


def program(instructions):
    """A whole pickle."""
    return pickle.PROTO + b"\x02" + instructions + pickle.STOP


SIX = np.arange(6, dtype="<f4").tobytes()


def zip_file(path, instructions, storages=None, compression=zipfile.ZIP_STORED, **members):
    """Writes a file of today's format with one storage of six values; returns its path."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", program(instructions))
        for key, data in ({"0": SIX} if storages is None else storages).items():
            archive.writestr(f"archive/data/{key}", data)
        for member, data in members.items():
            archive.writestr(f"archive/{member}", data)
    return path


def old_file(path, instructions, keys=None, storages=((6, SIX),), version=1001):
    """Writes a file of the format before PyTorch 1.6 with one storage of six values; returns its path."""
    if keys is None:
        keys = ("0",) if b"Storage" in instructions else ()
    facts = {"protocol_version": version, "little_endian": True}
    parts = [pickle.dumps(part, 2) for part in (MAGIC, version, facts)]
    parts += [program(instructions), pickle.dumps(list(keys), 2)]
    parts += [struct.pack("<q", length) + data for length, data in storages]
    path.write_bytes(b"".join(parts))
    return path


# Both formats, for tests that hold for both.
WRITERS = {"zip": zip_file, "old": old_file}


def saved(path, state, container=None):
    """Writes a state dict of float32 and int64 arrays in today's format; returns its path.

    Args:
        state: `{name: array}`.
        container: Name under which a checkpoint holds it; None for the state dict itself.
    """
    storages, tensors = {}, {}
    for key, (own_name, array) in enumerate(state.items()):
        array = np.array(array, order="C")
        storages[str(key)] = array.tobytes()
        kind = {"float32": "torch.FloatStorage", "int64": "torch.LongStorage"}[array.dtype.name]
        strides = tuple(stride // array.itemsize for stride in array.strides)
        tensors[own_name] = tensor(storage(kind, str(key), array.size), 0, array.shape, strides)
    content = mapping(**tensors)
    if container:
        content = mapping(**{container: content, "epoch": value(1)})
    return zip_file(path, content, storages=storages)
