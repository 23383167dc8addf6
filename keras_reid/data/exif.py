"""The orientation that a camera wrote into an image file, read and applied with TensorFlow graph operations.

Each operation counts: `tf.data` optimises the graph of its function again for every pass over the data.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

_TAG = 0x0112
_NONE = -1  # the orientation where nothing names one
# A TIFF directory entry: tag (2 bytes), type (2), count (4), value (4). A value of fewer bytes stands at their left.
_ENTRY = 12
_SIZES = (
    0,
    1,
    1,
    2,
    4,
    8,
    1,
    1,
    2,
    4,
    8,
    4,
    8,
    4,
)  # bytes of a value by its type; type 0 is all that is unknown
# The columns of `_fields`: tag, type, count, the value as integer of 1, 2 and 4 bytes, and 0.
_INTEGER_OF = (
    6,
    6,
    6,
    4,
    5,
    6,
    3,
    6,
    4,
    5,
    6,
    6,
    6,
    5,
)  # the column of a value by its type; text and fractions are 0
_SENTINEL = ((_TAG, 4, 1, _NONE, _NONE, _NONE, 0),)  # an entry behind the last
_APP1, _START_OF_SCAN = 0xE1, 0xDA
_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_XMP_ORIENTATION = r'(?s)\C*?tiff:Orientation(?:="|>)([0-9])\C*'  # \C is any byte
_WINDOW = 4096  # bytes in which the next marker is looked for at a time
# Segments and chunks that are looked at, and windows without a marker. No file of a camera has a tenth of it, and a
# small made-up one must not keep a server busy.
_MOST_STEPS = 4096


def _fields(big_endian):
    """`(12, 7)` int64: what makes integers of the bytes of an entry."""
    weights = np.zeros((_ENTRY, 7), np.int64)
    for column, (start, length) in enumerate(((0, 2), (2, 2), (4, 4), (8, 1), (8, 2), (8, 4))):
        powers = 256 ** np.arange(length)
        weights[start : start + length, column] = powers[::-1] if big_endian else powers
    return weights


def may_be_turned(contents: tf.Tensor) -> tf.Tensor:
    """Whether the name of something that holds an orientation stands anywhere in a file.

    Walking through the segments costs several times the decoding of a small image, and few files need it. This costs
    about 0.5 ms for each megabyte.

    Args:
        contents: string tensor `()`, the bytes of a JPEG or PNG file.

    Returns:
        bool `()`.
    """
    rest = contents
    for name in (r"Exif\x00\x00", "eXIf", "tiff:Orientation"):
        # One after the other: a search for a plain text is ten times as fast as one for a choice of texts.
        rest = tf.strings.regex_replace(rest, name, "", replace_global=False)
    return tf.strings.length(rest) < tf.strings.length(contents)


def orientation(contents: tf.Tensor, is_jpeg: tf.Tensor) -> tf.Tensor:
    """The orientation of a JPEG file by its Exif segments, else by its XMP; that of a PNG file by its eXIf chunk.

    Args:
        contents: string tensor `()`, the bytes of the file.
        is_jpeg: bool `()`, whether it is a JPEG; else it is a PNG.

    Returns:
        int32 `()`; 1 … 8 as EXIF defines it, anything else means nothing.
    """
    data = tf.concat([tf.io.decode_raw(contents, tf.uint8), tf.zeros(4, tf.uint8)], 0)
    exif, xmp = tf.cond(is_jpeg, lambda: _in_jpeg(contents, data), lambda: (_in_png(contents, data), b""))
    by_exif = _orientation(exif)
    by_xmp = tf.strings.regex_replace(xmp, _XMP_ORIENTATION, r"\1")
    by_xmp = tf.where(tf.strings.length(by_xmp) == 1, by_xmp, "1")
    return tf.where(by_exif == _NONE, tf.strings.to_number(by_xmp, tf.int32), by_exif)


def turn_upright(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turns and mirrors an image so that it is upright, as `PIL.ImageOps.exif_transpose` does.

    Args:
        image: `(height, width, channels)`.
        orientation: int32 `()`, 1 … 8 as EXIF defines it; anything else leaves the image alone.

    Returns:
        the image; height and width are exchanged for the orientations 5 … 8.
    """

    def turn():
        # Every orientation is an exchange of the axes or not, then a reversal of columns, rows, both or none.
        turned = tf.transpose(image, tf.where(orientation >= 5, (1, 0, 2), (0, 1, 2)))
        is_one_of = tf.reduce_any(orientation == tf.constant([[3, 4, 7, 8], [2, 3, 6, 7]]), axis=1)
        return tf.reverse(turned, tf.boolean_mask((0, 1), is_one_of))

    return tf.cond((orientation > 1) & (orientation <= 8), turn, lambda: image)


def _in_jpeg(contents, data):
    """What stands in the segments before the image, `(exif, xmp)`: that of all Exif segments, and the last XMP.

    As the decoder does, this passes over fill bytes (0xFF) and whatever else stands between two segments.
    """
    size = tf.strings.length(contents)

    def step(position, exif, xmp):
        window = data[position : position + _WINDOW]
        is_marker = (window[:-1] == 0xFF) & (window[1:] != 0) & (window[1:] != 0xFF)
        # Without one in the window, this is its first byte.
        place = position + tf.argmax(tf.cast(is_marker, tf.uint8), output_type=tf.int32)
        found = tf.reduce_any(is_marker)
        _, marker, high, low = tf.unstack(tf.cast(data[place : place + 4], tf.int32), 4)
        content = tf.minimum(place + 4, size)
        end = tf.clip_by_value(
            place + 2 + 256 * high + low, content, size
        )  # a length counts its own two bytes
        segment = tf.strings.substr(contents, content, tf.where(found & (marker == _APP1), end - content, 0))
        is_exif = tf.strings.substr(segment, 0, len(_EXIF)) == _EXIF
        is_xmp = tf.strings.substr(segment, 0, len(_XMP)) == _XMP
        start = tf.minimum(content + len(_EXIF), size)
        block = tf.strings.substr(contents, start, tf.where(is_exif, end - start, 0))
        # Restart markers, start and end of an image have no length.
        alone = (marker < 0xC0) | ((marker >= 0xD0) & (marker <= 0xD9))
        after = tf.where(marker == _START_OF_SCAN, size, tf.where(alone, place + 2, end))
        position = tf.where(
            found, after, position + _WINDOW - 1
        )  # the last byte may be the first of a marker
        return position, tf.strings.join([exif, block]), tf.where(is_xmp, segment, xmp)

    _, exif, xmp = _while(lambda position, *_: position + 4 <= size, step, (2, b"", b""))
    return exif, xmp


def _in_png(contents, data):
    """The last eXIf chunk of a PNG."""
    size = tf.strings.length(contents)

    def step(position, exif):
        # Beyond what a file may hold, so that it ends there, and not beyond what an integer may.
        length = tf.minimum(tf.cast(_number(data[position : position + 4], True), tf.int32), size)
        is_exif = tf.strings.substr(contents, position + 4, 4) == b"eXIf"
        chunk = tf.strings.substr(contents, position + 8, tf.where(is_exif, length, 0))
        return position + 12 + length, tf.where(is_exif, chunk, exif)

    # A chunk has a length (4 bytes), a name (4), its content and a checksum (4).
    return _while(lambda position, _: position + 12 <= size, step, (8, b""))[1]


def _while(goes_on, step, state):
    return tf.while_loop(goes_on, step, state, parallel_iterations=1, maximum_iterations=_MOST_STEPS)


def _number(octets, big_endian):
    """An integer of four bytes, int64 `()`."""
    powers = 256 ** np.arange(4)
    return tf.reduce_sum(tf.cast(octets, tf.int64) * tf.where(big_endian, powers[::-1], powers))


def _orientation(exif):
    """The orientation in the first directory of a TIFF block, int32 `()`; -1 where there is none, or no such block.

    A value that does not fit into its entry is not looked at: it would be three numbers or more.
    """
    exif = tf.strings.regex_replace(
        exif, r"^Exif\x00\x00", "", replace_global=False
    )  # some write the name twice
    # With the two bytes behind the letters exchanged by mistake, too.
    is_block = tf.strings.regex_full_match(tf.strings.substr(exif, 0, 4), r"(II|MM)(\*\x00|\x00\*)")
    exif = tf.where(is_block, exif, b"")
    size = tf.cast(tf.strings.length(exif), tf.int64)
    data = tf.concat([tf.cast(tf.io.decode_raw(exif, tf.uint8), tf.int64), tf.zeros(_ENTRY, tf.int64)], 0)
    big_endian = data[0] == ord("M")
    fields = tf.where(big_endian, _fields(True), _fields(False))
    directory = tf.minimum(_number(data[4:8], big_endian), size)
    # Two bytes with the number of entries come first.
    count = tf.reduce_sum(data[directory : directory + 2] * fields[:2, 0])
    count = tf.clip_by_value(count, 0, tf.maximum((size - directory - 2) // _ENTRY, 0))
    entries = tf.reshape(data[directory + 2 : directory + 2 + _ENTRY * count], (-1, _ENTRY))
    entries = tf.concat([tf.matmul(entries, fields), np.array(_SENTINEL)], 0)
    tags, kinds, counts = entries[:, 0], entries[:, 1], entries[:, 2]
    kinds = tf.where(kinds < len(_SIZES), kinds, 0)
    lengths = counts * tf.gather(tf.constant(_SIZES, tf.int64), kinds)
    first = tf.argmax(tf.cast((tags == _TAG) & (lengths > 0) & (lengths <= 4), tf.uint8))
    value = entries[first, tf.gather(tf.constant(_INTEGER_OF, tf.int64), kinds[first])]
    return tf.cast(tf.minimum(value, 9), tf.int32)
