"""Files that are not what they should be: one clear line each, and nothing is run or blown up."""

import collections
import contextlib
import functools
import os
import pathlib
import pickle
import re
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from keras_reid.checkpoints import read_state_dict
from keras_reid.utils.errors import UserError
from tests.checkpoints import pickles
from tests.checkpoints.pickles import call, mapping, name, storage, tensor, value

FILES = pathlib.Path(__file__).parent / "files"
WRITERS = pytest.mark.parametrize("write", pickles.WRITERS.values(), ids=pickles.WRITERS)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.pth"


def refuses(path, message):
    with pytest.raises(UserError, match=re.escape(str(path)) + message) as caught:
        read_state_dict(path)
    assert "\n" not in str(caught.value)


# What is no such file at all.


def test_missing(path):
    with pytest.raises(UserError, match=r"Weights file not found: .*weights\.pth"):
        read_state_dict(path)


def test_folder(path):
    path.mkdir()
    refuses(path, " is a folder")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", " is empty"),
        (
            b"\n<!DOCTYPE html><html>Quota exceeded</html>",
            " is a web page, probably of a download that failed",
        ),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", " is only a pointer of Git LFS"),
        (b"conv1.weight 64 3 7 7\n", " is not a file that torch.save wrote: it begins with b'conv1"),
        (b"\x89HDF\r\n\x1a\n", " is not a file that torch.save wrote"),
        (pickle.dumps({"a": [1.0]}, 2), " is a pickle, but not one that torch.save wrote"),
        (b"PK\x03\x04 and then nothing", " is damaged or cut short: it begins as a zip archive, but"),
        (b"\x80\x02", " is damaged or cut short: it ends too early"),
    ],
    ids=["empty", "web page", "lfs", "text", "hdf5", "pickle", "broken zip", "short"],
)
def test_other_contents(content, message, path):
    path.write_bytes(content)
    refuses(path, message)


def test_no_right_to_read(path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    path.write_bytes(b"\x80\x02")
    monkeypatch.setattr("keras_reid.checkpoints.torch_file._OldFile", refuse)
    refuses(path, " cannot be read: Permission denied")


def test_no_right_to_look(path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    path.write_bytes(b"\x80\x02")
    monkeypatch.setattr("keras_reid.checkpoints.torch_file.open", refuse, raising=False)
    refuses(path, " cannot be read: Permission denied")


def test_zip_of_something_else(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.weights.h5", b"1")
    refuses(path, r" is a zip archive, but not one that torch.save wrote: it has no data\.pkl")


def test_torchscript():
    refuses(
        FILES / "torchscript.pth", r" is a TorchScript program\. .*torch\.jit\.load\(\"torchscript\.pth\"\)"
    )


# What is cut short or contradicts itself.


@pytest.mark.parametrize("file", ["state_dict_zip.pth", "state_dict_old.pth"])
def test_every_cut_is_noticed(file, path):
    data = (FILES / file).read_bytes()
    for length in range(1, len(data), 97):
        path.write_bytes(data[:length])
        with pytest.raises(UserError, match=r"damaged or cut short|is not a file"):
            read_state_dict(path)


def test_flipped_bits_in_a_zip(path):
    data = bytearray((FILES / "state_dict_zip.pth").read_bytes())
    data[data.index(pickles.SIX[4:8])] ^= 1  # a value, which only the checksum protects
    path.write_bytes(data)
    refuses(path, " is damaged or cut short: bad CRC-32")


@WRITERS
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (tensor(shape=(2, 4), strides=(4, 1)), r"shape \(2, 4\) .* does not fit"),
        (tensor(offset=1), "from 1 on does not fit"),
        (tensor(shape=(2, 2), strides=(5, 1)), "does not fit"),
        (tensor(shape=(2**28 + 1,), strides=(0,)), "repeats its storage of 6 values too often"),
        (tensor(shape=(2**40, 2**40), strides=(0, 0)), "repeats its storage of 6 values too often"),
        (tensor(shape=(7, 2), strides=(0, 6)), "does not fit"),
        (tensor(marks=[("neg", True)]), "the marks of a tensor are not a dict"),
        (tensor(storage("torch.IntStorage"), marks={"neg": True}), "of type int32 is marked as negative"),
        (tensor(storage("torch.BoolStorage"), marks={"neg": True}), "of type bool is marked as negative"),
        (tensor(shape=(0, 2**62, 2**62), strides=(1, 1, 1)), "an empty tensor has the shape"),
        (tensor(shape=(-1, 6), strides=(1, 1)), "an invalid storage, offset, shape or strides"),
        (tensor(shape=(2, 3), strides=(-3, 1)), "an invalid storage"),
        (tensor(offset=-1), "an invalid storage"),
        (tensor(shape=(2, 3), strides=(1,)), "an invalid storage"),
        (tensor(shape=(10**5000,), strides=(1,)), "an invalid storage"),
        (tensor(shape=(1,) * 70, strides=(1,) * 70), "an invalid storage"),
        (tensor(own_storage=value("0")), "an invalid storage"),
        (tensor(storage(length=7)), r"storage '0' should have 28 bytes and has 24"),
        (tensor(storage(length=2**60)), "storage '0' should have"),
        (
            tensor(storage(kind="torch.DoubleStorage", length=4)),
            r"storage '0' should have 32 bytes|too early",
        ),
        (tensor(storage(length=-6)), "storage of an invalid size"),
        (tensor(storage(length=6, view=("1", 4, 6))), "storage '0' should have 40 bytes"),
        (tensor(storage(key="../0")), "'archive/data/../0' is missing|no tensor uses its storage '0'"),
        (call("torch._utils._rebuild_parameter", value([1.0])), "a parameter is not made from a tensor"),
        (value(("storage", 1)) + pickle.BINPERSID, "contradicts itself"),
        (value(("module", 1, 2, 3, 4)) + pickle.BINPERSID, "refers to something that is not a storage"),
        (call("collections.OrderedDict", value("ab")), "not made from a list of pairs"),
    ],
)
def test_tensors_outside_their_storage(write, content, message, path):
    refuses(write(path, mapping(a=content)), f" is damaged or cut short: .*{message}")


@pytest.mark.parametrize(
    ("instructions", "message"),
    [
        (b"", "contradicts itself"),
        (pickle.TUPLE2, "contradicts itself"),
        (pickle.TUPLE, "contradicts itself"),
        (pickle.BINGET + b"\x05", "contradicts itself"),
        (pickle.EMPTY_DICT + pickle.MARK + value(1) + pickle.SETITEMS, "contradicts itself"),
        (value(1) + value(2) + pickle.APPEND, "fills a int as if it were a list"),
        (value(1) + value(2) + value(3) + pickle.SETITEM, "fills a int as if it were a dict"),
        (value(1) + value((2,)) + pickle.REDUCE, "calls a int"),
        (name("torch.FloatStorage") + pickle.EMPTY_TUPLE + pickle.REDUCE, "calls a StorageKind"),
        (call("torch.Size", value(1), value(2), value(3)), "contradicts itself"),
        (value(1) + value(2) + pickle.STACK_GLOBAL, r"contradicts itself \(UnpicklingError\)"),
        (pickle.GLOBAL + b"x" * 2000, "a name does not end"),
        (pickle.BINUNICODE + b"\x02\0\0\0\xff\xff", "contradicts itself"),
        (pickle.EXT1 + b"\x01", "an instruction that torch.save never writes"),
        (pickle.INST + b"os\nsystem\n", "an instruction that torch.save never writes"),
        (pickle.PERSID + b"0\n", "an instruction that torch.save never writes"),
    ],
)
def test_pickles_that_contradict_themselves(instructions, message, path):
    refuses(pickles.zip_file(path, instructions), f" is damaged or cut short: .*{message}")


def test_old_format_that_contradicts_itself(path):
    content = mapping(a=tensor())
    refuses(pickles.old_file(path, content, version=1000), ".*not of version 1001")
    refuses(pickles.old_file(path, content, keys=("0", "7")), ".*no tensor uses its storage '7'")
    refuses(pickles.old_file(path, content, keys=()), ".*its storage '0' is missing")
    for length in (7, -1, 2**62):
        refuses(pickles.old_file(path, content, storages=[(length, pickles.SIX)]), ".*it ends too early")


def test_zip_that_contradicts_itself(path):
    content = mapping(a=tensor())
    refuses(pickles.zip_file(path, content, storages={}), ".*'archive/data/0' is missing in it")
    packed = pickles.zip_file(path, content, compression=zipfile.ZIP_DEFLATED)
    refuses(packed, ".*'archive/data.pkl' in it is compressed")


# What asks to run something.


class Bomb:
    """Pickled as a call."""

    def __init__(self, function, *arguments):
        self.parts = (function, arguments)

    def __reduce__(self):
        return self.parts


class Rebuilt:
    """Pickled as an object with a state."""

    def __setstate__(self, state):
        raise AssertionError("built")

    def __getstate__(self):
        return {"a": 1}


HOSTILE = {
    "system": (lambda marker: Bomb(os.system, f"touch {marker}"), "posix.system"),
    "eval": (lambda marker: Bomb(eval, f"open({str(marker)!r}, 'w')"), "(builtins|__builtin__).eval"),
    "exec": (lambda marker: Bomb(exec, f"open({str(marker)!r}, 'w')"), "(builtins|__builtin__).exec"),
    "getattr": (lambda marker: Bomb(getattr, marker, "touch"), "(builtins|__builtin__).getattr"),
    "partial": (lambda marker: functools.partial(marker.touch), "functools.partial"),
    "path": (lambda marker: Bomb(pathlib.Path.touch, marker), "(builtins|__builtin__).getattr|pathlib.*"),
    "state": (lambda marker: Rebuilt(), "copy_?reg._reconstructor|tests.checkpoints.test_torch_file.Rebuilt"),
    "in a list": (lambda marker: [1, Bomb(os.system, f"touch {marker}")], "posix.system"),
    "as factory": (
        lambda marker: collections.defaultdict(functools.partial(open, marker, "w")),
        "functools.partial",
    ),
}


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("place", ["weight", "beside", "first"])
@pytest.mark.parametrize(("make", "asked"), HOSTILE.values(), ids=HOSTILE)
def test_nothing_is_run(make, asked, place, protocol, path, tmp_path):
    marker = tmp_path / "ran"
    hostile = pickle.dumps(make(marker), protocol)
    message = rf" asks to run `({asked})`, which no weights need; nothing was run\. .*torch\.save\((checkpoint|model\.)"
    if place == "first":  # where the old format has its magic number
        path.write_bytes(hostile)
        refuses(path, message)
    else:
        # Without version, frame and stop.
        hostile = hostile[2 if protocol == 2 else 11 : -1]
        state = mapping(a=tensor(), b=hostile)
        content = state if place == "weight" else mapping(model=mapping(a=tensor()), lr_sched=state)
        for write in pickles.WRITERS.values():
            refuses(write(path, content), message)
    assert not marker.exists()


def test_calls_of_allowed_names_reach_nothing_else(path, tmp_path):
    """An allowed name, its methods and its state cannot be used to reach anything else."""
    for instructions, message in (
        (name("torch._utils._rebuild_tensor_v2.__globals__"), "asks to run"),
        (value("collections") + value("OrderedDict.__init__") + pickle.STACK_GLOBAL, "asks to run"),
        (value("torch._utils") + value("importlib.import_module") + pickle.STACK_GLOBAL, "holds a"),
        (call("collections.OrderedDict", name("collections.OrderedDict")), "damaged"),
        (call("torch.Size", name("torch.Size")) + value((1,)) + pickle.REDUCE, "must hold a state dict"),
    ):
        refuses(pickles.zip_file(path, instructions), f" .*{message}|.*{message}")


def test_names_are_shown_in_one_line(path):
    instructions = value("a\n\x1b[2J") + value("b" * 5000) + pickle.STACK_GLOBAL
    refuses(pickles.zip_file(path, instructions), r" asks to run `a\\n\\x1b\[2J\.b{80,90}`")


def test_states_are_not_set(path):
    """BUILD sets attributes of whatever is on the stack, or calls its `__setstate__`."""
    before = dict(vars(collections.OrderedDict))
    state = value((None, {"update": 1, "__defaults__": (1,)})) + pickle.BUILD
    content = mapping(a=tensor() + state, b=tensor()) + state
    content = name("collections.OrderedDict") + state + pickle.POP + content
    assert list(read_state_dict(pickles.zip_file(path, content))) == ["a", "b"]
    assert dict(vars(collections.OrderedDict)) == before


def test_foreign_classes_beside_the_weights(path):
    """FastReID's schedules may be saved whole: they are not built, and the remedy is named."""
    schedule = name("fastreid.solver.lr_scheduler.WarmupMultiStepLR") + pickle.EMPTY_TUPLE + pickle.NEWOBJ
    content = mapping(model=mapping(a=tensor()), lr_sched=schedule)
    refuses(
        pickles.zip_file(path, content),
        r" asks to run `fastreid\.solver\.lr_scheduler\.WarmupMultiStepLR`.*del checkpoint\['lr_sched'\]",
    )


# What asks for more than it has.


def shared_lists(levels):
    """Lists of ten times the list before: ten to the power of `levels` items to whoever walks through them."""
    content = value(0)
    for _ in range(levels):
        content += pickle.BINPUT + b"\x01" + pickle.POP + pickle.EMPTY_LIST
        content += (pickle.BINGET + b"\x01" + pickle.APPEND) * 10
    return content


def dicts_of_one_list(count, times):
    """Ordered dicts that are all made from the same list of pairs."""
    pairs = pickle.EMPTY_LIST + pickle.MARK
    pairs += b"".join(pickle.BININT + struct.pack("<i", i) + value(1) + pickle.TUPLE2 for i in range(count))
    pairs += pickle.APPENDS + pickle.BINPUT + b"\x01"
    again = name("collections.OrderedDict") + pickle.BINGET + b"\x01" + pickle.TUPLE1 + pickle.REDUCE
    return pairs + again * times


DEEP = 20_000  # deeper than Python's stack
BOMBS = {
    "text": pickle.BINUNICODE + b"\xff\xff\xff\x7f",
    "bytes": pickle.BINBYTES8 + b"\0" * 7 + b"\x40",
    "number": pickle.LONG4 + b"\xff\xff\xff\x7f",
    "bytes as long as memory": pickle.BINBYTES8 + struct.pack("<Q", 2**31),
    "bytearray": pickle.BYTEARRAY8 + struct.pack("<Q", 2**31),
    "negative length": pickle.LONG4 + b"\xff\xff\xff\xff",
    "place in the memo": value(1) + pickle.LONG_BINPUT + b"\xff\xff\xff\xff",
    "near place in the memo": value(1) + pickle.LONG_BINPUT + struct.pack("<I", 2**26),
    "frame": pickle.FRAME + b"\xff" * 8,
    "frame as long as memory": pickle.FRAME + struct.pack("<Q", 2**31),
    "frame in a frame": (pickle.FRAME + struct.pack("<Q", 500)) * 50,
    "nested tuples as a key": pickle.EMPTY_DICT + value(1) + pickle.TUPLE1 * DEEP + value(1) + pickle.SETITEM,
    "deeply nested tuples as a key": pickle.EMPTY_DICT
    + value(1)
    + pickle.TUPLE1 * 20 * DEEP  # so deep that the hash of the tuple would end the process
    + value(1)
    + pickle.SETITEM,
    "deeply nested tuples in a set": pickle.EMPTY_SET
    + pickle.MARK
    + value(1)
    + pickle.TUPLE1 * 20 * DEEP
    + pickle.ADDITEMS,
    "nested lists": pickle.EMPTY_LIST * DEEP + pickle.APPEND * (DEEP - 1),
    "marks": pickle.MARK * DEEP,
    "shared lists": shared_lists(30),
    "dicts of one list": dicts_of_one_list(2_000, 500),
}


def bounded(path):
    """Reads or refuses a file, in words and in memory that is proportional to it."""
    tracemalloc.start()
    try:
        with contextlib.suppress(UserError):  # some of them are only odd
            read_state_dict(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1e6 + 150 * path.stat().st_size


@pytest.mark.parametrize("instructions", BOMBS.values(), ids=BOMBS)
def test_memory_is_bounded(instructions, path):
    bounded(pickles.zip_file(path, mapping(a=instructions)))


HUGE = pickle.dumps(1 << 80_000, 2)
BESIDE = {
    "shared lists": pickles.program(pickle.EMPTY_LIST + shared_lists(30) + pickle.APPEND),
    "nested lists": pickles.program(BOMBS["nested lists"]),
    "nested tuples": pickles.program(pickle.EMPTY_LIST + value(1) + pickle.TUPLE1 * DEEP + pickle.APPEND),
    "number": HUGE,
    "list of a number": pickles.program(pickle.EMPTY_LIST + HUGE[2:-1] + pickle.APPEND),
}


@pytest.mark.parametrize("place", [0, 1, 2, 4], ids=["magic", "version", "facts", "keys"])
@pytest.mark.parametrize("bomb", BESIDE.values(), ids=BESIDE)
def test_pickles_beside_the_content(bomb, place, path):
    """Those of the old format that come before and behind the weights."""
    facts = {"protocol_version": 1001, "little_endian": True}
    parts = [pickle.dumps(part, 2) for part in (pickles.MAGIC, 1001, facts)]
    parts += [pickles.program(mapping(a=tensor())), pickle.dumps(["0"], 2)]
    parts[place] = bomb
    path.write_bytes(b"".join(parts) + struct.pack("<q", 6) + pickles.SIX)
    bounded(path)
    refuses(path, " is ")


def test_a_module_that_was_saved_whole():
    asks = r" asks to run `torch\.nn\.modules\.linear\.Linear`.*where loading it runs its code: "
    remedy = r"model = torch\.load\('module\.pth', weights_only=False\); torch\.save\(model\.state_dict\(\), 'module\.w"
    refuses(FILES / "module.pth", asks + remedy)
    load = r"checkpoint = torch\.load\('module_inside\.pth', weights_only=False\); "
    refuses(
        FILES / "module_inside.pth", asks + load + r"torch\.save\(checkpoint\['model'\]\.state_dict\(\), "
    )


@WRITERS
@pytest.mark.parametrize("first", [True, False])
def test_an_object_beside_the_weights(write, first, path):
    """What it lies under is named, wherever it comes in the file."""
    entries = {"model": mapping(a=tensor()), "config": name("my.project.Options")}
    content = mapping(**dict(sorted(entries.items(), reverse=not first)))
    remedy = r"del checkpoint\['config'\]; torch\.save\(checkpoint, 'weights\.weights\.pth'\)$"
    refuses(write(path, content), rf" asks to run `my\.project\.Options`.*{remedy}")


@WRITERS
def test_options_beside_the_weights_are_left_out(write, path):
    """As programs save what they were called with; nothing of it is built."""
    options = call("argparse.Namespace") + pickle.EMPTY_DICT + pickle.BUILD
    where = call("pathlib.PosixPath", value("/"), value("etc"))
    settings = call("yacs.config.CfgNode") + pickle.MARK + value("LR") + value(0.1) + pickle.SETITEMS
    content = mapping(args=options, output=where, cfg=settings, model=mapping(a=tensor()))
    assert list(read_state_dict(write(path, content))) == ["a"]


@WRITERS
@pytest.mark.parametrize("marks", [None, {"neg": True}], ids=["plain", "negative"])
@pytest.mark.parametrize("kind", ["torch.FloatStorage", "torch.BFloat16Storage"])
def test_views_of_a_storage_share_memory(write, kind, marks, path):
    """However many views of a storage there are, it is read once."""
    count, size = 500, 40_000
    views = {
        f"t{i}": tensor(
            storage(kind, length=size, view=(str(i), i, size - i)), shape=(2,), strides=(1,), marks=marks
        )
        for i in range(count)
    }
    data = bytes(size * (4 if kind == "torch.FloatStorage" else 2))
    bounded(
        write(path, mapping(**views), storages={"0": data} if write is pickles.zip_file else [(size, data)])
    )
    assert len(read_state_dict(path)) == count


@pytest.mark.parametrize("file", ["checkpoint_zip.pth", "checkpoint_old.pth"])
def test_changed_bytes(file, path):
    """Whatever is changed, the file is read or refused in words."""
    data = (FILES / file).read_bytes()
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        changed = bytearray(data)
        for position in random.integers(0, len(data), 3):
            changed[position] = random.integers(0, 256)
        path.write_bytes(changed)
        try:
            read_state_dict(path)
        except UserError:
            refused += 1
    assert 50 < refused <= 300
