"""safetensors: the official library reads what is written here and the other way round; bad files are refused."""

import json
import re
import tracemalloc

import numpy as np
import pytest
import safetensors.numpy

from keras_reid.checkpoints import read_safetensors, read_state_dict, write_safetensors
from keras_reid.utils.errors import UserError

ARRAYS = {
    "conv1.weight": np.arange(24, dtype="float32").reshape(2, 3, 2, 2),
    "bn1.num_batches_tracked": np.int64(7),
    "half": np.array([1.5, -2], "float16"),
    "double": np.array([[1 / 3]]),
    "bytes": np.array([0, 255, 3], "uint8"),
    "truth": np.array([True, False]),
    "none": np.zeros((0, 3), "float32"),
    "big_endian": np.array([1, 2, 3], ">i4"),
}


def same(arrays):
    assert set(arrays) == set(ARRAYS)
    for name, expected in ARRAYS.items():
        np.testing.assert_array_equal(
            arrays[name], expected.astype(expected.dtype.newbyteorder("=")), strict=True
        )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.safetensors"


def test_the_official_library_reads_it(path):
    write_safetensors(path, ARRAYS, {"format": "pt"})
    same(safetensors.numpy.load_file(path))
    with safetensors.safe_open(path, "np") as file:
        assert file.metadata() == {"format": "pt"}


def test_it_reads_the_official_librarys(path):
    native = {name: np.asarray(array).astype(array.dtype.newbyteorder("=")) for name, array in ARRAYS.items()}
    safetensors.numpy.save_file(native, path, {"by": "them"})
    arrays, metadata = read_safetensors(path)
    same(arrays)
    assert metadata == {"by": "them"}
    assert not any(array.flags.writeable for array in arrays.values())
    same(read_state_dict(path))


def write(path, header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def test_bfloat16(path):
    values = np.array([1.0, -0.15625, 3.0e38], "float32").view("uint32")
    write(path, {"a": entry("BF16", (3,), (0, 6))}, (values >> 16).astype("<u2").tobytes())
    expected = (values & 0xFFFF0000).view("float32")
    np.testing.assert_array_equal(read_state_dict(path)["a"], expected, strict=True)


def test_values_at_an_odd_place(path):
    header = {"a": entry("U8", (1,), (0, 1)), "b": entry(offsets=(1, 9))}
    write(path, header, b"\x01" + np.array([1.5, 2.5], "<f4").tobytes())
    np.testing.assert_array_equal(read_safetensors(path)[0]["b"], [1.5, 2.5])


def test_what_is_not_used_takes_no_memory(path):
    write_safetensors(path, {str(number): np.zeros(2**20, "float32") for number in range(8)})
    tracemalloc.start()
    try:
        arrays, _ = read_safetensors(path)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    assert len(arrays) == 8


def test_prefixes_as_in_other_files(path):
    write_safetensors(path, {f"module._orig_mod.{name}": array for name, array in ARRAYS.items()})
    same(read_state_dict(path))
    with pytest.raises(UserError, match=r"weights\.safetensors has no part 'ema'\. It has no named part"):
        read_state_dict(path, "ema")


@pytest.mark.parametrize(
    ("header", "data", "message"),
    [
        (b"{", b"", "is not valid JSON"),
        (b"{}" + b"[" * 5000, b"", "is not valid JSON"),
        ({"a": entry()}, b"\0" * 7, r"tensor 'a' ends at 8 of 7 bytes"),
        ({"a": entry()}, b"\0" * 9, r"1 bytes at its end belong to no tensor"),
        ({"a": entry(shape=(3,))}, b"\0" * 8, r"of shape \(3,\) has 8 bytes, and needs 12"),
        ({"a": entry(shape=(2**40, 2**40))}, b"\0" * 8, r"has 8 bytes, and needs 4,8"),
        ({"a": entry(shape=(0, 2**62, 2**62), offsets=(0, 0))}, b"", "an empty tensor has the shape"),
        ({"a": entry(), "b": entry()}, b"\0" * 8, "its tensors leave out or share the bytes from 0 on"),
        ({"a": entry(), "b": entry(offsets=(4, 12))}, b"\0" * 12, "leave out or share the bytes from 4 on"),
        ({"a": entry(offsets=(8, 0))}, b"\0" * 8, "has -8 bytes, and needs 8"),
        ({"a": entry(offsets=(-8, 0))}, b"\0" * 8, "no valid shape and data_offsets"),
        ({"a": entry(shape=(-1,))}, b"\0" * 8, "no valid shape and data_offsets"),
        ({"a": entry(shape=(1.0, 2))}, b"\0" * 8, "no valid shape and data_offsets"),
        ({"a": entry(shape=(1,) * 65)}, b"\0" * 8, "no valid shape and data_offsets"),
        ({"a": [1]}, b"", "no valid shape and data_offsets"),
        ({"a\x1b[2J": entry("F8_E4M3")}, b"\0" * 8, r"tensor 'a\\x1b\[2J' is of type 'F8_E4M3', and must be one of"),
        ({"__metadata__": {"a": 1}}, b"", "its metadata are not texts by name"),
        ({"a\x1b[2J": entry()}, b"\0" * 8, "names of weights"),
    ],
)  # fmt: skip
def test_damaged_and_hostile_headers(header, data, message, path):
    write(path, header, data)
    with pytest.raises(UserError, match=re.escape(str(path)) + f".*{message}") as caught:
        read_state_dict(path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


def test_a_header_that_claims_to_be_huge(path):
    for length in (2**63, 2**40, 100):
        path.write_bytes(length.to_bytes(8, "little") + b"{}")
        with pytest.raises(UserError, match=r"its header should have [\d,]+ bytes, and may have 10\. Fetch"):
            read_state_dict(path)


def test_nothing_is_written_of_what_cannot_be(path):
    with pytest.raises(UserError, match=r"'a' must hold real numbers or truth values\. Received: complex64"):
        write_safetensors(path, {"a": np.zeros(2, "complex64")})
    assert not list(path.parent.iterdir())


def test_an_empty_file(path):
    path.touch()
    for read in (read_safetensors, read_state_dict):
        with pytest.raises(UserError, match=r"weights\.safetensors is empty\. Fetch or save it again"):
            read(path)
