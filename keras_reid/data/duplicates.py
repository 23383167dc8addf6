"""Files with the same content, whatever they are called."""

from __future__ import annotations

import concurrent.futures
import hashlib
import os
import re
import struct
from collections.abc import Iterable

from keras_reid.utils.progress import progress

_RECORD = re.compile(r"(.*\.tfrecord)#(\d+)", re.DOTALL)  # as `keras_reid.data.contents` reads them
_HEAD = struct.Struct("<QI")  # of a record: the length and its checksum
_BATCH = 64  # files that a thread is handed at once, which costs as much as reading five


def same_contents(paths: Iterable[str]) -> dict[str, str]:
    """Finds files, or records of TFRecord files, that are the same to the byte.

    Time: a look at each file, and reading those whose size another has. Of photographs these are few, of small crops
    nearly all: about 25 µs for one of a few kB that was read before, as by `check_images`, which takes 20 times that.
    Memory: about 300 bytes an image.

    Args:
        paths: image files; one that is not there or empty is passed over.

    Returns:
        dict: path → the first path of the same content, of every path that is not the first itself.

    Example:
        >>> same_contents(["a.jpg", "copy of a.jpg", "b.jpg"])  # doctest: +SKIP
        {'copy of a.jpg': 'a.jpg'}
    """
    sizes = {}
    for path in dict.fromkeys(paths):
        if size := _quietly(_size, path):
            sizes.setdefault(size, []).append(path)
    candidates = [path for group in sizes.values() if len(group) > 1 for path in group]
    batches = [candidates[start : start + _BATCH] for start in range(0, len(candidates), _BATCH)]
    firsts, found = {}, {}
    with (
        progress("comparing", total=len(candidates)) as advance,
        concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as threads,
    ):
        for batch, digests in zip(batches, threads.map(_digests, batches), strict=True):
            for path, digest in zip(batch, digests, strict=True):
                first = firsts.setdefault(digest, path)
                if digest and first != path:
                    found[path] = first
            advance(len(batch))
    return found


def _digests(paths):
    return [_quietly(_digest, path) for path in paths]


def _quietly(function, path):
    try:
        return function(path)
    except (OSError, struct.error):  # decoding the file will say what is wrong with it
        return None


def _size(path):
    if record := _RECORD.fullmatch(path):
        with open(record[1], "rb") as stream:
            return _record_length(stream, int(record[2]))
    return os.stat(path).st_size


def _digest(path):
    record = _RECORD.fullmatch(path)
    with open(record[1] if record else path, "rb") as stream:
        contents = stream.read(_record_length(stream, int(record[2])) if record else -1)
    return hashlib.blake2b(contents, digest_size=16).digest()


def _record_length(stream, offset):
    """Goes to the content of a record; how many bytes it has."""
    stream.seek(offset)
    return _HEAD.unpack(stream.read(_HEAD.size))[0]
