import concurrent.futures
import json
import pathlib
import pickle
import subprocess
import sys
import threading
import types

import numpy as np
import pytest

from keras_reid.export import onnx as onnx_format
from keras_reid.export import tensorrt as tensorrt_format
from keras_reid.export import tensorrt_builder, tensorrt_model
from keras_reid.export.hashes import file_hashes
from keras_reid.export.parity_error import ParityError
from keras_reid.export.tensorrt_builder import build_engine, trtexec_command
from keras_reid.export.tensorrt_calibrator import image_calibrator
from keras_reid.export.tensorrt_model import Cuda, TensorRTModel
from keras_reid.utils.errors import UserError
from tests.export.conftest import small_model
from tests.export.formats import context

BENCHMARK = pathlib.Path(__file__).parents[2] / "benchmarks" / "tensorrt_latency.py"


def has_gpu():
    return pathlib.Path("/dev/nvidia0").exists()


@pytest.fixture(autouse=True)
def keep_environment(monkeypatch):
    """The builder makes the GPU visible to its process, which in the tests is shared."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")


@pytest.fixture(scope="module")
def model():
    return small_model()


@pytest.fixture(scope="module")
def onnx_file(model, tmp_path_factory):
    file = tmp_path_factory.mktemp("onnx") / "model.onnx"
    onnx_format.export_onnx(model, file)
    return file


@pytest.fixture
def in_this_process(monkeypatch):
    """New processes would import everything again and would not have the stand-ins."""
    monkeypatch.setattr(
        tensorrt_format,
        "in_own_process",
        lambda function, *arguments: function(*pickle.loads(pickle.dumps(arguments))),
    )


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(tensorrt_format, "find_gpu", lambda: (None, None, "there is no NVIDIA driver"))


# TensorRT for RTX builds without a GPU.
@pytest.mark.parametrize(
    "precision",
    [
        "float32",
        pytest.param("float16", marks=pytest.mark.slow),
        pytest.param("int8", marks=pytest.mark.medium),
    ],
)
def test_an_engine_that_cannot_run_here_is_marked(model, tmp_path, in_this_process, no_gpu, precision):
    images = tmp_path if precision == "int8" else None
    allowed = context(model, images, allow_unverified=True, batch_sizes=(2, 4, 6))
    told = tensorrt_format.write(model, tmp_path / "engine", precision, allowed)
    assert told == json.loads((tmp_path / "engine" / "parity.json").read_text())
    assert told["verified"] is False
    assert told["reason"] == "there is no NVIDIA driver"
    assert told["onnx"]["verified"] is True
    assert told["sha256"] == file_hashes(tmp_path / "engine")
    engine = json.loads((tmp_path / "engine" / "engine.json").read_text())
    assert engine == told["engine"]
    assert engine["batches"] == {"min": 1, "opt": 4, "max": 6}
    assert (engine["package"], engine["typed"], engine["precision"]) == ("tensorrt_rtx", True, precision)
    assert engine["model"]["image_size"] == [32, 16]
    assert (tmp_path / "engine" / "model.engine").stat().st_size > 1000


def test_the_onnx_of_the_same_command_is_taken(model, tmp_path, monkeypatch):
    monkeypatch.setattr(tensorrt_format, "find_tensorrt", lambda: None)
    monkeypatch.setattr(onnx_format, "write", lambda *_: pytest.fail("was exported a moment ago"))
    (tmp_path / "onnx").mkdir()
    (tmp_path / "onnx" / "model.onnx").write_bytes(b"network")
    (tmp_path / "onnx" / "parity.json").write_text('{"verified": true}')
    allowed = context(model, allow_unverified=True, written={("onnx", "float16"): tmp_path / "onnx"})
    told = tensorrt_format.write(model, tmp_path / "engine", "float16", allowed)
    assert told["onnx"] == {"verified": True}
    assert told == json.loads((tmp_path / "engine" / "parity.json").read_text())
    assert (tmp_path / "engine" / "model.onnx").read_bytes() == b"network"
    with pytest.raises(pytest.fail.Exception):
        tensorrt_format.write(model, tmp_path / "other", "float32", allowed)


def test_is_refused_without_the_flag(model, tmp_path, in_this_process, no_gpu, monkeypatch):
    monkeypatch.setattr(onnx_format, "write", lambda *_: pytest.fail("must not get so far"))
    with pytest.raises(
        UserError, match=r"cannot be verified here: there is no NVIDIA driver.*--allow-unverified"
    ):
        tensorrt_format.write(model, tmp_path / "engine", "float32", context(model))
    assert not (tmp_path / "engine").exists()
    options = types.SimpleNamespace(allow_unverified=False)
    with pytest.raises(UserError, match="--allow-unverified"):
        tensorrt_format.check("float32", options)
    options.allow_unverified = True
    tensorrt_format.check("float32", options)


def test_without_tensorrt_the_command_is_written(model, tmp_path, monkeypatch):
    monkeypatch.setattr(tensorrt_format, "find_tensorrt", lambda: None)
    told = tensorrt_format.write(model, tmp_path / "engine", "float32", context(model, allow_unverified=True))
    assert (told["verified"], told["engine"]) == (False, None)
    assert "keras_reid[tensorrt]" in told["reason"]
    text = (tmp_path / "engine" / "build.sh").read_text()
    assert (
        "trtexec --onnx=model.onnx --saveEngine=model.engine --minShapes=images:1x32x16x3 "
        "--optShapes=images:8x32x16x3 --maxShapes=images:32x32x16x3" in text
    )
    assert "--noTF32" not in trtexec_command((32, 16), "float16", (1, 8, 32))


def test_where_there_is_a_gpu_the_gate_runs_the_engine(model, tmp_path, in_this_process, monkeypatch):
    """The runner loads the wrapper in a separate process; without a GPU it must fail there and say why."""
    monkeypatch.setattr(tensorrt_format, "find_gpu", lambda: ("GPU", (8, 9), None))
    if has_gpu():
        told = tensorrt_format.write(model, tmp_path / "engine", "float32", context(model))
        assert told["max_difference"] <= 1e-4
        return
    with pytest.raises(
        ParityError, match="does not run in a separate process: RuntimeError: there is no NVIDIA"
    ):
        tensorrt_format.write(model, tmp_path / "engine", "float32", context(model))


@pytest.mark.parametrize(
    ("sizes", "expected"), [((8,), (1, 8, 8)), ((32, 1, 8), (1, 8, 32)), ((1, 2, 4, 8, 16, 32), (1, 8, 32))]
)
def test_the_profile(sizes, expected):
    assert tensorrt_format.profile(sizes) == expected


def test_what_tensorrt_cannot_read_is_its_own_message(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(UserError, match=r"tensorrt_rtx 1\.\d.* cannot read"):
        build_engine(tmp_path / "model.onnx", tmp_path / "model.engine", "float32", (1, 2, 4))
    assert not (tmp_path / "model.engine").exists()


class StandIn:
    """A stand-in for the parts of `tensorrt` 8 that the builder uses; it records the calls."""

    __name__ = "tensorrt"
    __version__ = "8.6.1"

    def __init__(self):
        self.noted = {}
        self.NetworkDefinitionCreationFlag = types.SimpleNamespace(EXPLICIT_BATCH=0, STRONGLY_TYPED=1)
        self.BuilderFlag = types.SimpleNamespace(FP16="FP16", INT8="INT8", TF32="TF32")
        self.ILogger = type("ILogger", (), {"ERROR": 1, "INTERNAL_ERROR": 0})
        self.IInt8EntropyCalibrator2 = type("IInt8EntropyCalibrator2", (), {})
        names = ("NONE", "CURRENT", "SM75", "SM80", "SM120")
        self.ComputeCapability = types.SimpleNamespace(__members__={name: name for name in names})
        self.OnnxParser = lambda network, logger: types.SimpleNamespace(parse_from_file=lambda file: True)

    def Builder(self, logger):
        noted, logger.log = self.noted, logger.log
        images = types.SimpleNamespace(name="images", shape=(-1, 32, 16, 3))
        network = types.SimpleNamespace(get_input=lambda index: images, num_layers=7)
        profile = types.SimpleNamespace(set_shape=lambda *shapes: noted.update(shapes=shapes))
        config = types.SimpleNamespace(
            int8_calibrator=None,
            add_optimization_profile=lambda profile: None,
            set_calibration_profile=lambda profile: noted.update(calibrated=True),
            set_flag=lambda flag: noted.setdefault("set", []).append(flag),
            clear_flag=lambda flag: noted.setdefault("cleared", []).append(flag),
            set_compute_capability=lambda capability, index: noted.setdefault("targets", []).append(
                capability
            ),
            create_timing_cache=lambda content: content,
            set_timing_cache=lambda cache, ignore: noted.update(timing=cache),
            get_timing_cache=lambda: types.SimpleNamespace(serialize=lambda: b"measured"),
        )

        def build(network, config):
            noted["calibrator"] = config.int8_calibrator
            return b"engine"

        return types.SimpleNamespace(
            create_network=lambda flags: noted.update(flags=flags) or network,
            create_builder_config=lambda: config,
            create_optimization_profile=lambda: profile,
            build_serialized_network=build,
        )


class StandInCuda:
    """A GPU's memory as a dict."""

    name, compute_capability, stream = "stand-in", (8, 9), 1

    def __init__(self):
        self.memory, self.waited, self.threads = {}, 0, set()

    def make_current(self):
        self.threads.add(threading.get_ident())

    def allocate(self, size):
        self.memory[1000 * (len(self.memory) + 1)] = np.zeros(size, np.uint8)
        return 1000 * len(self.memory)

    def copy_in(self, address, array):
        self.memory[address][: array.nbytes] = array.view(np.uint8).ravel()

    def copy_out(self, array, address):
        array.view(np.uint8).reshape(-1)[:] = self.memory[address][: array.nbytes]

    def wait(self):
        self.waited += 1


def build(tmp_path, monkeypatch, precision, **changes):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(tensorrt_builder, "Cuda", StandInCuda)
    (tmp_path / "model.onnx").write_bytes(b"network")
    trt = StandIn()
    trt.__dict__.update(changes)
    told = build_engine(
        tmp_path / "model.onnx",
        tmp_path / "model.engine",
        precision,
        (1, 2, 4),
        pixels=np.arange(40 * 6, dtype=np.uint8).reshape(40, 1, 2, 3),
        trt=trt,
    )
    return trt.noted, told


def test_tensorrt_before_10_is_told_by_flags(tmp_path, monkeypatch):
    noted, told = build(tmp_path, monkeypatch, "float16")
    assert (noted["flags"], noted["set"], told["typed"]) == (1 << 0, ["FP16"], False)
    assert noted["shapes"] == ("images", (1, 32, 16, 3), (2, 32, 16, 3), (4, 32, 16, 3))
    assert noted["calibrator"] is None
    assert told["layers"] == 7
    assert told["built_for"] == "stand-in, compute capability 8.9"


def test_tensorrt_from_10_is_typed_and_exact_in_float32(tmp_path, monkeypatch):
    noted, told = build(tmp_path, monkeypatch, "float32", __version__="10.3.0")
    assert (noted["flags"], noted["cleared"], told["typed"]) == (1 << 1, ["TF32"], True)
    noted, _ = build(tmp_path, monkeypatch, "int8", __version__="10.3.0")
    assert "set" not in noted
    assert noted["calibrator"] is None


def test_tensorrt_for_rtx_builds_for_this_gpu_or_for_all_that_can(tmp_path, monkeypatch):
    noted, told = build(tmp_path, monkeypatch, "float32", __name__="tensorrt_rtx")
    assert noted["targets"] == ["CURRENT"]
    assert told["built_for"] == "stand-in, compute capability 8.9"
    assert "timing" not in noted  # it keeps no such cache
    monkeypatch.setattr(tensorrt_builder, "find_gpu", lambda: (None, None, "no driver"))
    noted, told = build(tmp_path, monkeypatch, "float32", __name__="tensorrt_rtx")
    assert noted["targets"] == told["built_for"] == ["SM80", "SM120"]


def test_what_tensorrt_measured_is_kept(tmp_path, monkeypatch):
    noted, _ = build(tmp_path, monkeypatch, "float32")
    assert noted["timing"] == b""
    noted, _ = build(tmp_path, monkeypatch, "float16")
    assert noted["timing"] == b"measured"
    noted, _ = build(tmp_path, monkeypatch, "float16", __version__="8.5.0")
    assert noted["timing"] == b""


def test_an_engine_is_built_where_nothing_can_be_kept(tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("no folder")
    noted, _ = build(tmp_path, monkeypatch, "int8")
    noted["calibrator"].write_calibration_cache(b"scales")
    assert noted["calibrator"].read_calibration_cache() is None


def test_int8_before_10_is_calibrated_in_batches_and_once(tmp_path, monkeypatch):
    noted, _ = build(tmp_path, monkeypatch, "int8")
    assert noted["set"] == ["INT8"]
    assert noted["calibrated"] is True
    calibrator = noted["calibrator"]
    assert calibrator.read_calibration_cache() is None
    calibrator.write_calibration_cache(memoryview(b"scales"))
    again, _ = build(tmp_path, monkeypatch, "int8")
    assert again["calibrator"].read_calibration_cache() == b"scales"


def test_the_calibrator_hands_over_whole_batches(tmp_path):
    cuda = StandInCuda()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 1, 2, 3), np.uint8)
    calibrator = image_calibrator(StandIn(), pixels, tmp_path / "cache", cuda, batch=16)
    assert calibrator.get_batch_size() == 16
    for start in (0, 16):
        (address,) = calibrator.get_batch(["images"])
        np.testing.assert_array_equal(cuda.memory[address].reshape(16, 1, 2, 3), pixels[start : start + 16])
    assert calibrator.get_batch(["images"]) is None
    assert len(cuda.memory) == 1
    assert image_calibrator(StandIn(), pixels[:5], tmp_path / "cache", cuda).get_batch_size() == 5


@pytest.fixture
def wrapper(tmp_path, monkeypatch):
    """A `TensorRTModel` whose engine returns the mean of each image twice."""
    cuda = StandInCuda()
    monkeypatch.setattr(tensorrt_model, "Cuda", lambda: cuda)

    class Context:
        batches = ()

        def __init__(self):
            self.places = {}

        def set_tensor_address(self, name, address):
            self.places[name] = address

        def set_input_shape(self, name, shape):
            self.shape = shape
            self.batches = (*self.batches, shape[0])

        def execute_async_v3(self, stream):
            images = cuda.memory[self.places["images"]][: np.prod(self.shape)].reshape(self.shape)
            means = np.repeat(images.mean((1, 2, 3))[:, None], 2, 1).astype(np.float32)
            cuda.copy_in(self.places["embedding"], means)
            return True

    run = Context()
    shapes = {"images": (-1, 4, 2, 3), "embedding": (-1, 2)}
    engine = types.SimpleNamespace(create_execution_context=lambda: run, get_tensor_shape=shapes.get)
    module = types.ModuleType("tensorrt")
    module.__version__ = "10.3.0"
    module.ILogger = type("ILogger", (), {"ERROR": 1, "INTERNAL_ERROR": 0})
    module.Runtime = lambda logger: types.SimpleNamespace(
        deserialize_cuda_engine=lambda content: (
            engine if content == b"good" else logger.log(1, "wrong version")
        )
    )
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    (tmp_path / "model.engine").write_bytes(b"good")
    facts = {"package": "tensorrt", "version": "10.2.0", "built_for": "another GPU", "batches": {"max": 4}}
    (tmp_path / "engine.json").write_text(json.dumps({**facts, "precision": "float16"}))
    return tmp_path / "model.engine", run


def test_the_wrapper_runs_any_number_in_parts(wrapper):
    file, run = wrapper
    model = TensorRTModel(file)
    assert (model.image_size, model.max_batch, model.device) == ((4, 2), 4, "stand-in")
    images = np.random.default_rng(0).integers(0, 256, (10, 4, 2, 3), np.uint8)
    np.testing.assert_allclose(model(images), np.repeat(images.mean((1, 2, 3))[:, None], 2, 1), rtol=1e-6)
    assert run.batches == (4, 4, 2)
    assert model(images[:0]).shape == (0, 2)


def test_the_wrapper_runs_in_other_threads(wrapper):
    model = TensorRTModel(wrapper[0])
    images = np.zeros((1, 4, 2, 3), np.uint8)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        ident = pool.submit(threading.get_ident).result()
        pool.submit(model, images).result()
    assert ident in model._cuda.threads


def test_the_wrapper_refuses_other_pixels(wrapper):
    model = TensorRTModel(wrapper[0])
    for images in (np.zeros((1, 4, 2, 3)), np.zeros((1, 2, 4, 3), np.uint8), np.zeros((4, 2, 3), np.uint8)):
        with pytest.raises(ValueError, match=r"must be uint8 of shape \(n, 4, 2, 3\)"):
            model(images)


def test_an_engine_of_another_version_says_so(wrapper):
    wrapper[0].write_bytes(b"other")
    with pytest.raises(
        RuntimeError, match=r"wrong version\. It was built with tensorrt 10\.2\.0 for another GPU"
    ):
        TensorRTModel(wrapper[0])


def test_a_missing_runtime_says_so(wrapper, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(RuntimeError, match="needs the package tensorrt"):
        TensorRTModel(wrapper[0])


@pytest.mark.skipif(has_gpu(), reason="there is a GPU")
def test_without_a_gpu_the_driver_is_named():
    with pytest.raises(RuntimeError, match="NVIDIA driver"):
        Cuda()


class Driver:
    """A CUDA driver library in which one function fails."""

    def __getattr__(self, name):
        return lambda *arguments: 100 if name == "cuInit" else 0


def test_what_the_driver_says_is_told(monkeypatch):
    monkeypatch.setattr(tensorrt_model.ctypes, "CDLL", lambda name: Driver())
    with pytest.raises(RuntimeError, match=r"CUDA: cuInit: unknown error \(100\)"):
        Cuda()


def benchmark(*arguments):
    return subprocess.run([sys.executable, BENCHMARK, *map(str, arguments)], capture_output=True, text=True)


def test_the_benchmark_explains_itself_and_refuses_without_a_gpu(tmp_path):
    helped = benchmark("--help")
    assert helped.returncode == 0
    assert "--batches" in helped.stdout
    missing = benchmark(tmp_path / "model.engine")
    assert missing.returncode == 2
    assert "there is no such file" in missing.stderr
    if not has_gpu():
        (tmp_path / "model.engine").write_bytes(b"")
        (tmp_path / "engine.json").write_text(json.dumps({"package": "tensorrt_rtx"}))
        refused = benchmark(tmp_path / "model.engine")
        assert refused.returncode == 2
        assert refused.stderr.count("\n") == 1
        assert "NVIDIA driver" in refused.stderr


def test_the_benchmark_times_each_batch(wrapper, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARK.parent))
    import tensorrt_latency

    tensorrt_latency.main(
        [str(wrapper[0]), "--batches", "1", "4", "--repeats", "3", "--output", str(tmp_path / "t.csv")]
    )
    lines = (tmp_path / "t.csv").read_text().splitlines()
    assert lines[0].split(",") == list(tensorrt_latency.COLUMNS)
    assert [line.split(",")[4] for line in lines[1:]] == ["1", "4"]
    with pytest.raises(UserError, match="at least 1"):
        tensorrt_latency.main([str(wrapper[0]), "--batches", "0"])
