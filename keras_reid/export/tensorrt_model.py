"""A TensorRT engine as a function from pixels to embeddings. Needs only this file, NumPy and TensorRT."""

import ctypes
import importlib
import json
import os
import pathlib
import sys
from typing import Any

import numpy as np

_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_…
_NON_BLOCKING = 1


class TensorRTModel:
    """Runs an engine from `keras-reid export --format tensorrt` on the first GPU.

    GPU memory is allocated once, for the engine's largest batch; larger batches are run in parts. CUDA is called
    through the driver's library, so no other package is needed. Only one thread at a time may use an object, but not
    always the same one.

    Args:
        engine: path of `model.engine`; `engine.json` must be next to it.

    Attributes:
        metadata: content of `engine.json`: about the engine and, under `model`, about the model.
        image_size: `(height, width)` in pixels.
        max_batch: images of the largest batch.
        device: name of the GPU.

    Raises:
        RuntimeError: there is no GPU or no TensorRT, or the engine was built with another version or for another GPU.

    Example:
        >>> model = TensorRTModel("exports/tensorrt/float16/model.engine")  # doctest: +SKIP
        >>> model(images).shape  # doctest: +SKIP
        (8, 2048)
    """

    def __init__(self, engine: str | os.PathLike[str]) -> None:
        engine = pathlib.Path(engine)
        self.metadata = json.loads(engine.with_name("engine.json").read_text(encoding="utf-8"))
        package = self.metadata["package"]
        self._cuda = Cuda()
        self.device = self._cuda.name
        try:
            trt = importlib.import_module(package)
        except ImportError as error:
            raise RuntimeError(
                f"{engine} needs the package {package}, which cannot be imported: {error}"
            ) from None
        messages = []
        self._runtime = trt.Runtime(quiet_logger(trt, messages))
        self._engine = self._runtime.deserialize_cuda_engine(engine.read_bytes())
        if self._engine is None:
            raise RuntimeError(
                f"{engine} cannot be loaded: {' '.join(messages) or 'no reason given'}. It was built with {package} "
                f"{self.metadata['version']} for {self.metadata['built_for']}, but this machine has "
                f"{trt.__version__} and {self.device}: export it again on this machine."
            )
        self._context = self._engine.create_execution_context()
        shape = tuple(self._engine.get_tensor_shape("images"))
        self.image_size, self.max_batch = shape[1:3], self.metadata["batches"]["max"]
        self._dim = self._engine.get_tensor_shape("embedding")[1]
        self._images = self._cuda.allocate(self.max_batch * int(np.prod(shape[1:])))
        self._embeddings = self._cuda.allocate(self.max_batch * self._dim * 4)
        self._context.set_tensor_address("images", self._images)
        self._context.set_tensor_address("embedding", self._embeddings)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Maps uint8 `(n, height, width, 3)`, RGB, to float32 `(n, dim)`, L2-normalised; any n works.

        Raises:
            ValueError: the images have another shape or type.
        """
        images = np.ascontiguousarray(images)
        if images.dtype != np.uint8 or images.shape[1:] != (*self.image_size, 3):
            raise ValueError(
                f"images must be uint8 of shape (n, {self.image_size[0]}, {self.image_size[1]}, 3). "
                f"Received: {images.dtype}, {images.shape}"
            )
        embeddings = np.empty((len(images), self._dim), np.float32)
        for start in range(0, len(images), self.max_batch):
            part = slice(start, start + self.max_batch)
            self._run(images[part], embeddings[part])
        return embeddings

    predict_on_batch = __call__

    def _run(self, images, embeddings):
        self._cuda.make_current()
        self._context.set_input_shape("images", images.shape)
        self._cuda.copy_in(self._images, images)
        if not self._context.execute_async_v3(self._cuda.stream):
            raise RuntimeError("TensorRT could not run the engine; its message is above.")
        self._cuda.copy_out(embeddings, self._embeddings)
        self._cuda.wait()


class Cuda:
    """The parts of the CUDA driver that we need, on the first GPU: memory, copies, one stream.

    Attributes:
        name: name of the GPU.
        compute_capability: for example (8, 9).
        stream: the stream handle for TensorRT.

    Raises:
        RuntimeError: there is no driver or no GPU.
    """

    def __init__(self) -> None:
        try:
            self._driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        except OSError:
            raise RuntimeError("there is no NVIDIA driver on this machine (libcuda.so.1)") from None
        device, context, stream = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_void_p()
        self._call("cuInit", ctypes.c_uint(0))
        self._call("cuDeviceGet", ctypes.byref(device), ctypes.c_int(0))
        # TensorRT itself uses the primary context.
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self._context = context
        self.make_current()
        self._call("cuStreamCreate", ctypes.byref(stream), ctypes.c_uint(_NON_BLOCKING))
        name, numbers = ctypes.create_string_buffer(256), []
        self._call("cuDeviceGetName", name, ctypes.c_int(len(name)), device)
        for attribute in (_MAJOR, _MINOR):
            number = ctypes.c_int()
            self._call("cuDeviceGetAttribute", ctypes.byref(number), ctypes.c_int(attribute), device)
            numbers.append(number.value)
        self.name, self.compute_capability, self.stream = name.value.decode(), tuple(numbers), stream.value

    def make_current(self) -> None:
        """Sets the context of the calling thread; only the constructor's thread has one already."""
        self._call("cuCtxSetCurrent", self._context)

    def allocate(self, size: int) -> int:
        """Allocates `size` bytes on the GPU until the process ends; returns their address."""
        address = ctypes.c_uint64()
        self._call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(size))
        return address.value

    def copy_in(self, address: int, array: np.ndarray) -> None:
        """Copies an array to the GPU, in stream order."""
        self._call(
            "cuMemcpyHtoDAsync_v2", *self._transfer(ctypes.c_uint64(address), array.ctypes, array.nbytes)
        )

    def copy_out(self, array: np.ndarray, address: int) -> None:
        """Copies from the GPU into an array, in stream order; the array is complete after `wait`."""
        self._call(
            "cuMemcpyDtoHAsync_v2", *self._transfer(array.ctypes, ctypes.c_uint64(address), array.nbytes)
        )

    def wait(self) -> None:
        """Waits until the stream has finished."""
        self._call("cuStreamSynchronize", ctypes.c_void_p(self.stream))

    def _transfer(self, to, source, size):
        to, source = (
            place if isinstance(place, ctypes.c_uint64) else ctypes.c_void_p(place.data)
            for place in (to, source)
        )
        return to, source, ctypes.c_size_t(size), ctypes.c_void_p(self.stream)

    def _call(self, function, *arguments):
        code = getattr(self._driver, function)(*arguments)
        if code:
            text = ctypes.c_char_p()
            self._driver.cuGetErrorString(ctypes.c_int(code), ctypes.byref(text))
            raise RuntimeError(f"CUDA: {function}: {(text.value or b'unknown error').decode()} ({code})")


def quiet_logger(trt: Any, messages: list[str]) -> Any:
    """A TensorRT logger that appends errors to a list and ignores everything else."""

    class Logger(trt.ILogger):
        def log(self, severity, message):
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                messages.append(message)

    return Logger()
