"""What kind of image a file holds, told by its first bytes, as names lie."""

import re

HEAD = 32  # bytes that tell

_KINDS = {
    "JPEG": rb"\xff\xd8\xff",
    "PNG": rb"\x89PNG\r\n\x1a\n",
    # Two reserved words of zero, and a header of a length that exists: a text may begin with "BM".
    "BMP": rb"BM.{4}\x00{4}.{4}[\x0c\x28\x34\x38\x40\x6c\x7c]\x00{3}",
    "GIF": rb"GIF8[79]a",
    "WebP": rb"RIFF.{4}WEBP",
    "TIFF": rb"II\*\x00|MM\x00\*",  # also most cameras' raw files
    "HEIC or AVIF": rb".{4}ftyp(?:hei[cmsx]|hev[cmsx]|mif1|msf1|avi[fs])",  # not the films that begin alike
    "JPEG XL": rb"\xff\n|\x00{3}\x0cJXL \r\n",
    "JPEG 2000": rb"\x00{3}\x0cjP  \r\n|\xff\x4f\xff\x51",
    "PPM, PGM or PBM": rb"P[1-6]\s+[#\d]",
}
_PATTERNS = {kind: re.compile(pattern, re.DOTALL) for kind, pattern in _KINDS.items()}


def image_kind(head):
    """The kind of image that begins with some bytes; None for anything else.

    Args:
        head: the first `HEAD` bytes of a file, or all of a shorter one.

    Example:
        >>> image_kind(b"GIF89a and so on"), image_kind(b"hello")
        ('GIF', None)
    """
    return next((kind for kind, pattern in _PATTERNS.items() if pattern.match(head)), None)
