"""Single parts in a user's own Keras model, without ReIDModel."""

import keras
import numpy as np

from keras_reid.layers import ArcSoftmax, GeMPooling2D
from keras_reid.losses import TripletLoss
from tests.harness import reloaded


def striped_images(identities=4, each=8):
    """Noisy images whose identity is the direction and width of their stripes; `(images, labels)`."""
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(identities), each)
    y, x = np.mgrid[:16, :16]
    waves = [np.sin(x), np.sin(y), np.sin(2 * x), np.sin(2 * y)]
    images = np.stack([waves[label] for label in labels])[..., None].repeat(3, axis=-1)
    return (images + 0.5 * generator.normal(size=images.shape)).astype("float32"), labels


def test_gem_pooling_and_triplet_loss_in_a_functional_model():
    images, labels = striped_images()
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(8, 3, activation="relu")(inputs)
    outputs = keras.layers.Dense(4)(GeMPooling2D()(x))
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(0.02), loss=TripletLoss(margin=0.3))
    history = model.fit(images, labels, batch_size=32, epochs=30, verbose=0).history["loss"]
    assert history[-1] < 0.5 * history[0]

    again = reloaded(model)
    np.testing.assert_allclose(
        again.predict(images, verbose=0), model.predict(images, verbose=0), rtol=1e-5, atol=1e-5
    )
    assert isinstance(again.loss, TripletLoss)


def test_margin_layer_with_labels_as_an_input():
    images, labels = striped_images()
    pixels, identity = keras.Input((16, 16, 3)), keras.Input((), dtype="int32")
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(8, 3, activation="relu")(pixels))
    logits = ArcSoftmax(num_classes=4, scale=8, margin=0.2)(x, labels=identity)
    model = keras.Model([pixels, identity], logits)
    model.compile("adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    first, last = model.fit([images, labels], labels, batch_size=32, epochs=2, verbose=0).history["loss"]
    assert last < first
