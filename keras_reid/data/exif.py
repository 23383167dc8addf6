"""The orientation that a camera wrote into a JPEG file, read and applied with TensorFlow graph operations."""

import tensorflow as tf

_ORIENTATION_TAG, _SHORT = 0x0112, 3
_APP1, _START_OF_SCAN = 0xE1, 0xDA
_METADATA = 1 << 18  # bytes at the start of a file in which the Exif segment must begin
_ENTRY = 12  # bytes of a directory entry: tag (2), type (2), count (4), value (4)


def may_have_exif(jpeg):
    """Whether the name of an Exif segment stands anywhere in the first part of a file.

    Walking through the segments costs several times the decoding of a small image, and few files need it.

    Args:
        jpeg: string tensor `()`, the bytes of the file.

    Returns:
        bool `()`.
    """
    start = tf.strings.substr(jpeg, 0, _METADATA)
    return tf.strings.regex_full_match(start, r"(?s)\C*Exif\x00\C*")  # \C is any byte


def jpeg_orientation(contents):
    """The EXIF orientation of a JPEG file, 1 … 8; 1 (upright) if it has none or a damaged one.

    Args:
        contents: string tensor `()`, the bytes of the file.

    Returns:
        int32 `()`.
    """
    data = tf.io.decode_raw(contents, tf.uint8)
    start = _exif_start(data)
    return tf.cond(start > 0, lambda: _orientation(data[start:]), lambda: tf.constant(1))


def turn_upright(image, orientation):
    """Turns and mirrors an image so that it is upright, as `PIL.ImageOps.exif_transpose` does.

    Args:
        image: `(height, width, channels)`.
        orientation: int32 `()`, 1 … 8 as EXIF defines it; anything else leaves the image alone.

    Returns:
        the image; height and width are exchanged for the orientations 5 … 8.
    """

    def is_one_of(*values):
        return tf.reduce_any(orientation == tf.constant(values))

    def turn():
        # Every orientation is an exchange of the axes or not, then a reversal of columns, rows, both or none.
        turned = tf.cond(is_one_of(5, 6, 7, 8), lambda: tf.transpose(image, (1, 0, 2)), lambda: image)
        turned = tf.cond(is_one_of(2, 3, 6, 7), lambda: tf.reverse(turned, [1]), lambda: turned)
        return tf.cond(is_one_of(3, 4, 7, 8), lambda: tf.reverse(turned, [0]), lambda: turned)

    return tf.cond((orientation > 1) & (orientation <= 8), turn, lambda: image)


def _exif_start(data):
    """Where the TIFF block of the first Exif segment begins, 0 if there is none."""
    size = tf.size(data)

    def goes_on(position, start):
        # Before the image data, every segment has a marker (2 bytes) and a length (2 bytes, counting itself).
        here = tf.minimum(position, size - 2)
        is_segment = (data[here] == 0xFF) & (data[here + 1] != _START_OF_SCAN)
        return (start == 0) & (position + 4 <= size) & is_segment

    def step(position, start):
        is_exif = (data[position + 1] == _APP1) & _begins(data[position + 4 :], b"Exif\0\0")
        length = tf.cast(data[position + 2], tf.int32) * 256 + tf.cast(data[position + 3], tf.int32)
        return position + 2 + length, tf.where(is_exif, position + 10, start)

    _, start = tf.while_loop(goes_on, step, (tf.constant(2), tf.constant(0)), parallel_iterations=1)
    return start


def _begins(data, expected):
    head = tf.concat([data[: len(expected)], tf.zeros(len(expected), tf.uint8)], 0)[: len(expected)]
    return tf.reduce_all(head == tf.constant(list(expected), tf.uint8))


def _orientation(block):
    """The orientation in the first directory of a TIFF block; damaged offsets are clipped to the block."""
    size = tf.cast(tf.size(block), tf.int64)
    big_endian = block[0] == ord("M")

    def number(offsets, length):
        places = tf.range(length, dtype=tf.int64)
        octets = tf.gather(block, tf.clip_by_value(offsets[..., None] + places, 0, size - 1))
        octets = tf.cast(tf.where(big_endian, octets[..., ::-1], octets), tf.int64)
        return tf.reduce_sum(octets * [256**place for place in range(length)], -1)

    directory = number(tf.constant(4, tf.int64), 4)
    count = tf.clip_by_value(number(directory, 2), 0, tf.maximum((size - directory - 2) // _ENTRY, 0))
    entries = directory + 2 + _ENTRY * tf.range(count)
    mine = tf.boolean_mask(entries, number(entries, 2) == _ORIENTATION_TAG)[:1]
    value = tf.where(number(mine + 2, 2) == _SHORT, number(mine + 8, 2), number(mine + 8, 4))
    value = tf.concat([value, [1]], 0)[0]  # no such entry: upright
    return tf.where((value >= 1) & (value <= 8), tf.cast(value, tf.int32), 1)
