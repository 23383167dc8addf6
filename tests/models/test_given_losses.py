"""`compile(loss=…)`: one loss, a list or a dict, in each form that Keras accepts."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_reid.heads import BNNeckHead
from keras_reid.layers import GeMPooling2D
from keras_reid.losses import CrossEntropy, TripletLoss
from keras_reid.models import Distiller, ReIDModel
from keras_reid.models.given_losses import losses_config, terms_of

SIZE = (8, 4)
IMAGES = np.random.default_rng(0).integers(0, 256, (8, *SIZE, 3), dtype="uint8")
LABELS = np.repeat(np.arange(4), 2)
SPARSE = "sparse_categorical_crossentropy"


@keras.saving.register_keras_serializable(package="test_given_losses")
def length(y_true, y_pred):
    """What it reads shows in its value: the mean square of what it gets."""
    return ops.mean(ops.square(y_pred), axis=-1)


def make_model():
    keras.utils.set_random_seed(0)
    backbone = keras.Sequential([keras.Input((*SIZE, 3)), keras.layers.Conv2D(6, 3)])
    return ReIDModel(backbone, GeMPooling2D(), BNNeckHead(4), image_size=SIZE)


def evaluated(model, labels=LABELS):
    return model.evaluate(IMAGES, labels, verbose=0, return_dict=True)


def test_one_loss_a_list_and_a_dict_are_the_same():
    found = []
    for options in (
        {"loss": [CrossEntropy(), TripletLoss()], "loss_weights": [1.0, 0.5]},
        {"losses": [CrossEntropy(), TripletLoss()], "loss_weights": {"triplet_loss": 0.5}},
        {"loss": {"cross_entropy": CrossEntropy, "triplet_loss": TripletLoss()}, "loss_weights": (1, 0.5)},
    ):
        model = make_model()
        model.compile("sgd", **options)
        found.append(evaluated(model))
    assert found[0] == found[1] == found[2]
    assert set(found[0]) == {"loss", "cross_entropy", "triplet_loss", "accuracy"}
    model = make_model()
    model.compile("sgd", loss=CrossEntropy(), loss_weights=0.5)
    assert evaluated(model)["loss"] == pytest.approx(0.5 * found[0]["cross_entropy"])


@pytest.mark.parametrize(
    "identifier",
    [
        SPARSE,
        "SparseCategoricalCrossentropy",
        "crossentropy",
        keras.losses.sparse_categorical_crossentropy,
        keras.losses.SparseCategoricalCrossentropy,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        {"class_name": "SparseCategoricalCrossentropy", "config": {"from_logits": True}},
    ],
    ids=["name", "class name", "short name", "function", "class", "object", "config"],
)
def test_keras_cross_entropy_by_any_of_its_names_is_that_of_the_logits(identifier):
    ((name, loss),) = [(term.name, term.loss) for term in terms_of(identifier)]
    assert name in (SPARSE, "crossentropy")
    model = make_model()
    logits = np.asarray(model.compute_outputs(IMAGES)["logits"])
    expected = keras.losses.sparse_categorical_crossentropy(LABELS, logits, from_logits=True)
    assert float(loss(LABELS, logits)) == pytest.approx(float(np.mean(expected)))


@pytest.mark.parametrize("labels", [LABELS, {"identity": LABELS, "camera": LABELS}], ids=["array", "dict"])
def test_what_a_loss_gets(labels):
    model = make_model()
    outputs = model.compute_outputs(IMAGES)
    model.compile("sgd", loss={"logits": length, "feature": length, "mine": length, "scores": length})
    found = evaluated(model, labels)
    squares = {key: float(np.mean(np.square(outputs[key]))) for key in ("logits", "feature")}
    assert squares["logits"] != pytest.approx(squares["feature"])
    assert found["logits"] == pytest.approx(squares["logits"], rel=1e-4)
    assert found["feature"] == pytest.approx(squares["feature"], rel=1e-4)
    assert found["mine"] == found["logits"]
    assert found["scores"] == pytest.approx(float(np.mean(np.square(outputs["scores"]))), rel=1e-4)


@pytest.mark.parametrize(
    "loss",
    [
        SPARSE,
        [CrossEntropy(), TripletLoss(), TripletLoss()],
        {"ce": CrossEntropy(0.1), "feature": length},
        [length, keras.losses.sparse_categorical_crossentropy],
    ],
    ids=["name", "list", "dict", "functions"],
)
def test_is_saved_with_the_model(loss, tmp_path):
    model = make_model()
    weights = None if loss == SPARSE else [0.5, 2.0, 1.0][: len(loss)]
    model.compile("sgd", loss=loss, loss_weights=weights, run_eagerly=True)  # a graph of each takes seconds
    model.fit(IMAGES, LABELS, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert list(loaded.losses_by_name) == list(model.losses_by_name)
    assert evaluated(loaded) == pytest.approx(evaluated(model), rel=1e-4)
    for one in (model, loaded):
        one.fit(IMAGES, LABELS, verbose=0)
    np.testing.assert_allclose(loaded.predict(IMAGES, verbose=0), model.predict(IMAGES, verbose=0), rtol=1e-4)


def test_a_distiller_takes_the_same_and_adds_its_own():
    keys = []
    for loss in (SPARSE, {"mine": CrossEntropy()}, [CrossEntropy(name="pkt")], None):
        distiller = Distiller(make_model(), [make_model()], logit_loss=None)
        distiller.compile("sgd", loss=loss, loss_weights=None if loss is None else [0.5])
        if loss is not None:  # PKT alone leaves the classifier without a gradient, and Keras warns
            distiller.fit(IMAGES, LABELS, verbose=0)
        keys.append(list(distiller.losses_by_name))
        assert len(distiller.get_compile_config()["losses"]) == (0 if loss is None else 1)
    assert keys == [[SPARSE, "pkt"], ["mine", "pkt"], ["pkt", "pkt_2"], ["pkt"]]
    with pytest.raises(ValueError, match="Received: both"):
        distiller.compile("sgd", loss=SPARSE, losses=[CrossEntropy()])


def test_a_config_is_a_list_where_the_names_are_the_losses_own():
    assert isinstance(losses_config(terms_of([CrossEntropy(), CrossEntropy()])), list)
    assert isinstance(losses_config(terms_of({"cross_entropy": CrossEntropy()})), list)
    assert list(losses_config(terms_of({"ce": CrossEntropy()}))) == ["ce"]


@pytest.mark.parametrize(
    ("loss", "weights", "message"),
    [
        ("triplet", None, r"loss must be a keras.Loss, a function .*Received: 'triplet'.*CrossEntropy\(\)"),
        ({"a": 3}, None, "loss 'a' must be a keras.Loss, .*Received: 3"),
        (
            keras.losses.CategoricalCrossentropy(),
            None,
            "identities as numbers, and 'categorical_crossentropy'",
        ),
        (
            "binary_crossentropy",
            None,
            "loss must take identities as numbers, and 'binary_crossentropy' takes",
        ),
        (
            keras.losses.SparseCategoricalCrossentropy(),
            None,
            r"expects probabilities. Use .*from_logits=True",
        ),
        ({"feature": CrossEntropy()}, None, "Received: 'feature' for a loss that reads 'logits'"),
        (SPARSE, [1, 2], "one number a loss. Received: 2 for 1"),
        (
            {"entropy": CrossEntropy()},
            {"entrpy": 1.0},
            "are 'entropy'. Received: 'entrpy'. Did you mean 'entropy'",
        ),
        (keras.losses.Huber, {"huber": 1}, "which are 'huber_loss'"),
    ],
)
def test_mistakes(loss, weights, message):
    with pytest.raises(ValueError, match=message):
        terms_of(loss, weights)
    model = make_model()
    with pytest.raises(ValueError, match=message):
        model.compile("sgd", loss=loss, loss_weights=weights)


def test_a_class_that_needs_arguments():
    class Needy(keras.Loss):
        def __init__(self, dim):
            super().__init__()

    with pytest.raises(ValueError, match=r"loss: .*missing 1 required .*'dim'. Give it as an object"):
        terms_of(Needy)
