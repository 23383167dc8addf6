import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_reid.data.decoding import decode_image
from keras_reid.data.image_limits import extent
from keras_reid.export.image_checks import checked_images
from keras_reid.export.jpeg_scans import jpeg_scans
from tests.data.images import jpeg_of_scans, segment

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (40, 30, 3), np.uint8)


def encoded(form, pixels=PIXELS, mode="RGB", **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, form, **options)
    return buffer.getvalue()


JPEG, PNG, BMP = (encoded(form) for form in ("JPEG", "PNG", "BMP"))


check = tf.function(
    lambda contents: checked_images(contents, max_bytes=20_000, max_megapixels=0.01),
    input_signature=[tf.TensorSpec((None,), tf.string)],
)


def with_thumbnail(thumbnail):
    """A JPEG with another JPEG in its Exif segment."""
    segment = b"Exif\0\0" + thumbnail
    return JPEG[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + JPEG[2:]


SMALL = encoded("JPEG", PIXELS[:8, :8])
TURNED = Image.Exif()
TURNED[0x0112] = 6
JPEG_TURNED, PNG_TURNED = (encoded(form, exif=TURNED) for form in ("JPEG", "PNG"))
GOOD = {
    "turned, behind fill bytes": JPEG_TURNED[:2] + b"\xff" * 3 + JPEG_TURNED[2:],
    "turned png": PNG_TURNED,
    "jpeg": JPEG,
    "progressive": encoded("JPEG", progressive=True),
    "grey": encoded("JPEG", mode="L"),
    "cmyk": encoded("JPEG", mode="CMYK"),
    "thumbnail": with_thumbnail(SMALL),
    "bytes after a jpeg": JPEG + b"\0" * 100,
    "an image after a jpeg": JPEG + SMALL,
    "as many scans as may be": jpeg_of_scans(100, 100, 30),
    "a segment that seems to be full of scans": JPEG[:2] + segment(0xFE, b"\xff\xda" * 100) + JPEG[2:],
    "png": PNG,
    "bytes after a png": PNG + b"more",
    "bmp": BMP,
}


def test_what_can_be_decoded_passes_unchanged():
    for data in GOOD.values():
        decode_image(data)
    assert check(tf.constant(list(GOOD.values()))).numpy().tolist() == list(GOOD.values())


def test_no_rows():
    assert check(tf.constant([], tf.string)).shape == (0,)


def png_that_says(width, height):
    """A file of a few bytes that unpacks to an image of any size."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    start = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return PNG[:8] + start + PNG[33:]


def jpeg_that_says(width, height):
    place = JPEG.index(b"\xff\xc0") + 5
    return JPEG[:place] + struct.pack(">HH", height, width) + JPEG[place + 4 :]


def bmp_that_says(width, height):
    return BMP[:18] + struct.pack("<ii", width, height) + BMP[26:]


CUT = r"complete file. Received: {} bytes without the end of an image"
SIZE = r"at most 0.01 megapixels. Received: {} x {} pixels. Send a smaller image"
BAD = {
    "empty": (b"", r"be a JPEG, PNG or BMP file. Received: 0 bytes"),
    "text": (b"hello", r"be a JPEG, PNG or BMP file. Received: 5 bytes"),
    "gif": (encoded("GIF"), r"be a JPEG, PNG or BMP file"),
    "large": (PNG + b"\0" * 20_000, rf"at most 20000 bytes. Received: {len(PNG) + 20_000} bytes"),
    "jpeg cut off": (JPEG[: len(JPEG) // 2], CUT.format(len(JPEG) // 2)),
    "jpeg without its last byte": (JPEG[:-1], CUT.format(len(JPEG) - 1)),
    "jpeg with a thumbnail cut off": (with_thumbnail(SMALL)[:-100], "complete file"),
    "jpeg of a start": (JPEG[:3], CUT.format(3)),
    "png cut off": (PNG[: len(PNG) // 2], CUT.format(len(PNG) // 2)),
    "png without its last byte": (PNG[:-1], CUT.format(len(PNG) - 1)),
    "png of a start": (PNG[:8], CUT.format(8)),
    "bmp with more behind it": (BMP + b"1", CUT.format(len(BMP) + 1)),
    "bmp cut off": (BMP[:-1], CUT.format(len(BMP) - 1)),
    "png bomb": (png_that_says(60_000, 60_000), SIZE.format(60_000, 60_000)),
    "png of the largest size": (png_that_says(2**31 - 1, 2**31 - 1), "at most 0.01 megapixels"),
    "png whose pixels cannot be counted": (
        png_that_says(2**32 - 1, 2**32 - 1),
        SIZE.format(2**32 - 1, 2**32 - 1),
    ),
    "jpeg bomb": (jpeg_that_says(65_000, 64_000), SIZE.format(65_000, 64_000)),
    "jpeg of many scans": (
        jpeg_of_scans(100, 100, 31),
        r"be a JPEG with at most 30 scans. Received: 31 or more",
    ),
    "bmp bomb": (bmp_that_says(30_000, 20_000), SIZE.format(30_000, 20_000)),
    "bmp bomb upside down": (bmp_that_says(30_000, -20_000), SIZE.format(30_000, 20_000)),
}


@pytest.mark.parametrize("name", BAD)
def test_the_row_is_named(name):
    data, message = BAD[name]
    with pytest.raises(tf.errors.InvalidArgumentError, match=rf"image_bytes\[2\] must .*{message}"):
        check(tf.constant([PNG, JPEG, data, b"also bad"]))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP"])
def test_nothing_that_the_decoder_takes_is_refused_as_cut_off(form):
    data = encoded(form)
    for length in (*range(len(data) - 20, len(data) + 1), *RNG.integers(0, len(data), 20)):
        part = data[:length]
        try:
            decode_image(part)
        except tf.errors.InvalidArgumentError:
            continue
        assert check(tf.constant([part])).numpy()[0] == part


def test_the_limits_are_those_that_are_given():
    exact = [checked_images(tf.constant([data]), len(data), 40 * 30 / 1e6) for data in (JPEG, PNG, BMP)]
    assert len(exact) == 3
    with pytest.raises(tf.errors.InvalidArgumentError, match="megapixels"):
        checked_images(tf.constant([PNG]), len(PNG), 40 * 30 / 1e6 - 1e-6)
    with pytest.raises(tf.errors.InvalidArgumentError, match="bytes"):
        checked_images(tf.constant([PNG]), len(PNG) - 1, 1.0)


COMMENT = segment(0xFE, b"\xff\xda\xff\xd9" * 100)
COUNTED = [
    JPEG,
    encoded("JPEG", progressive=True),
    JPEG[:2] + COMMENT + JPEG[2:],
    JPEG[:2] + b"\xff" * 9 + COMMENT + JPEG[2:],
    JPEG + COMMENT,
    jpeg_of_scans(40, 30, 30, between=COMMENT),
    jpeg_of_scans(40, 30, 31),
    jpeg_of_scans(40, 30, 32, between=COMMENT),
    jpeg_of_scans(40, 30, 4, between=COMMENT)[:-30],
    b"\xff\xd8\xff" + b"\xff\xda" * 31,
]


def test_scans_are_counted_as_from_the_bytes_alone():
    count = tf.function(jpeg_scans)
    wanted = tf.constant([True] * len(COUNTED) + [False])
    found = count(tf.constant([*COUNTED, jpeg_of_scans(40, 30, 70)]), wanted).numpy().tolist()
    assert found == [*(extent(data).scans for data in COUNTED), 0]
