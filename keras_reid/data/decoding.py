"""The one way in which image files become pixels, in training, evaluation, every export and the service.

Everything here is TensorFlow graph operations, so that it also runs inside `tf.data` and inside a SavedModel.
"""

import tensorflow as tf

from keras_reid.data.exif import jpeg_orientation, turn_upright

# How files of formats that are refused begin, to refuse them by name; \C is any byte.
_OTHER_FORMATS = {
    "GIF": rb"GIF8\C*",
    "WebP": rb"RIFF\C{4}WEBP",
    "TIFF": rb"(II\*\x00|MM\x00\*)\C*",
    "HEIC or AVIF": rb"\C{4}ftyp\C*",
    "JPEG XL": rb"(\xff\n|\x00\x00\x00\x0cJXL )\C*",
}


def decode_image(contents):
    """Decodes the bytes of one JPEG, PNG or BMP file to upright RGB pixels.

    The result equals `PIL.ImageOps.exif_transpose(image).convert("RGB")` to the bit: grey, palette and CMYK
    images become RGB, an alpha channel is dropped, the EXIF orientation of a JPEG is applied (that of a PNG
    is not looked for). A 16-bit PNG keeps its high byte, where PIL would clip a grey one to white.

    Args:
        contents: string tensor `()`, the bytes of the file.

    Returns:
        uint8 `(height, width, 3)`, RGB.

    Raises:
        tf.errors.InvalidArgumentError: if the file is empty, truncated or damaged, or of another format
            (GIF, WebP, TIFF, JPEG XL, a BMP with a palette or compression, text, ...). The message says
            which.

    Example:
        >>> decode_image(tf.io.read_file("0002_c1s1_000451_03.jpg")).shape
        TensorShape([128, 64, 3])
    """
    contents = tf.convert_to_tensor(contents)

    def begins(signature):
        return tf.strings.substr(contents, 0, len(signature)) == signature

    def decode_jpeg():
        image = tf.io.decode_jpeg(contents, channels=3, dct_method="INTEGER_ACCURATE")
        return turn_upright(image, jpeg_orientation(contents))

    def decode_png():
        return tf.io.decode_png(contents, channels=3)

    def decode_other():
        return tf.cond(begins(b"BM"), lambda: _decode_bmp(contents), lambda: _refuse(contents))

    image = tf.cond(
        begins(b"\xff\xd8\xff"),
        decode_jpeg,
        lambda: tf.cond(begins(b"\x89PNG\r\n\x1a\n"), decode_png, decode_other),
    )
    return tf.ensure_shape(image, (None, None, 3))


def resize_image(image, size):
    """Resizes one image with a bicubic filter, anti-aliased when it shrinks, as Pillow does.

    Like Pillow it filters one axis after the other and rounds and clips in between, which near sharp edges
    changes the result by up to 30 levels against filtering both at once. Width comes first, unless the
    height shrinks so much more that the other order is cheaper: height − new height > 2 · max(0, width − new
    width), Pillow 13's rule (older versions always begin with the width, and differ then). Pixels are at
    most 1 level off Pillow's, where its fixed-point arithmetic rounds the other way.

    Args:
        image: `(height, width, 3)`, uint8 or float 0–255.
        size: `(height, width)` in pixels.

    Returns:
        uint8 `(height, width, 3)` of the new size.

    Example:
        >>> resize_image(tf.zeros((128, 64, 3), "uint8"), (256, 128)).shape
        TensorShape([256, 128, 3])
    """
    shape = tf.shape(image)
    height, width = size

    def along_width(pixels):
        return _filter(pixels, (tf.shape(pixels)[0], width))

    def along_height(pixels):
        return _filter(pixels, (height, tf.shape(pixels)[1]))

    height_first = shape[0] - height > 2 * tf.maximum(shape[1] - width, 0)
    image = tf.cond(
        height_first,
        lambda: along_width(along_height(image)),
        lambda: along_height(along_width(image)),
    )
    return tf.ensure_shape(image, (height, width, 3))


def read_image(path):
    """Reads and decodes one file: string tensor `()` → uint8 `(height, width, 3)`. See `decode_image`."""
    return decode_image(tf.io.read_file(path))


def _filter(pixels, size):
    pixels = tf.image.resize(pixels, size, method="bicubic", antialias=True)
    # Halves go up, as in Pillow: the cast cuts the fraction off. (tf.round takes halves to the even
    # neighbour.)
    return tf.cast(tf.clip_by_value(pixels + 0.5, 0.0, 255.0), tf.uint8)


def _decode_bmp(contents):
    """24 or 32 bits a pixel; TensorFlow takes the indices of a palette for grey levels: refused."""
    header = tf.strings.substr(tf.strings.join([contents, b"\0" * 54]), 0, 54)
    bits, compression = tf.strings.substr(header, 28, 2), tf.strings.substr(header, 30, 4)
    plain = ((bits == b"\x18\0") | (bits == b"\x20\0")) & (compression == b"\0\0\0\0")
    message = "not a BMP with 24 or 32 bits a pixel and no compression; convert it to PNG or JPEG"
    return tf.cond(plain, lambda: tf.io.decode_bmp(contents, channels=0)[:, :, :3], lambda: _fail(message))


def _refuse(contents):
    """Fails with the reason why the file is none that can be decoded."""
    start = tf.strings.substr(tf.strings.join([contents, b"\0" * 12]), 0, 12)
    reason = tf.constant("not a JPEG, PNG or BMP image")
    for name, pattern in _OTHER_FORMATS.items():
        found = tf.strings.regex_full_match(start, pattern)
        reason = tf.where(found, f"{name} is not supported; convert it to PNG or JPEG", reason)
    return _fail(tf.where(contents == b"", "the file is empty", reason))


def _fail(message):
    with tf.control_dependencies([tf.debugging.Assert(tf.constant(False), [message])]):
        return tf.zeros((0, 0, 3), tf.uint8)
