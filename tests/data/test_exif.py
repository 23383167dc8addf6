"""Images that a camera turned, against `PIL.ImageOps.exif_transpose`: wherever in the file it says so."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from keras_reid.data import exif as module
from keras_reid.data.decoding import decode_image
from keras_reid.data.exif import may_be_turned
from tests.data.images import encoded, random_image

IMAGE = random_image(11, 7)
JPEG, PNG = encoded(IMAGE), encoded(IMAGE, "PNG")
IN_GRAPH = tf.function(decode_image, input_signature=[tf.TensorSpec((), tf.string)])


def segment(marker, content):
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def entry(value=6, tag=0x0112, kind=3, count=1, order="<"):
    """A directory entry; a value of two bytes stands at the left."""
    number = struct.pack(order + "HH", value, 0) if kind in (3, 8) else struct.pack(order + "I", value)
    return struct.pack(order + "HHI", tag, kind, count) + number


def block(*entries, order="<", header=None, behind=b""):
    """A TIFF block with one directory."""
    header = header or (b"II*\0" if order == "<" else b"MM\0*")
    start = header + struct.pack(order + "IH", 8, len(entries))
    return start + b"".join(entries) + b"\0" * 4 + behind


def app1(content):
    return segment(0xE1, b"Exif\0\0" + content)


def xmp(text):
    return segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta " + text + b"</x:xmpmeta>")


def jpeg(*segments):
    """Segments behind the start of the image, before JFIF's."""
    return JPEG[:2] + b"".join(segments) + JPEG[2:]


def png(*chunks, behind=()):
    """Chunks behind the header, and others behind the image data."""
    return PNG[:33] + b"".join(chunks) + PNG[33:-12] + b"".join(behind) + PNG[-12:]


def jpeg_behind(*segments):
    """Segments that the image data follow at once: JFIF and the tables come before them."""
    place = JPEG.index(b"\xff\xda")
    return JPEG[:place] + b"".join(segments) + JPEG[place:]


SIX, EIGHT = app1(block(entry(6))), app1(block(entry(8)))
BIG = app1(block(entry(6, order=">"), order=">"))
AS_ATTRIBUTE, AS_ELEMENT = xmp(b'tiff:Orientation="8">'), xmp(b"><tiff:Orientation>3</tiff:Orientation>")
LONG = segment(
    0xE2, b"MPF\0" + b"\xff\xda\xff\xd9" * 16_000
)  # 64 KB, as preview images and depth maps are stored
SPLIT = block(entry(0x41, tag=0x010E, kind=2), entry(6))

TURNED = {
    "first": jpeg(SIX),
    "big-endian": jpeg(BIG),
    "after JFIF and the tables": jpeg_behind(SIX),
    "one fill byte": jpeg(b"\xff", SIX),
    "fill bytes": jpeg(b"\xff" * 3, segment(0xFE, b"a comment"), b"\xff" * 2, SIX),
    "fill bytes before JFIF": jpeg(SIX, b"\xff"),
    "fill bytes over several windows": jpeg(b"\xff" * 20_000, SIX),
    "fill bytes to the last of a window": jpeg(b"\xff" * (module._WINDOW - 1), SIX),
    "other bytes between segments": jpeg(segment(0xFE, b"a"), b"\0junk\xff\0\x80", SIX),
    "other bytes over several windows": jpeg(segment(0xFE, b"a"), b"\0" * (2 * module._WINDOW + 1), SIX),
    "behind 320 KB": jpeg(*[LONG] * 5, SIX),
    "behind 320 KB, big-endian": jpeg_behind(*[LONG] * 5, BIG),
    "behind XMP": jpeg(xmp(b'tiff:Make="a">'), SIX),
    "behind XMP that says otherwise": jpeg(AS_ELEMENT, SIX),
    "behind another APP1": jpeg(segment(0xE1, b"Exif\0"), segment(0xE1, b""), SIX),
    "behind an empty segment": jpeg(segment(0xFE, b""), SIX),
    "behind a segment without a proper length": jpeg(b"\xff\xfe\0\0", SIX),
    "behind a marker alone": jpeg_behind(b"\xff\xd0", SIX),
    "an Exif segment in a comment before it": jpeg(segment(0xFE, EIGHT), SIX),
    "a thumbnail with Exif before it": jpeg(app1(block(entry(6), behind=jpeg(EIGHT)))),
    "two segments": jpeg(SIX, EIGHT),
    "a directory over two segments": jpeg(app1(SPLIT[:25]), segment(0xFE, b"between"), app1(SPLIT[25:])),
    "the name twice": jpeg(app1(b"Exif\0\0" + block(entry(6)))),
    "mistaken headers": jpeg(app1(block(entry(6), header=b"II\0*"))),
    "mistaken headers, big-endian": jpeg(app1(block(entry(6, order=">"), order=">", header=b"MM*\0"))),
    "as LONG": jpeg(app1(block(entry(6, kind=4)))),
    "as IFD": jpeg(app1(block(entry(6, kind=13)))),
    "as SLONG": jpeg(app1(block(entry(6, kind=9)))),
    "as SSHORT": jpeg(app1(block(entry(6, kind=8)))),
    "as SBYTE": jpeg(app1(block(entry(6, kind=6)))),
    "two values": jpeg(app1(block(entry(6, count=2)))),
    "twice, the first counts": jpeg(app1(block(entry(6), entry(8)))),
    "twice, the first unreadable": jpeg(app1(block(entry(3, kind=77), entry(3, count=0), entry(6)))),
    "after many entries": jpeg(app1(block(*[entry(1, tag=0x100 + i) for i in range(18)], entry(6)))),
    "XMP, an attribute": jpeg(AS_ATTRIBUTE),
    "XMP, an element": jpeg(AS_ELEMENT),
    "XMP behind 320 KB and fill bytes": jpeg(*[LONG] * 5, b"\xff\xff", AS_ATTRIBUTE),
    "the last of two XMP": jpeg(AS_ATTRIBUTE, AS_ELEMENT),
    "the first in XMP": jpeg(xmp(b'tiff:Orientation="5" tiff:Orientation="6"')),
    "XMP beside Exif without it": jpeg(app1(block(entry(1, tag=0x0100))), AS_ATTRIBUTE),
    "XMP beside an empty Exif": jpeg(app1(b""), AS_ATTRIBUTE),
    "png": png(chunk(b"eXIf", block(entry(6)))),
    "png, big-endian": png(chunk(b"eXIf", block(entry(8, order=">"), order=">"))),
    "png, behind the data": png(behind=[chunk(b"eXIf", block(entry(6)))]),
    "png, behind a text that says otherwise": png(
        chunk(b"tEXt", b"Comment\0" + chunk(b"eXIf", block(entry(3)))), chunk(b"eXIf", block(entry(6)))
    ),
    "png, the name within": png(chunk(b"eXIf", b"Exif\0\0" + block(entry(6)))),
}  # fmt: skip
UPRIGHT = {
    "plain": JPEG,
    "orientation 1": jpeg(app1(block(entry(1))), AS_ATTRIBUTE),
    "orientation 0": jpeg(app1(block(entry(0))), AS_ATTRIBUTE),
    "orientation 9": jpeg(app1(block(entry(9)))),
    "orientation 70000": jpeg(app1(block(entry(65536 + 6, kind=4)))),
    "as BYTE": jpeg(app1(block(entry(6, kind=1)))),
    "as text": jpeg(app1(block(entry(ord("6"), kind=2)))),
    "no value": jpeg(app1(block(entry(6, count=0)))),
    "of an unknown type": jpeg(app1(block(entry(6, kind=77)))),
    "values beyond the end": jpeg(app1(block(entry(6, count=900)))),
    "behind the start of the scan": JPEG[:-2] + SIX + JPEG[-2:],
    "behind the image": JPEG + SIX,
    "in a comment": jpeg(segment(0xFE, SIX)),
    "in another segment": jpeg(segment(0xE3, b"Exif\0\0" + block(entry(6)))),
    "another name": jpeg(segment(0xE1, b"Exif\0\1" + block(entry(6)))),
    "cut off in the directory": jpeg(app1(block(entry(6))[:20])),
    "XMP without it": jpeg(xmp(b'tiff:Make="a">')),
    "XMP of two digits": jpeg(xmp(b'tiff:Orientation="10">')),
    "XMP in a comment": jpeg(segment(0xFE, AS_ATTRIBUTE)),
    "png": PNG,
    "png, orientation 1": png(chunk(b"eXIf", block(entry(1)))),
    "png, in a text": png(chunk(b"tEXt", b"Comment\0" + chunk(b"eXIf", block(entry(6))))),
}  # fmt: skip
# What Pillow refuses to open or warns of.
DAMAGED = {
    "no header": jpeg(app1(b"XX" + block(entry(6))[2:])),
    "an empty block": jpeg(app1(b"")),
    "two bytes": jpeg(app1(b"MM")),
    "a directory far away": jpeg(app1(b"II*\0\xff\xff\xff\xff" + block(entry(6)))),
    "more entries than there are": jpeg(app1(b"II*\0\x08\0\0\0\xff\xff")),
    "png, an empty chunk": png(chunk(b"eXIf", b"")),
    "png, no header": png(chunk(b"eXIf", b"no block")),
}


def by_pillow(contents):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of values that it skips
        return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(contents))).convert("RGB"))


@pytest.mark.parametrize("name", TURNED)
def test_turns_where_pillow_does(name):
    contents = TURNED[name]
    expected = by_pillow(contents)
    assert (expected.shape != (11, 7, 3)) or (expected != np.asarray(IMAGE)).mean() > 0.5  # Pillow turned it
    np.testing.assert_array_equal(IN_GRAPH(contents), expected)


@pytest.mark.parametrize("name", ["big-endian", "fill bytes", "behind 320 KB", "XMP, an attribute", "png"])
def test_eagerly(name):
    np.testing.assert_array_equal(decode_image(TURNED[name]), by_pillow(TURNED[name]))


@pytest.mark.parametrize("name", UPRIGHT)
def test_leaves_alone_what_pillow_does(name):
    contents = UPRIGHT[name]
    expected = by_pillow(contents)
    np.testing.assert_array_equal(expected, by_pillow(PNG if name.startswith("png") else JPEG))
    np.testing.assert_array_equal(IN_GRAPH(contents), expected)


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_block_says_nothing(name):
    plain = by_pillow(PNG if name.startswith("png") else JPEG)
    np.testing.assert_array_equal(IN_GRAPH(DAMAGED[name]), plain)


@pytest.mark.parametrize("seed", range(12))
def test_any_row_of_segments(seed):
    """Whatever comes in whatever order, and with any value."""
    random = np.random.default_rng(seed)
    order = "<>"[seed % 2]
    made = [
        lambda: app1(block(entry(int(random.integers(0, 10)), order=order), order=order)),
        lambda: app1(block(entry(1, tag=0x0100, order=order), order=order)),
        lambda: xmp(b'tiff:Orientation="%d">' % random.integers(0, 10)),
        lambda: segment(0xE2, random.bytes(int(random.integers(0, 9000)))),
        lambda: b"\xff" * int(random.integers(0, 9)),
        lambda: segment(0xFE, SIX),
    ]
    for _ in range(8):
        parts = [made[kind]() for kind in random.integers(0, len(made), random.integers(0, 7))]
        for build in (jpeg, jpeg_behind):
            np.testing.assert_array_equal(IN_GRAPH(build(*parts)), by_pillow(build(*parts)))


def test_only_files_that_may_need_it_are_walked_through():
    for contents in (JPEG, PNG, jpeg(LONG), jpeg(segment(0xE1, b"Exif\0"))):
        assert not may_be_turned(contents)
    for contents in (jpeg(*[LONG] * 5, SIX), jpeg(AS_ATTRIBUTE), png(chunk(b"eXIf", b""))):
        assert may_be_turned(contents)


def test_a_made_up_file_does_not_keep_it_busy(monkeypatch):
    """Thousands of segments in few bytes: what stands behind those that are looked at says nothing."""
    monkeypatch.setattr(module, "_MOST_STEPS", 50)
    decode = tf.function(
        lambda contents: decode_image(contents), input_signature=[tf.TensorSpec((), tf.string)]
    )
    empty, ancillary = segment(0xFE, b""), chunk(b"teSt", b"")
    contents = jpeg(*[empty] * 49, SIX), png(*[ancillary] * 48, chunk(b"eXIf", block(entry(6))))
    for turned in contents:
        np.testing.assert_array_equal(decode(turned), by_pillow(turned))
        assert decode(turned).shape == (7, 11, 3)
    for upright in (jpeg(*[empty] * 50, SIX), png(*[ancillary] * 49, chunk(b"eXIf", block(entry(6))))):
        assert decode(upright).shape == (11, 7, 3)
