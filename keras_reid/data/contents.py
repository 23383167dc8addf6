"""The bytes of an image, from its own file or from a record in a TFRecord file."""

from __future__ import annotations

import os

import tensorflow as tf

_RECORD = r".*\.tfrecord#\d+"
_BUFFER = 1 << 16  # bytes; more than most images, so that one reading is enough


def read_contents(path: str | tf.Tensor) -> tf.Tensor:
    """Reads the encoded image that a path names.

    Args:
        path: string tensor `()`: a file, or `FILE.tfrecord#OFFSET` for the record that begins at that byte, as
            `keras_reid.data.datasets.records` writes them.

    Returns:
        string `()`.

    Raises:
        tf.errors.NotFoundError: if there is no such file.
        tf.errors.DataLossError: if the record is damaged, or no record begins there.
    """
    path = tf.convert_to_tensor(path)
    is_record = tf.strings.regex_full_match(path, _RECORD)
    return tf.cond(is_record, lambda: _read_record(path), lambda: tf.io.read_file(path))


def _read_record(path):
    file, offset = tf.unstack(tf.strings.split(path, "#")[-2:], 2)
    # A data set of the records from there on, of which one is taken: TensorFlow has no other way to begin at an offset.
    records = tf.raw_ops.TFRecordDatasetV2(
        filenames=file[None],
        compression_type="",
        buffer_size=tf.constant(_BUFFER, tf.int64),
        byte_offsets=tf.strings.to_number(offset, tf.int64)[None],
    )
    kind = {"output_types": [tf.string], "output_shapes": [()]}
    one = tf.raw_ops.TakeDataset(input_dataset=records, count=1, **kind)
    (record,) = tf.raw_ops.DatasetToSingleElement(dataset=one, **kind)
    return tf.io.parse_single_example(record, {"image": tf.io.FixedLenFeature((), tf.string)})["image"]


def contents_of(path: str | os.PathLike[str]) -> bytes:
    """As `read_contents`, in Python: the bytes of an image.

    Args:
        path: str or path-like. TensorFlow reads it only where it is a record or a remote file, because it takes ten
            times as long.

    Raises:
        OSError, tf.errors.OpError: it cannot be read.
    """
    name = os.fsencode(path)
    if b".tfrecord#" in name or b"://" in name:
        return _read(tf.constant(name)).numpy()
    with open(path, "rb") as stream:
        return stream.read()


_read = tf.function(read_contents, input_signature=[tf.TensorSpec((), tf.string)])
