"""The one way in which image files become pixels, in training, evaluation, every export and the service.

Everything here is TensorFlow graph operations, so that it also runs inside `tf.data` and inside a SavedModel.
"""

from __future__ import annotations

import contextlib
import functools
from typing import Any

import tensorflow as tf

from keras_reid.data.contents import read_contents
from keras_reid.data.exif import may_be_turned, orientation, turn_upright

FEW = 256  # images for which building a graph, half a second, costs more than it saves

_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"

# How files of formats that are refused begin, to refuse them by name; \C is any byte.
_OTHER_FORMATS = {
    "GIF": rb"GIF8\C*",
    "WebP": rb"RIFF\C{4}WEBP",
    "TIFF": rb"(II\*\x00|MM\x00\*)\C*",
    "HEIC or AVIF": rb"\C{4}ftyp\C*",
    "JPEG XL": rb"\x00\x00\x00\x0cJXL \C*",
    "JPEG 2000": rb"\x00\x00\x00\x0cjP  \C*",
    "PPM, PGM or PBM": rb"P[1-6]\s\C*",
}
# A regular expression of TensorFlow takes \xff for a letter of two bytes.
_OTHER_STARTS = {"JPEG XL": b"\xff\n", "JPEG 2000": b"\xff\x4f\xff\x51"}


def decode_image(contents: bytes | tf.Tensor) -> tf.Tensor:
    """Decodes the bytes of one JPEG, PNG or BMP file to upright RGB pixels.

    The result equals `PIL.ImageOps.exif_transpose(image).convert("RGB")` to the bit: grey, palette and CMYK
    images become RGB, an alpha channel is dropped, and the image is turned as the Exif segments or the XMP of a
    JPEG and the eXIf chunk of a PNG say. (PIL also reads the text chunks of a PNG; these are not read here.) A 16-bit
    PNG keeps its high byte, where PIL would clip a grey one to white.

    Args:
        contents: string tensor `()`, the bytes of the file.

    Returns:
        uint8 `(height, width, 3)`, RGB.

    Raises:
        tf.errors.InvalidArgumentError: if the file is empty, truncated or damaged, or of another format
            (GIF, WebP, TIFF, HEIC, JPEG XL, JPEG 2000, PPM, a BMP with a palette or compression, text, ...).
            The message says which.

    Example:
        >>> decode_image(tf.io.read_file("0002_c1s1_000451_03.jpg")).shape
        TensorShape([128, 64, 3])
    """
    contents = tf.convert_to_tensor(contents)
    start = tf.strings.substr(contents, 0, len(_PNG))
    is_jpeg = tf.strings.substr(start, 0, len(_JPEG)) == _JPEG
    is_png = start == _PNG

    def decode_jpeg():
        return tf.io.decode_jpeg(contents, channels=3, dct_method="INTEGER_ACCURATE")

    def decode_png():
        return tf.io.decode_png(contents, channels=3)

    def decode_turned():
        image = tf.cond(is_jpeg, decode_jpeg, decode_png)
        return turn_upright(image, orientation(contents, is_jpeg))

    def decode_other():
        is_bmp = tf.strings.substr(start, 0, 2) == b"BM"
        return tf.cond(is_bmp, lambda: _decode_bmp(contents), lambda: _refuse(contents))

    # One choice among four and not one inside the other: each costs a tenth of decoding a small image.
    turned = may_be_turned(tf.where(is_jpeg | is_png, contents, b""))
    kind = tf.where(turned, 2, tf.where(is_jpeg, 0, tf.where(is_png, 1, 3)))
    image = tf.switch_case(kind, [decode_jpeg, decode_png, decode_turned, decode_other])
    return tf.ensure_shape(image, (None, None, 3))


def decode_bytes(contents: bytes, few: bool = False) -> tf.Tensor:
    """As `decode_image`, to the bit, outside of a graph.

    Args:
        contents: the bytes of the file.
        few: whether at most `FEW` images are to be decoded. Each then takes 0.3 ms longer, but no graph is built, which
            takes half a second at the first image. Defaults to False.

    Returns:
        uint8 `(height, width, 3)`, RGB.

    Raises:
        tf.errors.InvalidArgumentError: as `decode_image`.

    Example:
        >>> decode_bytes(open("0002_c1s1_000451_03.jpg", "rb").read()).shape
        TensorShape([128, 64, 3])
    """
    if few:
        with contextlib.suppress(tf.errors.OpError):  # the graph says better what is wrong
            return decode_image(contents)
    return decoding_graph()(contents)


@functools.cache
def decoding_graph() -> Any:
    """`decode_image` as a graph of its own, built once for all callers outside of other graphs."""
    return tf.function(decode_image, input_signature=[tf.TensorSpec((), tf.string)], autograph=False)


def read_image(path: str | tf.Tensor) -> tf.Tensor:
    """Reads and decodes one image: string tensor `()` → uint8 `(height, width, 3)`.

    See `keras_reid.data.contents.read_contents` for the path and `decode_image` for the rest.
    """
    return decode_image(read_contents(path))


def _decode_bmp(contents):
    """24 or 32 bits a pixel; TensorFlow takes the indices of a palette for grey levels: refused."""
    header = tf.strings.substr(tf.strings.join([contents, b"\0" * 54]), 0, 54)
    bits, compression = tf.strings.substr(header, 28, 2), tf.strings.substr(header, 30, 4)
    plain = ((bits == b"\x18\0") | (bits == b"\x20\0")) & (compression == b"\0\0\0\0")
    message = "not a BMP with 24 or 32 bits a pixel and no compression; convert it to PNG or JPEG"
    return tf.cond(plain, lambda: tf.io.decode_bmp(contents, channels=0)[:, :, :3], lambda: _fail(message))


def _refuse(contents):
    """Fails with the reason why the file cannot be decoded."""
    start = tf.strings.substr(tf.strings.join([contents, b"\0" * 12]), 0, 12)
    reason = tf.constant("not a JPEG, PNG or BMP image")
    is_one = {name: tf.strings.regex_full_match(start, pattern) for name, pattern in _OTHER_FORMATS.items()}
    for name, prefix in _OTHER_STARTS.items():
        is_one[name] |= tf.strings.substr(start, 0, len(prefix)) == prefix
    for name, found in is_one.items():
        reason = tf.where(found, f"{name} is not supported; convert it to PNG or JPEG", reason)
    return _fail(tf.where(contents == b"", "the file is empty", reason))


def _fail(message):
    with tf.control_dependencies([tf.debugging.Assert(tf.constant(False), [message])]):
        return tf.zeros((0, 0, 3), tf.uint8)
