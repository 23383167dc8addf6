"""The bytes of an image, from its own file or from a record in a TFRecord file."""

import tensorflow as tf

_RECORD = r".*\.tfrecord#\d+"
_BUFFER = 1 << 16  # bytes; more than most images, so that one reading is enough


def read_contents(path):
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
