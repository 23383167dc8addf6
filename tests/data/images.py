"""Images for tests: small, random but smooth, so that JPEG keeps them."""

import io
import struct
import zlib

import numpy as np
from PIL import Image


def random_image(height, width, seed=0):
    """A PIL image with soft random colours."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (max(height // 4, 1), max(width // 4, 1), 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def encoded(image, kind="JPEG", **options):
    """The bytes of a file."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def write_image(path, seed=0, size=(16, 8)):
    """Writes a small JPEG file with its folders; returns its path as a string."""
    path.parent.mkdir(parents=True, exist_ok=True)
    random_image(*size, seed=seed).save(path, "JPEG")
    return str(path)


def png_that_says(width, height, data=b""):
    """A PNG file that claims a size; `data` is what unpacks to its rows."""

    def chunk(name, content):
        check = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + check

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def jpeg_of_scans(width, height, scans, between=b""):
    """A grey progressive JPEG whose scans hold almost nothing, but each of which the decoder takes to every block.

    `between` comes in front of each scan but the first.
    """
    blocks = -(-width // 8) * -(-height // 8)
    run = "0" + 14 * "1"  # 32767 blocks in which nothing changes
    codes = run * -(-blocks // 32767)
    codes += "1" * (-len(codes) % 8)
    same = int(codes, 2).to_bytes(len(codes) // 8).replace(b"\xff", b"\xff\x00")
    again = between + segment(0xDA, bytes([1, 1, 0, 1, 63, 0x10])) + same
    return b"".join(
        [
            b"\xff\xd8" + segment(0xDB, bytes(1) + bytes([1]) * 64),
            segment(0xC2, struct.pack(">BHHBBBB", 8, height, width, 1, 1, 0x11, 0)),
            *(segment(0xC4, bytes([table, 1]) + bytes(15) + bytes([symbol])) for table, symbol in _TABLES),
            segment(0xDA, bytes([1, 1, 0, 0, 0, 0])) + bytes(-(-blocks // 8)),
            again * (scans - 1) + b"\xff\xd9",
        ]
    )


_TABLES = (0x00, 0), (0x10, 0xE0)  # one code each: no change of the mean; a run of blocks


def segment(marker, content):
    """One of a JPEG."""
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content
