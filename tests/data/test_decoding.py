"""The decoder and the resizer against Pillow."""

import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from keras_reid.data import decoding
from keras_reid.data.decoding import decode_bytes, decode_image, read_image
from tests.data.images import encoded, random_image

IMAGE = random_image(37, 53)
RGBA = IMAGE.copy()
RGBA.putalpha(random_image(37, 53, seed=1).convert("L"))
IN_GRAPH = tf.function(decode_image, input_signature=[tf.TensorSpec((), tf.string)])
GREY_OF_16_BITS = np.linspace(0, 65535, 37 * 53).reshape(37, 53).astype(np.uint16)

FILES = {
    "jpeg 4:4:4": encoded(IMAGE, subsampling=0),
    "jpeg 4:2:2": encoded(IMAGE, subsampling=1),
    "jpeg 4:2:0": encoded(IMAGE, subsampling=2),
    "jpeg progressive": encoded(IMAGE, progressive=True),
    "jpeg grey": encoded(IMAGE.convert("L")),
    "jpeg cmyk": encoded(IMAGE.convert("CMYK")),
    "jpeg 1 × 1": encoded(random_image(1, 1)),
    "png": encoded(IMAGE, "PNG"),
    "png grey": encoded(IMAGE.convert("L"), "PNG"),
    "png black and white": encoded(IMAGE.convert("1"), "PNG"),
    "png palette": encoded(IMAGE.convert("P"), "PNG"),
    "png palette, transparent colour": encoded(IMAGE.convert("P"), "PNG", transparency=3),
    "png palette of 4": encoded(IMAGE.quantize(4), "PNG", bits=2),
    "png rgba": encoded(RGBA, "PNG"),
    "png grey with alpha": encoded(RGBA.convert("LA"), "PNG"),
    "png transparent colour": encoded(IMAGE, "PNG", transparency=(1, 2, 3)),
    "bmp": encoded(IMAGE, "BMP"),
    "bmp rgba": encoded(RGBA, "BMP"),
}


def _png_of_16_bits(values):
    """A PNG of 16-bit RGB values, which Pillow reads but does not write."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, _ = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize("name", FILES)
def test_equals_pillow_to_the_bit(name):
    expected = np.asarray(Image.open(io.BytesIO(FILES[name])).convert("RGB"))
    for decode in (decode_image, IN_GRAPH):
        decoded = decode(FILES[name])
        assert decoded.dtype == tf.uint8
        np.testing.assert_array_equal(decoded, expected)


def test_16_bits_keep_their_high_byte():
    values = np.random.default_rng(0).integers(0, 65536, (5, 7, 3), dtype=np.uint16)
    np.testing.assert_array_equal(decode_image(_png_of_16_bits(values)), values >> 8)
    grey = decode_image(encoded(Image.fromarray(GREY_OF_16_BITS), "PNG"))
    np.testing.assert_array_equal(grey[..., 0], GREY_OF_16_BITS >> 8)


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_exif_orientation(orientation, byte_order):
    exif = Image.Exif()
    exif.endian = byte_order
    exif[0x010F], exif[0x0112], exif[0x0132] = "maker", orientation, "2024:01:01 00:00:00"
    contents = encoded(IMAGE, exif=exif, comment=b"no Exif\0 here")
    assert (b"Exif\0\0MM" in contents) == (byte_order == ">")
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(contents)))
    for decode in (decode_image, IN_GRAPH):
        np.testing.assert_array_equal(decode(contents), np.asarray(upright))


def test_exif_of_many_shapes():
    contents = encoded(IMAGE)
    plain = decode_image(contents).numpy()

    def with_block(block):
        segment = b"\xff\xe1" + struct.pack(">H", len(block) + 8) + b"Exif\0\0" + block
        return contents[:2] + segment + contents[2:]

    long_value = b"MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHII", 0x0112, 4, 1, 3) + b"\0" * 4
    np.testing.assert_array_equal(decode_image(with_block(long_value)), plain[::-1, ::-1])
    damaged = [
        b"", b"MM", b"II*\0\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff", b"II*\0\x08\0\0\0\0\0", bytes(range(40)),
    ]  # fmt: skip
    for block in damaged:
        np.testing.assert_array_equal(IN_GRAPH(with_block(block)), plain)


def test_in_a_saved_model(tmp_path):
    module = tf.Module()
    module.decode = IN_GRAPH
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    exif = Image.Exif()
    exif[0x0112] = 6
    contents = encoded(IMAGE, exif=exif)
    filled, png = contents[:2] + b"\xff" * 9 + contents[2:], encoded(IMAGE, "PNG", exif=exif)
    for turned in (contents, filled, png):
        upright = ImageOps.exif_transpose(Image.open(io.BytesIO(turned)))
        np.testing.assert_array_equal(loaded.decode(turned), np.asarray(upright))
    with pytest.raises(tf.errors.InvalidArgumentError, match="GIF is not supported"):
        loaded.decode(encoded(IMAGE, "GIF"))


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (b"", "the file is empty"),
        (b"hello, this is text", "not a JPEG, PNG or BMP image"),
        (b"B", "not a JPEG, PNG or BMP image"),
        (encoded(IMAGE)[:600], "Invalid JPEG data"),
        (encoded(IMAGE, "PNG")[:600], "Invalid PNG data"),
        (encoded(IMAGE, "BMP")[:600], "Input size should match"),
        (encoded(IMAGE.convert("P"), "BMP"), "not a BMP with 24 or 32 bits a pixel and no compression"),
        (b"BM", "not a BMP with 24 or 32 bits"),
        (encoded(IMAGE, "GIF"), "GIF is not supported"),
        (encoded(IMAGE, "GIF", save_all=True, append_images=[RGBA]), "GIF is not supported"),
        (encoded(IMAGE, "WEBP"), "WebP is not supported; convert it to PNG or JPEG"),
        (encoded(IMAGE, "TIFF"), "TIFF is not supported"),
        (b"\0\0\0\x18ftypheic", "HEIC or AVIF is not supported"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_anything_else_is_refused_by_name(contents, message):
    for decode in (decode_image, IN_GRAPH):
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            decode(contents)


def test_read_image_in_tf_data(tmp_path):
    (tmp_path / "a.jpg").write_bytes(FILES["jpeg 4:2:0"])
    images = list(tf.data.Dataset.from_tensors(str(tmp_path / "a.jpg")).map(read_image))
    np.testing.assert_array_equal(images[0], decode_image(FILES["jpeg 4:2:0"]))


@pytest.mark.parametrize("few", [False, True])
def test_outside_of_a_graph(few, monkeypatch):
    np.testing.assert_array_equal(decode_bytes(FILES["jpeg 4:2:0"], few), decode_image(FILES["jpeg 4:2:0"]))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"assertion failed: \[the file is empty\]"):
        decode_bytes(b"", few)
    monkeypatch.setattr(decoding, "decoding_graph", lambda: lambda contents: "by the graph")
    assert isinstance(decode_bytes(FILES["png"], few), str) is not few
