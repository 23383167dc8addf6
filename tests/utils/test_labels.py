import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_reid.utils.labels import (
    NO_LABELS,
    check_labels,
    class_numbers,
    integers,
    nan_where_not,
    range_in_words,
    whole_numbers,
)

ROWS = np.zeros((3, 2), "float32")


def compiled(function, labels, shape=(None,)):
    """The result of a function for labels and rows with unknown values and sizes."""
    labels = np.asarray(labels)
    signature = [tf.TensorSpec(shape, labels.dtype), tf.TensorSpec((None, 2), "float32")]
    return [np.asarray(x) for x in tf.function(function, input_signature=signature)(labels, ROWS)]


def of_classes(labels, rows):
    return class_numbers(labels, rows, "Loss", 4)


@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "int32", "uint32", "int64", "uint64", "float16", "float64"]
)
def test_class_numbers_of_every_type(dtype):
    labels = np.array([0, 3, 1], dtype)
    for found in (of_classes(labels, ROWS), compiled(of_classes, labels)):
        assert np.asarray(found[0]).dtype == "int32"
        np.testing.assert_array_equal(found[0], [0, 3, 1])
        np.testing.assert_array_equal(found[1], [True] * 3)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (np.array([0, 4, 3]), [0, -1, 3]),
        (np.array([0, -1, 3]), [0, -1, 3]),
        (np.array([0, 2**32 + 1, 3], "int64"), [0, -1, 3]),  # 1 in 32 bits
        (np.array([0, 2**32 - 1, 3], "uint32"), [0, -1, 3]),
        (np.array([0, 2**64 - 1, 3], "uint64"), [0, -1, 3]),
        (np.array([0, 1.5, 3], "float32"), [0, -1, 3]),
        (np.array([0, np.nan, 3], "float64"), [0, -1, 3]),
    ],
    ids=["above", "below", "wraps", "uint32", "uint64", "fraction", "NaN"],
)
def test_a_label_that_is_no_class(labels, expected):
    with pytest.raises(ValueError, match=r"^Loss: labels must be .* Received: label .* in row 1\. "):
        of_classes(labels, ROWS)
    with pytest.raises(ValueError, match="in row 1"):
        of_classes(tf.constant(labels), ROWS)
    numbers, right = compiled(of_classes, labels)
    np.testing.assert_array_equal(numbers, expected)
    np.testing.assert_array_equal(right, [True, False, True])


def test_the_message_has_the_rule_the_label_its_row_and_the_remedy():
    message = (
        "CrossEntropy: labels must be class numbers from 0 to 3, for 4 classes. Received: label 9 in row 1 "
        "(and 1 more of 4). Number the identities from 0, numpy.unique(identities, return_inverse=True)[1], and make "
        "as many classes as there are identities."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_labels(np.array([3, 9, 0, 4]), "CrossEntropy", below=4)
    assert range_in_words(1, "cluster") == "cluster numbers from 0 to 0, for 1 cluster"


def test_one_hot_rows_say_how_to_make_them_numbers():
    message = r"of shape \(batch,\) or \(batch, 1\)\. Received: labels of shape \((3|None), 4\)\. .*argmax\(axis=-1\)"
    with pytest.raises(ValueError, match=message):
        of_classes(np.eye(3, 4), ROWS)
    with pytest.raises(ValueError, match=message):
        compiled(of_classes, np.eye(3, 4), (None, 4))


@pytest.mark.parametrize("labels", [np.array(2), np.zeros((3, 1, 1), int)], ids=["one number", "three axes"])
def test_other_shapes(labels):
    with pytest.raises(ValueError, match="Received: labels of shape"):
        of_classes(labels, ROWS)


def test_one_label_for_all_rows_is_refused():
    with pytest.raises(ValueError, match=r"one label per sample\. Received: 1 labels for 3 samples"):
        of_classes(np.array([2]), ROWS)
    _, right = compiled(of_classes, np.array([2]))
    assert not right.any()


def test_strings_are_no_numbers():
    with pytest.raises(ValueError, match=r"must be whole numbers\. Received: labels of type <U4"):
        of_classes(np.array(["0002", "0003", "0004"]), ROWS)
    with pytest.raises(ValueError, match=r"must be whole numbers\. Received: labels of type string"):
        compiled(of_classes, np.array([b"0002", b"0003", b"0004"], object).astype("S4"))


def test_whole_numbers_of_64_bits_stay_apart():
    labels = np.array([7, 7 + 2**32, -3], "int64")
    for found in (
        whole_numbers(labels, ROWS, "Loss"),
        compiled(lambda x, y: whole_numbers(x, y, "Loss"), labels),
    ):
        np.testing.assert_array_equal(found[0], labels)
        np.testing.assert_array_equal(found[1], [True] * 3)


def test_whole_numbers_of_32_bits():
    labels = np.array([7, 7 + 2**32, -3], "int64")
    with pytest.raises(ValueError, match=f"must fit 32 bits.* Received: label {7 + 2**32} in row 1"):
        whole_numbers(labels, ROWS, "Loss", bits=32)
    found, right = compiled(lambda x, y: whole_numbers(x, y, "Loss", bits=32), labels)
    assert found.dtype == "int32"
    np.testing.assert_array_equal(right, [True, False, True])


@pytest.mark.parametrize(("dtype", "limit"), [("float16", 2**11), ("float32", 2**24), ("float64", 2**53)])
def test_floats_that_may_be_rounded_are_no_labels(dtype, limit):
    labels = np.array([limit - 1, limit, -1], dtype)
    with pytest.raises(
        ValueError, match=rf"{dtype} holds exactly below {limit}\. Received: label .* in row 1"
    ):
        whole_numbers(labels, ROWS, "Loss")
    found, right = compiled(lambda x, y: whole_numbers(x, y, "Loss"), labels)
    np.testing.assert_array_equal(right, [True, False, True])
    assert found[0] == limit - 1
    assert found[1] in NO_LABELS


def test_integers_of_a_column_and_of_a_list():
    np.testing.assert_array_equal(integers([[3], [1]], "labels"), [3, 1])
    np.testing.assert_array_equal(integers([True, False], "labels"), [1, 0])


def test_nan_where_not_leaves_the_gradients_of_the_others():
    right, values = tf.constant([True, False]), tf.constant([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(nan_where_not(right, values), [[1, 2], [np.nan, np.nan]])
    with tf.GradientTape() as tape:
        tape.watch(values)
        total = tf.reduce_sum(nan_where_not(right, keras.ops.sum(values, axis=1)) ** 2)
    np.testing.assert_array_equal(tape.gradient(total, values)[0], [6, 6])
