"""Rejects files before decoding: not an image, too many bytes, pixels or scans, or truncated."""

import tensorflow as tf

from keras_reid.data.image_limits import MOST_SCANS
from keras_reid.export.jpeg_scans import jpeg_scans

_JPEG, _PNG, _BMP = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM"
_SCAN = 10  # bytes of the shortest scan
_LITTLE = 2  # decoding this many scans of the largest image is cheap enough
_HEADER = 32  # bytes in which PNG and BMP state their size
_PNG_END = b"IEND\xaeB`\x82"  # the last chunk: name and checksum


def checked_images(contents: tf.Tensor, max_bytes: int, max_megapixels: float) -> tf.Tensor:
    """Returns the files unchanged if all of them may be decoded; otherwise fails and names the first bad row.

    The size in pixels is read from the header (JPEG: frame header, PNG: IHDR, BMP), so that a small file that claims to
    hold a huge image is never unpacked. The scans of a JPEG are counted only if the file is long enough to hold so many
    scans that they cost more than decoding the largest image: see `keras_reid.data.image_limits`.
    The end of a file shows whether it is complete: a JPEG has its end marker after the last scan, a PNG its last chunk,
    a BMP all its rows. TensorFlow does not decode incomplete files.
    Two kinds of damage are found only by the decoder, whose error does not name the row: damage in the middle of a
    file, and a JPEG that is cut off inside its header after a complete thumbnail.

    Args:
        contents: string tensor `(n,)`.
        max_bytes: size of the largest accepted file.
        max_megapixels: size of the largest accepted image, in millions of pixels.

    Returns:
        string tensor `(n,)`.

    Raises:
        tf.errors.InvalidArgumentError: a file breaks a rule; the message gives the rule, what was received and the
            remedy.

    Example:
        >>> checked_images(tf.constant([b"text"]), 1000, 1.0)  # doctest: +SKIP
        InvalidArgumentError: image_bytes[0] must be a JPEG, PNG or BMP file. Received: …
    """
    length, most = tf.strings.length(contents), int(max_megapixels * 1e6)
    is_jpeg, is_png, is_bmp = (
        tf.strings.substr(contents, 0, len(magic)) == magic for magic in (_JPEG, _PNG, _BMP)
    )
    is_small = length <= max_bytes  # larger files are not searched
    is_whole = _is_whole(contents, is_jpeg & is_small, is_png & is_small)
    header = _headers(contents)
    png_size = _big_endian(header, 16), _big_endian(header, 20)
    bmp_size = _little_endian(header, 18), _signed(_little_endian(header, 22))
    is_whole |= is_bmp & _bmp_is_whole(header, *bmp_size, tf.cast(length, tf.int64))
    jpeg_size = _jpeg_sizes(contents, is_jpeg & is_whole)
    width, height = (
        tf.where(is_png, png, tf.where(is_bmp, bmp, jpeg))
        for png, bmp, jpeg in zip(png_size, bmp_size, jpeg_size, strict=True)
    )
    is_sound = is_jpeg & is_whole & (width <= most) & (height <= most) & (width * height <= most)
    may_have = tf.cast(length, tf.int64) // _SCAN
    scans = jpeg_scans(contents, is_sound & (width * height * may_have > _LITTLE * most))
    rules = (
        (
            is_jpeg | is_png | is_bmp,
            "be a JPEG, PNG or BMP file. Received: {} bytes that start like none of them",
            (length,),
        ),
        (
            is_small,
            f"have at most {max_bytes} bytes. Received: {{}} bytes. "
            "Send a smaller file, or export the model with a higher --max-image-bytes",
            (length,),
        ),
        (
            # Check each side as well: the product of the sides that a PNG may claim can overflow 64 bits.
            (width <= most) & (height <= most) & (width * height <= most),
            f"have at most {max_megapixels:g} megapixels. Received: {{}} x {{}} pixels. "
            "Send a smaller image, or export the model with a higher --max-megapixels",
            (width, height),
        ),
        (
            scans <= MOST_SCANS,
            f"be a JPEG with at most {MOST_SCANS} scans. Received: {{}} or more, which no camera or editor writes. "
            "Save the image again",
            (scans,),
        ),
        (
            is_whole,
            "be a complete file. Received: {} bytes without the end of an image. Was the upload cut off?",
            (length,),
        ),
    )
    broken = tf.stack([~good for good, _, _ in rules])
    with tf.control_dependencies([tf.cond(tf.reduce_any(broken), lambda: _refuse(broken, rules), tf.no_op)]):
        return tf.identity(contents)


def _refuse(broken, rules):
    """Fails with the first row that breaks a rule and the first rule it breaks; `broken` is `(rules, n)`."""
    row = tf.argmax(tf.cast(tf.reduce_any(broken, 0), tf.int32))

    def message(rule, received):
        return lambda: tf.strings.format(
            f"image_bytes[{{}}] must {rule}", (row, *(values[row] for values in received))
        )

    first = tf.argmax(tf.cast(broken[:, row], tf.int32), output_type=tf.int32)
    text = tf.switch_case(first, [message(rule, received) for _, rule, received in rules])
    return tf.debugging.Assert(tf.constant(False), [text])


def _is_whole(contents, is_jpeg, is_png):
    """Whether the end marker of a JPEG or PNG is there; some cameras append more data after it."""
    at_end = is_jpeg & (_last(contents, 2) == b"\xff\xd9")
    at_end |= is_png & (_last(contents, len(_PNG_END)) == _PNG_END)
    rest = tf.where(is_png & ~at_end, contents, b"")
    found = tf.strings.regex_full_match(rest, r"(?s)\C*IEND\C{4}\C*")  # \C is any byte
    return at_end | found | _end_follows_scan(contents, is_jpeg & ~at_end)


def _bmp_is_whole(header, width, height, length):
    """Whether the rows (padded to 4 bytes) end where the file does; True for variants that are not decoded."""
    channels = header[:, 28] // 8
    known = (channels == 3) | (channels == 4)
    return ~known | (length == _little_endian(header, 10) + (channels * width + 3) // 4 * 4 * height)


def _end_follows_scan(contents, wanted):
    """Whether an end marker follows the last scan header; False for rows that are not wanted.

    Neither marker can occur inside a scan. Before it, both occur in a thumbnail.
    """

    def search(item):
        octets = tf.io.decode_raw(item[0], tf.uint8)

        def last(marker):
            return tf.reduce_max(tf.where((octets[:-1] == 0xFF) & (octets[1:] == marker)))

        return last(0xD9) > last(0xDA)  # a missing marker gives the smallest integer

    def search_all():
        return tf.map_fn(
            lambda item: tf.cond(item[1], lambda: search(item), lambda: False),
            (contents, wanted),
            fn_output_signature=tf.bool,
        )

    return tf.cond(tf.reduce_any(wanted), search_all, lambda: wanted)


def _jpeg_sizes(contents, known):
    """Width and height, int64 `(n,)`, of the rows that are JPEG files; 0 for the others."""

    def size(item):
        data, wanted = item
        return tf.cond(wanted, lambda: tf.io.extract_jpeg_shape(data), lambda: tf.zeros(3, tf.int32))

    shapes = tf.map_fn(size, (contents, known), fn_output_signature=tf.TensorSpec((3,), tf.int32))
    shapes = tf.cast(shapes, tf.int64)
    return shapes[:, 1], shapes[:, 0]


def _last(contents, count):
    start = tf.maximum(tf.strings.length(contents) - count, 0)
    return tf.strings.substr(contents, start, tf.fill(tf.shape(start), count))


def _headers(contents):
    """The first bytes as int64 `(n, 32)`, padded with zeros."""
    start = tf.strings.substr(contents, 0, _HEADER)
    return tf.cast(tf.io.decode_raw(start, tf.uint8, fixed_length=_HEADER), tf.int64)


def _big_endian(header, offset):
    return sum(header[:, offset + place] * 256 ** (3 - place) for place in range(4))


def _little_endian(header, offset):
    return sum(header[:, offset + place] * 256**place for place in range(4))


def _signed(number):
    """Absolute value of a 32-bit integer: the height of a BMP is negative if its first row is at the top."""
    return tf.where(number >= 2**31, 2**32 - number, number)
