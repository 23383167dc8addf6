"""`compile(metrics=…, weighted_metrics=…)`: Keras' own metrics, of the class scores."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_reid.heads import BNNeckHead
from keras_reid.layers import CosSoftmax, GeMPooling2D
from keras_reid.losses import CrossEntropy, TripletLoss
from keras_reid.models import Distiller, ReIDModel

SIZE = (8, 4)
IMAGES = np.random.default_rng(0).integers(0, 256, (12, *SIZE, 3), dtype="uint8")
LABELS = np.array([0, 1, 2, 3] * 3)
WEIGHTS = np.linspace(0, 1, 12, dtype="float32")


def make_model(classes=4):
    keras.utils.set_random_seed(0)
    backbone = keras.Sequential([keras.Input((*SIZE, 3)), keras.layers.Conv2D(4, 3)])
    # With a margin: the scores have none.
    return ReIDModel(backbone, GeMPooling2D(), BNNeckHead(classes, CosSoftmax(classes)), image_size=SIZE)


def top_2():
    return keras.metrics.SparseTopKCategoricalAccuracy(2, name="top_2")


def likelihood():
    return keras.metrics.SparseCategoricalCrossentropy(from_logits=True, name="likelihood")


def compiled(model, **options):
    model.compile("sgd", losses=[CrossEntropy()], **options)
    return model


@pytest.mark.parametrize("eager", [False, True], ids=["compiled", "eager"])
def test_metrics_of_the_scores_in_fit_and_evaluate(eager):
    model = compiled(
        make_model(), metrics=["accuracy", top_2()], weighted_metrics=[likelihood()], run_eagerly=eager
    )
    scores = np.asarray(model.compute_outputs(IMAGES)["scores"])
    log_p = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    found = model.evaluate(IMAGES, LABELS, sample_weight=WEIGHTS, batch_size=5, return_dict=True, verbose=0)
    right = scores.argmax(axis=1) == LABELS
    assert found["accuracy"] == pytest.approx(right.mean())
    second = (np.argsort(scores, axis=1)[:, -2:] == LABELS[:, None]).any(axis=1)
    assert found["top_2"] == pytest.approx(second.mean())
    each = -log_p[np.arange(12), LABELS]
    assert found["likelihood"] == pytest.approx((WEIGHTS * each).sum() / WEIGHTS.sum(), rel=1e-4)
    assert found["likelihood"] != pytest.approx(each.mean(), rel=1e-3)

    data = tf.data.Dataset.from_tensor_slices((IMAGES, {"identity": LABELS})).batch(12)
    history = model.fit(data, epochs=2, validation_data=(IMAGES, LABELS), shuffle=False, verbose=0).history
    assert {"top_2", "likelihood", "val_top_2", "val_likelihood", "cross_entropy", "loss"} < set(history)
    after = np.asarray(model.compute_outputs(IMAGES)["scores"])
    second = (np.argsort(after, axis=1)[:, -2:] == LABELS[:, None]).any(axis=1)
    assert history["val_top_2"][-1] == pytest.approx(second.mean())


def test_the_accuracy_of_keras_is_the_one_that_is_logged_anyway():
    histories = [
        compiled(make_model(), metrics=metrics)
        .fit(IMAGES, LABELS, batch_size=5, shuffle=False, verbose=0)
        .history
        for metrics in (None, ["accuracy"], ["acc"])
    ]
    assert histories[0]["accuracy"] == histories[1]["accuracy"] == histories[2]["acc"]
    assert list(histories[1]).count("accuracy") == 1


def test_they_are_saved_with_the_model(tmp_path):
    model = compiled(make_model(), metrics=["accuracy", top_2()], weighted_metrics=[likelihood()])
    model.fit(IMAGES, LABELS, verbose=0)
    file = tmp_path / "model.keras"
    model.save(file)
    loaded = keras.saving.load_model(file)
    expected, found = (
        one.evaluate(IMAGES, LABELS, sample_weight=WEIGHTS, return_dict=True, verbose=0)
        for one in (model, loaded)
    )
    assert found.keys() == expected.keys() > {"accuracy", "top_2", "likelihood"}
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-5), name


def test_of_a_distiller_they_are_the_students():
    distiller = Distiller(make_model(), [make_model()])
    compiled(distiller, metrics=[top_2()])
    found = distiller.evaluate(IMAGES, LABELS, return_dict=True, verbose=0)
    scores = np.asarray(distiller.student.compute_outputs(IMAGES)["scores"])
    second = (np.argsort(scores, axis=1)[:, -2:] == LABELS[:, None]).any(axis=1)
    assert found["top_2"] == pytest.approx(second.mean())


@pytest.mark.parametrize("name", ["loss", "cross_entropy", "learning_rate"])
def test_a_name_that_is_taken(name):
    with pytest.raises(ValueError, match=f"metrics must have other names .*Received: metrics named {name}"):
        compiled(make_model(), metrics=[keras.metrics.SparseCategoricalAccuracy(name=name)])


@pytest.mark.parametrize("argument", ["metrics", "weighted_metrics"])
@pytest.mark.parametrize("given", ["accuracy", {"scores": ["accuracy"]}])
def test_anything_but_a_list_is_refused(argument, given):
    with pytest.raises(ValueError, match=f"^{argument} must be a list of metrics of the class scores"):
        compiled(make_model(), **{argument: given})


def test_one_class_has_no_metrics():
    model = make_model(classes=1)
    with pytest.raises(
        ValueError, match="metrics compare class scores with identities, and the head has one class"
    ):
        model.compile("sgd", losses=[TripletLoss()], metrics=["accuracy"])
