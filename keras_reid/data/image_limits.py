"""What is refused before it is decoded: images that would take more memory or time than any picture is worth.

Read from the bytes of a file alone, in a few microseconds; a SavedModel has the same rules as graph operations
(`keras_reid.export.image_checks`).
"""

from __future__ import annotations

import dataclasses
import os
import re

from keras_reid.utils.errors import UserError

MOST_MEGAPIXELS = 25.0
# A progressive JPEG of libjpeg has 10, 18 in CMYK; those of other programs have 3 to 15. Each costs up to 25 ms of
# processor time at 25 megapixels, and no more than a few bytes of the file.
MOST_SCANS = 30
MOST_SEGMENTS = 10_000  # of a JPEG: a file of 20 MB in segments of full length has 300
VARIABLE = "KERAS_REID_MAX_MEGAPIXELS"

_PNG, _JPEG, _BMP = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM"
_START_OF_SCAN, _END = 0xDA, 0xD9
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # markers before the size
# The next marker with a length, as libjpeg looks for it: zeros are pixels, restart markers stand among them.
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Extent:
    """What a file says of its image.

    Args:
        width, height: in pixels; 0 where it does not say.
        scans: of a JPEG, at least 1; where more than `MOST_SCANS` are counted, it may have more.
    """

    width: int
    height: int
    scans: int = 1

    @property
    def pixels(self) -> int:
        return self.width * self.height

    @property
    def work(self) -> float:
        """Processor time of decoding and resizing, in pixels of an image with a single scan."""
        return self.pixels * (1 + self.scans / 20)


def extent(contents: bytes) -> Extent:
    """The `Extent` of the image in a file's bytes; of an empty or unknown file, an extent of 0 pixels.

    Example:
        >>> extent(b"BM" + bytes(16) + bytes([3, 0, 0, 0, 2, 0, 0, 0])).pixels
        6
    """
    if contents.startswith(_JPEG):
        return _jpeg(contents)
    if contents.startswith(_PNG):
        return Extent(int.from_bytes(contents[16:20]), int.from_bytes(contents[20:24]))
    if contents.startswith(_BMP):
        height = int.from_bytes(
            contents[22:26], "little", signed=True
        )  # negative: the first row is at the top
        return Extent(int.from_bytes(contents[18:22], "little"), abs(height))
    return Extent(0, 0)


def objection(contents: bytes, max_megapixels: float | None = None) -> str:
    """Why an image must not be decoded; empty if it may be.

    Args:
        contents: the bytes of a file.
        max_megapixels: the largest image, in millions of pixels; by default `megapixels_allowed()`.

    Example:
        >>> objection(b"BM" + bytes(16) + bytes([0, 0, 1, 0, 0, 0, 1, 0]), 25)
        '65536 x 65536 pixels, more than 25 megapixels; make it smaller'
    """
    allowed, found = max_megapixels or megapixels_allowed(), extent(contents)
    if found.pixels > allowed * 1e6:
        raised = (
            "" if max_megapixels else f", or set {VARIABLE} where all files come from people that you trust"
        )
        return f"{found.width} x {found.height} pixels, more than {allowed:g} megapixels; make it smaller{raised}"
    if found.scans > MOST_SCANS:
        return (
            f"a JPEG of more than {MOST_SCANS} scans, which no camera or editor writes; save the image again"
        )
    return ""


def megapixels_allowed() -> float:
    """The largest image that commands decode, in millions of pixels: `MOST_MEGAPIXELS`, or the variable's.

    Raises:
        UserError: the environment variable is not a number above 0.
    """
    text = os.environ.get(VARIABLE, "")
    try:
        value = float(text or MOST_MEGAPIXELS)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise UserError(f"{VARIABLE} must be a number of megapixels above 0, such as 100. Received: {text!r}")
    return value


def _jpeg(contents):
    """Walks from segment to segment, up to the first scan where no more than `MOST_SCANS` can follow."""
    # Counts those in segments too, such as the thumbnail's; in pixels there cannot be any.
    most = contents.count(b"\xff\xda")
    width = height = scans = 0
    position = 2
    for _ in range(MOST_SEGMENTS):
        found = _MARKER.search(contents, position)
        if found is None or (marker := contents[found.end() - 1]) == _END:
            break
        position = found.end()
        if marker in _FRAMES:
            height = int.from_bytes(contents[position + 3 : position + 5])
            width = int.from_bytes(contents[position + 5 : position + 7])
        if marker == _START_OF_SCAN:
            if most <= MOST_SCANS:
                return Extent(width, height, max(most, 1))
            scans += 1
            if scans > MOST_SCANS:
                break
        position += max(2, int.from_bytes(contents[position : position + 2]))
    else:
        scans = max(most, MOST_SCANS + 1)  # nobody knows what follows
    return Extent(width, height, max(scans, 1))
