"""Labels that are no class, and training without labels."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_reid.heads import BNNeckHead, LinearHead
from keras_reid.layers import ArcSoftmax, CircleSoftmax, CosSoftmax, GeMPooling2D, LinearClassifier
from keras_reid.models import ReIDModel
from tests.layers.margin import FEATURES, LABELS, with_weights

MARGINS = [CosSoftmax, ArcSoftmax, CircleSoftmax]


@pytest.mark.parametrize("cls", MARGINS)
@pytest.mark.parametrize("label", [5, -2, 2**32])
def test_a_label_that_is_no_class(cls, label):
    layer = with_weights(cls(5))
    labels = LABELS.astype("int64")
    labels[2] = label
    rule = rf"{cls.__name__}: labels must be class numbers from 0 to 4, for 5 classes, or -1 for none\. "
    with pytest.raises(ValueError, match=rf"{rule}Received: label {label} in row 2\."):
        layer(FEATURES, labels=labels)

    @tf.function(input_signature=[tf.TensorSpec((None, 6)), tf.TensorSpec((None,), "int64")])
    def step(features, labels):
        with tf.GradientTape() as tape:
            tape.watch(features)
            logits = layer(features, labels=labels)
            total = tf.reduce_sum(logits)
        return logits, tape.gradient(total, features)

    (logits, gradient), (expected, expected_gradient) = step(FEATURES, labels), step(FEATURES, LABELS)
    assert np.isnan(logits[2]).all()
    kept = np.delete(np.arange(8), 2)
    np.testing.assert_array_equal(np.asarray(logits)[kept], np.asarray(expected)[kept])
    np.testing.assert_allclose(np.asarray(gradient)[kept], np.asarray(expected_gradient)[kept], rtol=1e-5)
    np.testing.assert_array_equal(gradient[2], np.zeros(6))


@pytest.mark.parametrize("cls", MARGINS)
def test_one_hot_labels_and_too_few(cls):
    layer = with_weights(cls(5))
    with pytest.raises(ValueError, match=r"Received: labels of shape \(8, 5\)\. Turn one-hot rows"):
        layer(FEATURES, labels=np.eye(8, 5))
    with pytest.raises(ValueError, match="Received: 1 labels for 8 samples"):
        layer(FEATURES, labels=np.array([1]))


def test_a_linear_classifier_ignores_labels():
    layer = with_weights(LinearClassifier(5))
    np.testing.assert_array_equal(layer(FEATURES, labels=LABELS + 90), layer(FEATURES, training=True))


@pytest.mark.parametrize("cls", MARGINS)
def test_training_without_labels_warns(cls):
    layer = with_weights(cls(5))
    with pytest.warns(
        UserWarning, match=f"{cls.__name__} is called in training mode without labels: it trains"
    ):
        logits = layer(FEATURES, training=True)
    np.testing.assert_array_equal(logits, layer(FEATURES))
    layer(FEATURES, labels=LABELS, training=True)


def test_fit_of_a_plain_model_without_labels_warns():
    model = keras.Sequential([keras.Input((6,)), CosSoftmax(5)])
    model.compile("sgd", loss="sparse_categorical_crossentropy")
    model.predict(FEATURES, verbose=0)
    with pytest.warns(UserWarning, match="CosSoftmax is called in training mode without labels"):
        model.fit(FEATURES, LABELS, verbose=0)


@pytest.mark.parametrize("head", [BNNeckHead, LinearHead])
def test_a_head_in_training_warns_without_labels_only(head):
    layer = head(5, classifier=ArcSoftmax(5))
    with_labels = layer(FEATURES, labels=LABELS, training=True)
    assert np.abs(np.asarray(with_labels["logits"]) - np.asarray(with_labels["scores"])).max() > 1
    layer(FEATURES)
    with pytest.warns(UserWarning, match="ArcSoftmax is called in training mode without labels"):
        outputs = layer(FEATURES, training=True)
    np.testing.assert_array_equal(outputs["logits"], outputs["scores"])


def test_embeddings_in_training_mode_need_no_labels():
    """As for the statistics of batch normalisation; nobody trains on logits there."""
    backbone = keras.Sequential([keras.Input((8, 4, 3)), keras.layers.Conv2D(4, 3)])
    model = ReIDModel(backbone, GeMPooling2D(), BNNeckHead(5, classifier=CosSoftmax(5)), image_size=(8, 4))
    images = np.zeros((2, 8, 4, 3), "uint8")
    assert model(images, training=True).shape == (2, 4)
    with pytest.warns(UserWarning, match="without labels"):
        model.compute_outputs(images, training=True)
