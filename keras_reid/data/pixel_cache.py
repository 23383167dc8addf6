"""Images that are decoded once."""

from __future__ import annotations

import hashlib
import mmap
import os
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from keras_reid.data.decoding import read_image
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import written_aside
from keras_reid.utils.full_disk import free_bytes, is_full, megabytes
from keras_reid.utils.progress import progress

MEMORY = "memory"
_FIRST = 64 << 20  # bytes that memory begins with
_ESTIMATE_AFTER = 100  # images from whose mean size that of all is estimated


class PixelCache:
    """The pixels of images, decoded once; an image is then read by its number in a few microseconds.

    They are kept as they are in the files, before augmentation and resizing: height · width · 3 bytes each
    (Market-1501: 24 kB each, 318 MB in all), in one piece, in memory or in a file that is mapped into memory, of which
    the operating system keeps what fits. Filling it costs one decoding of each image.

    Args:
        pixels: uint8 tensor, the pixels of all images one after the other.
        heights, widths: int32 `(images,)`.

    Example:
        >>> cache = PixelCache.of(["a.jpg", "b.jpg"], "memory")
        >>> cache[1].shape
        TensorShape([128, 64, 3])
    """

    def __init__(self, pixels: NDArray[Any], heights: NDArray[Any], widths: NDArray[Any]) -> None:
        self.pixels = pixels
        self.sizes = tf.constant(np.stack([heights, widths], 1), tf.int32)
        ends = np.cumsum(3 * heights.astype(np.int64) * widths)
        self.starts = tf.constant(np.concatenate([[0], ends[:-1]]), tf.int64)

    def __getitem__(self, place: int | tf.Tensor) -> tf.Tensor:
        """One image, uint8 `(height, width, 3)`; also of a number in a graph."""
        height, width = tf.unstack(self.sizes[place])
        length = tf.cast(height * width * 3, tf.int64)
        pixels = tf.slice(self.pixels, self.starts[place][None], length[None])
        return tf.reshape(pixels, tf.stack([height, width, 3]))

    @classmethod
    def of(cls, paths: Sequence[str], where: str | os.PathLike[str]) -> PixelCache:
        """The pixels of image files.

        Args:
            paths: as of `read_image`.
            where: `"memory"`, or a folder for files that later runs on the same images use again. They are told
                apart by the paths, sizes and times of the images, and may be deleted at any time.

        Raises:
            UserError: if an image cannot be read, or memory or disk is too small.
        """
        paths = [os.fspath(path) for path in paths]
        with tf.device("CPU:0"):
            return cls._in_memory(paths) if where == MEMORY else cls._on_disk(paths, Path(where))

    @classmethod
    def _in_memory(cls, paths):
        memory = mmap.mmap(-1, _FIRST, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        end = 0

        def keep(pixels, expected):
            nonlocal end
            if expected > end + (free := _available_memory()):
                raise UserError(
                    f"data.cache='memory' needs about {megabytes(expected)} for the decoded images, and "
                    f"{megabytes(free)} are free; give a folder instead, or none"
                )
            if end + len(pixels) > len(memory):
                memory.resize(max(2 * len(memory), end + len(pixels)))  # moves pages, copies nothing
            memory[end : end + len(pixels)] = pixels
            end += len(pixels)

        heights, widths = _decode(paths, keep)
        memory.resize(end)
        # Any other way to a tensor copies.
        pixels = tf.experimental.dlpack.from_dlpack(np.frombuffer(memory, np.uint8).__dlpack__())
        return cls(pixels, heights, widths)

    @classmethod
    def _on_disk(cls, paths, folder):
        file = folder / f"{digest_of(paths)}.pixels"
        index = file.with_suffix(".npz")
        if not _is_whole(file, index, len(paths)):
            try:
                _write(paths, file, index)
            except OSError as error:
                if not is_full(error):
                    raise
                raise UserError(_too_small(folder)) from None
        with np.load(index) as sizes:
            heights, widths = sizes["heights"], sizes["widths"]
        size = file.stat().st_size
        pixels = tf.raw_ops.ImmutableConst(dtype=tf.uint8, shape=[size], memory_region_name=str(file))
        return cls(pixels, heights, widths)


def _write(paths, file, index):
    with written_aside(file) as aside, open(aside, "wb") as stream:
        end = 0

        def keep(pixels, expected):
            nonlocal end
            if expected > end + free_bytes(file.parent):
                raise UserError(_too_small(file.parent, expected))
            stream.write(pixels)
            end += len(pixels)

        heights, widths = _decode(paths, keep)
    # The last, for it says that the other is whole.
    with written_aside(index) as aside:
        np.savez(aside, heights=heights, widths=widths)


def _decode(paths, keep):
    """Decodes images in order and hands their bytes, and an estimate of those of all, to `keep`; their sizes."""
    sizes = np.zeros((len(paths), 2), np.int32)
    images = tf.data.Dataset.from_tensor_slices(tf.constant(paths)).map(
        read_image, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    done = total = 0
    try:
        with progress("decoding for the cache", total=len(paths)) as advance:
            for image in images.prefetch(tf.data.AUTOTUNE).as_numpy_iterator():
                sizes[done] = image.shape[:2]
                done += 1
                total += image.size
                keep(image.tobytes(), total * len(paths) // done if done % _ESTIMATE_AFTER == 0 else 0)
                advance()
    except tf.errors.OpError as error:
        raise UserError(f"{paths[done]} cannot be decoded: {error.message.splitlines()[0]}") from None
    return sizes[:, 0], sizes[:, 1]


def digest_of(paths: Iterable[str]) -> str:
    """A name for image files in their order, which changes with their paths, sizes and times."""
    digest = hashlib.sha256()
    for path in paths:
        facts = os.stat(path.partition(".tfrecord#")[0] + ".tfrecord" if ".tfrecord#" in path else path)
        digest.update(f"{os.path.abspath(path)}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:32]


def _is_whole(file, index, count):
    """Whether the files are there and fit these images; otherwise they are written again."""
    if not (file.is_file() and index.is_file()):
        return False
    try:
        with np.load(index) as sizes:
            heights, widths = sizes["heights"], sizes["widths"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return False
    for side in (heights, widths):
        if side.dtype != np.int32 or side.shape != (count,) or side.min(initial=1) < 1:
            return False
    return file.stat().st_size == 3 * (heights.astype(np.int64) * widths).sum()


def _available_memory():
    """Bytes that can be had without swapping, as far as the system tells."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return 1 << 62
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))


def _too_small(folder, expected=None):
    needs = f"about {megabytes(expected)}" if expected else "more than there is"
    return (
        f"data.cache={str(folder)!r} needs {needs} for the decoded images, and {megabytes(free_bytes(folder))} are "
        "free; give a folder on a larger disk, 'memory', or none"
    )
