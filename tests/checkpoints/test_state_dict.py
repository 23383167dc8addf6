import pathlib
import pickle
import sys
import types

import numpy as np
import pytest

from keras_reid.checkpoints import read_state_dict
from keras_reid.utils.errors import UserError
from tests.checkpoints import contents, pickles

FILES = pathlib.Path(__file__).parent / "files"
WRITERS = pytest.mark.parametrize("write", pickles.WRITERS.values(), ids=pickles.WRITERS)


@pytest.fixture(autouse=True)
def without_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)


@pytest.mark.parametrize(
    "file", ["state_dict_zip", "state_dict_old", "checkpoint_zip", "checkpoint_old", "protocol_4"]
)
def test_files_of_pytorch(file):
    state = read_state_dict(FILES / f"{file}.pth")
    expected = contents.state_dict()
    assert list(state) == list(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(state[name], value, err_msg=name, strict=True)


@pytest.mark.parametrize("file", ["views_zip", "views_old"])
def test_views_that_pytorch_saves_as_such(file):
    state = read_state_dict(FILES / f"{file}.pth")
    expected = contents.views()
    assert list(state) == list(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(state[name], value, err_msg=name, strict=True)
        assert not state[name].flags.writeable


@WRITERS
@pytest.mark.parametrize(
    ("marks", "values"), [({}, 1), ({"neg": False, "conj": False}, 1), ({"neg": True}, -1), (None, 1)]
)
def test_marks_of_a_tensor(write, marks, values, tmp_path):
    path = write(tmp_path / "a.pth", pickles.mapping(a=pickles.tensor(marks=marks)))
    expected = values * np.arange(6, dtype="float32").reshape(2, 3)
    np.testing.assert_array_equal(read_state_dict(path)["a"], expected, strict=True)


@WRITERS
def test_marks_that_are_not_known_need_pytorch(write, tmp_path):
    path = write(tmp_path / "a.pth", pickles.mapping(a=pickles.tensor(marks={"conj": True})))
    with pytest.raises(
        UserError, match="a tensor with a mark that is not known here, which only PyTorch can read"
    ):
        read_state_dict(path)


@WRITERS
@pytest.mark.parametrize(
    ("shape", "strides"), [((4, 3), (0, 1)), ((7,), (0,)), ((5, 2), (1, 1)), ((2, 2, 3), (3, 0, 1))]
)
def test_tensors_of_more_values_than_their_storage(write, shape, strides, tmp_path):
    tensor = pickles.tensor(shape=shape, strides=strides)
    state = read_state_dict(write(tmp_path / "a.pth", pickles.mapping(a=tensor)))
    places = sum(np.indices(shape)[axis] * stride for axis, stride in enumerate(strides))
    np.testing.assert_array_equal(state["a"], places.astype("float32"), strict=True)


@pytest.mark.parametrize("file", ["state_dict_zip", "state_dict_old"])
def test_shared_storage_is_read_once(file):
    state = read_state_dict(FILES / f"{file}.pth")
    for name in ("transposed", "part", "row"):
        assert np.shares_memory(state["matrix"], state[name])


def test_big_endian():
    state = read_state_dict(FILES / "big_endian.pth")
    np.testing.assert_array_equal(state["weight"], np.arange(6, dtype="float32").reshape(2, 3), strict=True)


def test_mapping():
    state = read_state_dict({"a": [1.0, 2.0], "b": np.float32(3)})
    np.testing.assert_array_equal(state["a"], [1.0, 2.0])
    assert state["b"].shape == ()


@pytest.mark.parametrize("value", [object(), [[1], [2, 3]], None])
def test_mapping_of_something_else(value):
    with pytest.raises(UserError, match=r"'a' must be an array\. Received: "):
        read_state_dict({"a": value})


@pytest.mark.parametrize("suffix", [".pt", ".tar", ".bin", ""])
def test_suffix_does_not_matter(suffix, tmp_path):
    path = pickles.zip_file(tmp_path / f"weights{suffix}", pickles.mapping(a=pickles.tensor()))
    assert read_state_dict(str(path))["a"].shape == (2, 3)


@WRITERS
@pytest.mark.parametrize("containers", [("model",), ("state_dict",), ("model", "state_dict")])
def test_containers(write, containers, tmp_path):
    content = pickles.mapping(a=pickles.tensor())
    for container in reversed(containers):
        content = pickles.mapping(**{container: content, "epoch": pickles.value(3)})
    assert list(read_state_dict(write(tmp_path / "a.pth", content))) == ["a"]


@WRITERS
def test_what_is_not_selected_is_not_read(write, tmp_path):
    """The optimizer's state is twice the weights; here its storage is not even in the file."""
    path = write(
        tmp_path / "a.pth",
        pickles.mapping(
            model=pickles.mapping(a=pickles.tensor()),
            optimizer=pickles.mapping(b=pickles.tensor(pickles.storage(key="9"))),
        ),
    )
    assert list(read_state_dict(path)) == ["a"]


def test_forms_of_old_files(tmp_path):
    """Tensors without version, storages that are views, text and ordered dicts as Python 2 wrote them."""

    def old_text(text):
        return pickle.SHORT_BINSTRING + bytes([len(text)]) + text

    view = pickles.storage("torch.cuda.FloatStorage", key=0, length=6, view=("1", 2, 3))
    old_tensor = pickles.call(
        "torch._utils._rebuild_tensor", view, *(pickles.value(part) for part in (1, (2,), (1,)))
    )
    pair = pickle.EMPTY_LIST + pickle.MARK + old_text(b"a") + old_tensor + pickle.APPENDS
    pairs = pickle.EMPTY_LIST + pickle.MARK + pair + pickle.APPENDS
    path = pickles.old_file(tmp_path / "a.pth", pickles.call("collections.OrderedDict", pairs))
    np.testing.assert_array_equal(read_state_dict(path)["a"], np.array([3, 4], "float32"), strict=True)


@WRITERS
def test_no_state_dict(write, tmp_path):
    path = tmp_path / "a.pth"
    with pytest.raises(UserError, match=r"a\.pth must hold a state dict\. Received: list"):
        read_state_dict(write(path, pickles.value([1, 2])))
    with pytest.raises(UserError, match=r"a\.pth must hold a state dict\. Received: tensor"):
        read_state_dict(write(path, pickles.tensor()))
    with pytest.raises(UserError, match=r"a\.pth must hold a state dict, with names of weights\. .*a int"):
        read_state_dict(write(path, pickles.value({1: 2.0})))
    content = pickles.mapping(a=pickles.tensor(), more=pickles.mapping(b=pickles.tensor()))
    with pytest.raises(UserError, match=r"a\.pth: State dict: 'more' must be an array\. Received: dict"):
        read_state_dict(write(path, content))
    content = pickles.mapping(a=pickles.call("numpy.dtype", pickles.value("f4")))
    with pytest.raises(UserError, match=r"'a' must be an array\. Received: numpy\.dtype"):
        read_state_dict(write(path, content))


def fake_torch(monkeypatch, content, version="2.13.0+cpu"):
    """A PyTorch whose `load` gives `content`; remembers what it was called with."""
    calls = []

    def load(path, **kwargs):
        calls.append((path, kwargs))
        if isinstance(content, Exception):
            raise content
        return content

    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(load=load, __version__=version))
    return calls


def test_pytorch_reads_what_is_not_known_here(monkeypatch):
    calls = fake_torch(monkeypatch, {"model": {"weight": np.eye(3)}})
    path = FILES / "sparse.pth"
    np.testing.assert_array_equal(read_state_dict(path)["weight"], np.eye(3))
    assert calls == [(path, {"map_location": "cpu", "weights_only": True})]


def test_pytorch_is_not_asked_otherwise(monkeypatch):
    calls = fake_torch(monkeypatch, {})
    read_state_dict(FILES / "checkpoint_zip.pth")
    assert not calls


def test_needs_pytorch(monkeypatch):
    path = FILES / "sparse.pth"
    with pytest.raises(
        UserError,
        match=r"sparse\.pth holds a `torch\._utils\._rebuild_sparse_tensor`, .*Run `pip install torch`",
    ):
        read_state_dict(path)
    fake_torch(monkeypatch, {}, version="2.5.1")
    with pytest.raises(UserError, match=r"PyTorch 2\.5\.1 may run .*pip install --upgrade torch"):
        read_state_dict(path)
    fake_torch(monkeypatch, RuntimeError("invalid magic number"))
    with pytest.raises(UserError, match=r"not a PyTorch file of plain tensors: invalid magic number"):
        read_state_dict(path)
    fake_torch(monkeypatch, [1, 2])
    with pytest.raises(UserError, match=r"must hold a state dict\. Received: list"):
        read_state_dict(path)
    fake_torch(monkeypatch, RuntimeError("Weights only load failed.\n\n  (1) Do this.\n" + 900 * "x"))
    with pytest.raises(UserError, match=r"tensors: Weights only load failed\. \(1\) Do this\. x+$") as caught:
        read_state_dict(path)
    assert len(str(caught.value)) < 600


class FakeTensor:
    """Refuses numpy as tensors with a gradient, sparse, quantised and bfloat16 ones do."""

    def __init__(self, value, dtype="float32", layout="strided", quantized=False, gradient=True):
        self.value, self.gradient, self.is_quantized = value, gradient, quantized
        self.dtype, self.layout = f"torch.{dtype}", f"torch.{layout}"

    def _with(self, **changes):
        own = {"dtype": self.dtype[6:], "layout": self.layout[6:]}
        own |= {"quantized": self.is_quantized, "gradient": self.gradient}
        return FakeTensor(self.value, **{**own, **changes})

    def detach(self):
        return self._with(gradient=False)

    def dequantize(self):
        return self._with(quantized=False, dtype="float32")

    def to_dense(self):
        return self._with(layout="strided")

    def float(self):
        return self._with(dtype="float32")

    def is_floating_point(self):
        return "float" in self.dtype

    def cpu(self):
        return self

    def __array__(self, dtype=None, copy=None):
        bad = self.gradient or self.is_quantized or self.layout != "torch.strided"
        if bad or self.dtype == "torch.bfloat16":
            raise TypeError("can't convert to numpy")
        return np.asarray(self.value, self.dtype.removeprefix("torch."))


class LazyTensor(FakeTensor):
    """Refuses numpy as a negative view or a conjugate does."""

    def __init__(self, value, view, dtype):
        super().__init__(value, dtype)
        self.view = view

    def detach(self):
        return self

    def is_neg(self):
        return self.view == "neg"

    def is_conj(self):
        return self.view == "conj"

    def resolve_neg(self):
        return FakeTensor(np.negative(self.value), self.dtype[6:], gradient=False)

    def resolve_conj(self):
        return FakeTensor(np.conj(self.value), self.dtype[6:], gradient=False)

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Can't call numpy() on Tensor that has negative bit set.")


def test_tensors_whose_signs_are_still_to_change():
    own = {"a": LazyTensor([1.5, -2.0], "neg", "float32"), "b": LazyTensor([1 + 2j], "conj", "complex64")}
    state = read_state_dict(own)
    np.testing.assert_array_equal(state["a"], np.array([-1.5, 2.0], "float32"), strict=True)
    np.testing.assert_array_equal(state["b"], np.array([1 - 2j], "complex64"), strict=True)


@pytest.mark.parametrize(
    "kind",
    [
        {},
        {"dtype": "bfloat16"},
        {"layout": "sparse_coo"},
        {"layout": "sparse_csr", "dtype": "bfloat16"},
        {"dtype": "qint8", "quantized": True},
    ],
)
@pytest.mark.parametrize("in_file", [True, False])
def test_tensors_that_numpy_does_not_take(kind, in_file, monkeypatch):
    own = {"weight": FakeTensor([[1.5, -2.0]], **kind), "count": FakeTensor([7], "int64")}
    fake_torch(monkeypatch, {"model": own})
    state = read_state_dict(FILES / "sparse.pth" if in_file else own)
    np.testing.assert_array_equal(state["weight"], np.array([[1.5, -2.0]], "float32"), strict=True)
    np.testing.assert_array_equal(state["count"], np.array([7], "int64"), strict=True)


@pytest.mark.parametrize("name", ["a\x1b[2J", "a\nb", "a" * 5000, 3, None])
def test_names_that_would_spoil_a_terminal(name, tmp_path):
    with pytest.raises(UserError, match=r"names of weights") as caught:
        read_state_dict({name: np.zeros(3)})
    message = str(caught.value)
    if isinstance(name, str) and len(name) < 100:
        content = pickle.EMPTY_DICT + pickles.value(name) + pickles.tensor() + pickle.SETITEM
        with pytest.raises(UserError, match=r"names of weights") as caught:
            read_state_dict(pickles.zip_file(tmp_path / "a.pth", content))
        message += str(caught.value)
    assert message.isprintable()
    assert len(message) < 700


@pytest.mark.parametrize("source", [[1], 3, None])
def test_neither_path_nor_mapping(source):
    with pytest.raises(UserError, match=r"Weights must be the path of a file, or a mapping"):
        read_state_dict(source)
