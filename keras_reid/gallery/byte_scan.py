"""Finds traces: 64-byte runs of erased bytes in files, in any position, with bounded memory.

A run of 64 bytes in a file holds a block of 32 bytes whose position is a multiple of 32. So only the blocks of the
file at those positions are looked up among the 32-byte windows of the erased bytes at all offsets, by a 64-bit hash;
a hit is compared byte by byte and extended in both directions. Shorter texts are looked for as a whole, with blocks
of 8 bytes, or directly where they are too short to hold one.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

RUN = 64  # bytes: the shortest run that counts as a trace of longer needles
SHORTEST = 8  # bytes: shorter needles are found everywhere by chance
_BLOCK, _SMALL_BLOCK = 32, 8
_SMALL = 2 * _SMALL_BLOCK - 1  # the shortest needle that surely holds an aligned small block
_VARIETY = (
    6  # changes from byte to byte in a block: with fewer it is filling, such as zeros, that says nothing
)
_LETTERS = 4  # different bytes in a short needle, for the same reason
_CHUNK = 16 * 2**20  # bytes of a file at a time
_GROUP = 8 * 2**20  # bytes of needles in a pass over the files; each takes 24 bytes of memory
_FACTORS = np.array(
    [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93], np.uint64
)  # odd numbers with well mixed bits
_FILTER_BITS = 25


@dataclasses.dataclass(frozen=True)
class Trace:
    """A run of erased bytes that was found.

    Args:
        file: the file.
        position: of the run in it, in bytes.
        run: the bytes.
        needle: what they are a part of.
    """

    file: Path
    position: int
    run: bytes
    needle: bytes


@dataclasses.dataclass
class Scanned:
    """What a scan read.

    Args:
        files: number of files.
        bytes: of them together.
    """

    files: int = 0
    bytes: int = 0


def find_traces(
    files: Iterable[Path], needles: Iterable[bytes], scanned: Scanned | None = None
) -> Iterator[Trace]:
    """Finds runs of needles in files.

    Of a needle of at least 64 bytes, any run of 64 bytes counts, at any position; of a shorter one, the whole. Passed
    over are needles of fewer than 8 bytes, short ones of fewer than 4 different bytes, and blocks with fewer than 6
    changes from byte to byte, such as zeros.

    Time: reading the files once for each 8 MiB of needles, at about 1 GB/s. Memory: about 300 MB at most.

    Args:
        files: regular files; one that vanishes meanwhile is passed over.
        needles: what was erased.
        scanned: counts the files and bytes read.

    Yields:
        `Trace`s, not all of overlapping ones.

    Raises:
        OSError: a file cannot be read.

    Example:
        >>> list(find_traces([Path("gallery-store/data/base/5/16413")], [vector.tobytes()]))  # doctest: +SKIP
        []
    """
    files = list(files)
    for number, group in enumerate(_groups(needles)):
        wanted = _Wanted(group)
        for file in files:
            try:
                yield from _in_file(file, wanted, scanned if number == 0 else None)
            except FileNotFoundError:
                continue


def files_below(folder: str | os.PathLike[str]) -> list[Path]:
    """All regular files below a folder, sorted; links are not followed.

    Raises:
        OSError: a folder cannot be read.
    """

    def stop(error):
        if not isinstance(error, FileNotFoundError):
            raise error

    found = []
    for place, _, names in os.walk(folder, onerror=stop):
        found += [path for name in names if (path := Path(place, name)).is_file() and not path.is_symlink()]
    return sorted(found)


class _Wanted:
    """Needles, ready to be found."""

    def __init__(self, needles):
        self.long = _Windows([needle for needle in needles if len(needle) >= RUN], _BLOCK)
        short = [needle for needle in needles if len(needle) < RUN and len(set(needle)) >= _LETTERS]
        self.short = _Windows([needle for needle in short if len(needle) >= _SMALL], _SMALL_BLOCK)
        self.tiny = [needle for needle in short if SHORTEST <= len(needle) < _SMALL]


class _Windows:
    """The windows of needles at all offsets, by their hash."""

    def __init__(self, needles, block):
        self.needles, self.block = needles, block
        hashes, owners, offsets = [], [], []
        for number, needle in enumerate(needles):
            octets = np.frombuffer(needle, np.uint8)
            changes = np.cumsum(np.diff(octets, prepend=octets[:1]) != 0)
            rows = np.lib.stride_tricks.sliding_window_view(octets, block)
            for start in range(0, len(rows), 2**16):
                some = np.ascontiguousarray(rows[start : start + 2**16])
                places = np.arange(start, start + len(some))
                if block == _BLOCK:
                    varied = changes[places + block - 1] - changes[places] >= _VARIETY
                    some, places = some[varied], places[varied]
                hashes.append(_hashes(some.reshape(-1).view(np.uint64), block))
                owners.append(np.full(len(places), number, np.int32))
                offsets.append(places.astype(np.int32))
        joined = np.concatenate(hashes) if hashes else np.zeros(0, np.uint64)
        order = np.argsort(joined, kind="stable")
        self.hashes = joined[order]
        self.owners = np.concatenate(owners)[order] if owners else np.zeros(0, np.int32)
        self.offsets = np.concatenate(offsets)[order] if offsets else np.zeros(0, np.int32)
        self.filter = np.zeros(2**_FILTER_BITS if len(joined) else 0, bool)
        self.filter[_filter_places(self.hashes)] = True

    def found(self, data, words):
        """`(position in data, needle, offset in it)` of aligned blocks that are windows of needles."""
        if not len(self.hashes):
            return
        hashes = _hashes(words, self.block)
        likely = np.flatnonzero(self.filter[_filter_places(hashes)])
        first = np.searchsorted(self.hashes, hashes[likely], "left")
        last = np.searchsorted(self.hashes, hashes[likely], "right")
        for place, low, high in zip(
            likely[first < last], first[first < last], last[first < last], strict=True
        ):
            position = int(place) * self.block
            for row in range(low, high):
                needle, offset = self.needles[self.owners[row]], int(self.offsets[row])
                if data[position : position + self.block] == needle[offset : offset + self.block]:
                    yield position, needle, offset


def _hashes(words, block):
    if block == _SMALL_BLOCK:
        return words * _FACTORS[0]
    rows = words.reshape(-1, _BLOCK // 8)
    total = rows[:, 0] * _FACTORS[0]
    for column in range(1, rows.shape[1]):
        total ^= (rows[:, column] ^ (total >> np.uint64(29))) * _FACTORS[column]
    return total


def _filter_places(hashes):
    return (hashes >> np.uint64(64 - _FILTER_BITS)).astype(np.int64)


def _groups(needles):
    group, size = [], 0
    for needle in needles:
        # A needle that is larger than a group is split, with an overlap so that no run is lost.
        for start in range(0, max(1, len(needle) - RUN + 1), _GROUP):
            part = needle[start : start + _GROUP + RUN - 1]
            if group and size + len(part) > _GROUP:
                yield group
                group, size = [], 0
            group.append(part)
            size += len(part)
    if group:
        yield group


def _in_file(path, wanted, scanned):
    with open(path, "rb") as file:
        start, before = 0, b""
        if scanned is not None:
            scanned.files += 1
        while content := file.read(_CHUNK):
            if scanned is not None:
                scanned.bytes += len(content)
            data = before + content
            for position, run, needle in _in_data(data, wanted):
                yield Trace(path, start + position, run, needle)
            # The rest of the last aligned blocks, so that a run across the border is found. Alignment stays.
            keep = min(len(data), 2 * RUN) // _BLOCK * _BLOCK
            rest = (len(data) - keep) // _BLOCK * _BLOCK
            start, before = start + rest, data[rest:]


def _in_data(data, wanted):
    whole = len(data) // _BLOCK * _BLOCK
    words = np.frombuffer(data, np.uint64, whole // 8)
    for position, needle, offset in wanted.long.found(data, words):
        low, high = _extended(data, position, needle, offset)
        if high - low >= RUN:
            yield low, data[low : low + RUN], needle
    words = np.frombuffer(data, np.uint64, len(data) // 8)
    for position, needle, offset in wanted.short.found(data, words):
        low = position - offset
        if low >= 0 and data[low : low + len(needle)] == needle:
            yield low, needle, needle
    for needle in wanted.tiny:
        low = data.find(needle)
        if low >= 0:
            yield low, needle, needle


def _extended(data, position, needle, offset):
    """The run of equal bytes around a block, up to `RUN` bytes on both sides."""
    low = 0
    while low < min(RUN, position, offset) and data[position - low - 1] == needle[offset - low - 1]:
        low += 1
    high, most = 0, min(RUN, len(data) - position, len(needle) - offset)
    while high < most and data[position + high] == needle[offset + high]:
        high += 1
    return position - low, position + high
