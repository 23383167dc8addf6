"""`callbacks.RetrievalEvaluation` in a plain `model.fit`."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_reid.callbacks import RetrievalEvaluation
from keras_reid.data import Sample
from keras_reid.evaluation import Features, evaluate
from keras_reid.heads import BNNeckHead
from keras_reid.layers import GeMPooling2D
from keras_reid.losses import CrossEntropy
from keras_reid.models import ReIDModel
from keras_reid.utils.errors import UserError

RNG = np.random.default_rng(0)
IDENTITIES = np.repeat(np.arange(6), 4)
CAMERAS = np.tile([0, 0, 1, 1], 6)
CENTRES = RNG.normal(size=(6, 5))
X = (CENTRES[IDENTITIES] + RNG.normal(size=(24, 5))).astype("float32")
QUERY, GALLERY = slice(0, 24, 2), slice(1, 24, 2)
NAMES = {"val_mAP", "val_rank1", "val_rank5", "val_rank10", "val_mINP"}


class Batches(keras.utils.PyDataset):
    """Batches of 5 rows."""

    def __init__(self, *values):
        super().__init__()
        self.values = values

    def __len__(self):
        return -(-len(self.values[0]) // 5)

    def __getitem__(self, index):
        return keras.tree.map_structure(lambda one: one[5 * index : 5 * index + 5], self.values)


def make_model():
    keras.utils.set_random_seed(0)
    images = keras.Input((5,))
    x = keras.layers.Dense(4, name="embedding")(images)
    model = keras.Model(images, keras.layers.Dense(6)(x))
    model.compile(keras.optimizers.Adam(0.05), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def fit(callbacks, epochs=2, model=None):
    model = model or make_model()
    return model.fit(X, IDENTITIES, epochs=epochs, verbose=0, callbacks=callbacks, shuffle=False), model


def labels(rows, cameras=True):
    return {"identity": IDENTITIES[rows], "camera": CAMERAS[rows]} if cameras else IDENTITIES[rows]


def features(model, rows):
    return Features(model.predict(X[rows], verbose=0), IDENTITIES[rows], CAMERAS[rows])


def given(form, rows, cameras=True):
    values = (X[rows], labels(rows, cameras))
    if form == "arrays":
        return values
    if form == "data set":
        return tf.data.Dataset.from_tensor_slices(values).batch(5)
    return Batches(*values)


@pytest.mark.parametrize("form", ["arrays", "data set", "PyDataset"])
@pytest.mark.parametrize(
    ("cameras", "protocol", "expected"),
    [(True, None, "cross_camera"), (False, None, "all"), (True, "all", "all")],
)
def test_logs_what_evaluate_says(form, cameras, protocol, expected):
    callback = RetrievalEvaluation(
        given(form, QUERY, cameras), given(form, GALLERY, cameras), protocol=protocol, batch_size=7
    )
    history, model = fit([callback])
    assert set(history.history) >= NAMES
    result = evaluate(features(model, QUERY), features(model, GALLERY), protocol=expected)
    for name in NAMES:
        assert len(history.history[name]) == 2
        assert history.history[name][-1] == pytest.approx(getattr(result, name.removeprefix("val_")))
    assert callback.last.mAP == history.history["val_mAP"][-1]


def test_without_a_gallery_each_is_searched_for_among_the_others():
    callback = RetrievalEvaluation((X, IDENTITIES), metric="euclidean")
    history, model = fit([callback])
    everything = features(model, slice(None))
    expected = evaluate(everything, everything, "euclidean", protocol="leave_one_out")
    assert history.history["val_mAP"][-1] == pytest.approx(expected.mAP)


def test_names_for_numbers_and_unknown_cameras():
    names = np.array([f"person {one}" for one in IDENTITIES])
    unknown = {"identity": names[GALLERY], "camera": np.full(12, -1)}
    callback = RetrievalEvaluation((X[QUERY], names[QUERY].tolist()), (X[GALLERY], unknown))
    history, model = fit([callback])
    expected = evaluate(features(model, QUERY), features(model, GALLERY), protocol="all")
    assert history.history["val_rank1"][-1] == pytest.approx(expected.rank1)


def test_keras_callbacks_watch_it(tmp_path):
    best = tmp_path / "best.keras"
    callbacks = [
        RetrievalEvaluation((X[QUERY], IDENTITIES[QUERY]), (X[GALLERY], IDENTITIES[GALLERY])),
        keras.callbacks.ModelCheckpoint(best, monitor="val_mAP", mode="max", save_best_only=True),
        keras.callbacks.EarlyStopping("val_mAP", mode="max", patience=1),
    ]
    history, _ = fit(callbacks, epochs=60)
    found = history.history["val_mAP"]
    assert len(found) < 60, "it was stopped"
    assert len(found) == int(np.argmax(found)) + 2
    kept = keras.saving.load_model(best)
    result = evaluate(features(kept, QUERY), features(kept, GALLERY), protocol="all")
    assert result.mAP == pytest.approx(max(found))


@pytest.mark.parametrize(("every", "evaluated"), [(2, [1, 3, 4]), (9, [4])])
def test_every_few_epochs_and_after_the_last(every, evaluated, capsys):
    seen = []
    watch = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append("val_mAP" in logs))
    fit([RetrievalEvaluation((X, IDENTITIES), every=every, verbose=1), watch], epochs=5)
    assert [epoch for epoch, there in enumerate(seen) if there] == evaluated
    assert capsys.readouterr().out.count("Test set") == len(evaluated)


def test_a_part_of_the_model_gives_the_embeddings():
    model = make_model()
    part = keras.Model(model.input, model.get_layer("embedding").output)
    callback = RetrievalEvaluation((X, IDENTITIES), embedding_model=part)
    history, _ = fit([callback], model=model)
    everything = features(part, slice(None))
    expected = evaluate(everything, everything, protocol="leave_one_out")
    assert history.history["val_mAP"][-1] == pytest.approx(expected.mAP)
    assert part.predict(X, verbose=0).shape == (24, 4)


def test_files_for_a_model_of_ours(tmp_path):
    samples = []
    for place in range(8):
        path = tmp_path / f"{place}.png"
        Image.fromarray(RNG.integers(0, 256, (20, 10, 3), np.uint8)).save(path)
        samples.append(Sample(path, identity=f"{place // 2}", camera=place % 2))
    backbone = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(4, 3)])
    model = ReIDModel(backbone, GeMPooling2D(), BNNeckHead(4), image_size=(16, 8))
    model.compile("sgd", loss=CrossEntropy())
    callback = RetrievalEvaluation(samples[::2], samples[1::2], batch_size=3)
    images = RNG.integers(0, 256, (8, 16, 8, 3), np.uint8)
    history = model.fit(images, np.arange(8) // 2, verbose=0, callbacks=[callback])
    assert 0 < history.history["val_mAP"][0] <= 1
    assert callback.last.num_valid_queries == 4

    plain = keras.Sequential(
        [keras.Input((None, None, 3)), keras.layers.Conv2D(3, 3), keras.layers.GlobalAveragePooling2D()]
    )
    plain.compile("sgd", "mse")
    with pytest.raises(UserError, match=r"size of the images.*image_size=\(height, width\)"):
        plain.fit(images, np.zeros((8, 3)), verbose=0, callbacks=[RetrievalEvaluation(samples)])
    sized = RetrievalEvaluation(samples, image_size=(16, 8))
    plain.fit(images, np.zeros((8, 3)), verbose=0, callbacks=[sized])
    assert sized.last.num_valid_queries == 8


def test_a_moving_average_of_the_weights_is_what_is_evaluated():
    model = make_model()
    model.compile(keras.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.9), model.loss)
    callback = RetrievalEvaluation((X, IDENTITIES))
    _, model = fit([callback], model=model)
    everything = features(model, slice(None))  # `fit` leaves the average
    assert callback.last.mAP == pytest.approx(evaluate(everything, everything, protocol="leave_one_out").mAP)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"query": (X,)}, r"`query` must be \(images, labels\).*Received: tuple of 1"),
        ({"query": (X, IDENTITIES[:3])}, r"`query` must have one label an image. Received: \[3, 24\]"),
        (
            {"query": (X, IDENTITIES), "gallery": iter([])},
            "`gallery` must be .*read again.*Received: list_iterator",
        ),
        (
            {"query": (X, IDENTITIES), "every": 0},
            "`every` must be a whole number, 1 or more. Received: every=0",
        ),
        ({"query": (X, IDENTITIES), "metric": "dsr"}, "`metric` must be 'cosine' or 'euclidean'"),
        ({"query": (X, IDENTITIES), "protocol": "all"}, "`protocol` must be None without a gallery"),
    ],
)
def test_mistakes(arguments, message):
    with pytest.raises(ValueError, match=message):
        RetrievalEvaluation(**arguments)


def test_what_cannot_be_evaluated_is_said_before_the_first_epoch():
    images = keras.Input((5,))
    outputs = {"a": keras.layers.Dense(6)(images), "b": keras.layers.Dense(6)(images)}
    model = keras.Model(images, outputs)
    model.compile("sgd", {"a": "mse", "b": "mse"})
    started = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: pytest.fail("too late"))
    with pytest.raises(UserError, match=r"one vector an image.*Received: .*'a': \(24, 6\).*embedding_model="):
        model.fit(
            X,
            {"a": np.zeros((24, 6)), "b": np.zeros((24, 6))},
            verbose=0,
            callbacks=[RetrievalEvaluation((X, IDENTITIES)), started],
        )
    triples = tf.data.Dataset.from_tensor_slices((X, IDENTITIES, CAMERAS)).batch(5)
    with pytest.raises(
        UserError, match=r"each batch of `query` must be \(images, labels\). Received: tuple of 3"
    ):
        fit([RetrievalEvaluation(triples), started])
    with pytest.raises(UserError, match="`query` must hold at least one image"):
        fit([RetrievalEvaluation(triples.take(0))])
