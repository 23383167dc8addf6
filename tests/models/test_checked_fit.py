import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_reid.heads import BNNeckHead
from keras_reid.layers import CosSoftmax, GeMPooling2D
from keras_reid.losses import ClusterMemoryLoss, CrossEntropy, TripletLoss
from keras_reid.models import Distiller, ReIDModel
from keras_reid.training.callbacks import Checkpoints, NaNGuard
from keras_reid.utils.errors import UserError

SIZE = (8, 4)
IMAGES = np.random.default_rng(0).integers(0, 256, (8, *SIZE, 3), dtype="uint8")
RIGHT = np.array([0, 1, 2, 3, 0, 1, 2, 3])
WRONG = np.array([0, 1, 2, 3, 0, 9, 4, 3])
RULE = r"identity labels must be class numbers from 0 to 3, for 4 classes\. "


def make_model(losses=(), classifier=None, **options):
    keras.utils.set_random_seed(0)
    backbone = keras.Sequential([keras.Input((*SIZE, 3)), keras.layers.Conv2D(4, 3)])
    model = ReIDModel(backbone, GeMPooling2D(), BNNeckHead(4, classifier), image_size=SIZE)
    if losses and not any(isinstance(loss, CrossEntropy) for loss in losses):
        model.head.trainable = False  # nothing teaches the classifier
    model.compile("adam", losses=losses or [CrossEntropy()], **options)
    return model


def batches(*labels, key=None):
    labels = [{key: one} if key else one for one in labels]
    parts = [tf.data.Dataset.from_tensors((IMAGES, one)) for one in labels]
    data = parts[0]
    for part in parts[1:]:
        data = data.concatenate(part)
    return data


def fit(model, *data, **options):
    return model.fit(*data, verbose=0, shuffle=False, **options)


def weights(model):
    return [np.array(variable) for variable in model.trainable_variables]


@pytest.mark.parametrize("labels", [WRONG, {"identity": WRONG}, WRONG[:, None], tf.constant(WRONG)])
def test_arrays_are_checked_before_the_first_step(labels):
    model = make_model()
    message = r"^cross_entropy: labels must be .* Received: label 9 in row 5 \(and 1 more of 8\)\."
    for call in (
        lambda: fit(model, IMAGES, labels),
        lambda: fit(model, batches(RIGHT), validation_data=(IMAGES, labels)),
        lambda: model.evaluate(IMAGES, labels, verbose=0),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    assert int(model.optimizer.iterations) == 0


def test_one_hot_labels_in_an_array_and_in_a_data_set():
    model = make_model()
    message = r"Received: labels of shape \((8|None), 4\)\. Turn one-hot rows into numbers"
    for data in ((IMAGES, np.eye(4)[RIGHT]), (batches(np.eye(4)[RIGHT]),)):
        with pytest.raises(ValueError, match=message):
            fit(model, *data)


@pytest.mark.parametrize("classifier", [None, CosSoftmax], ids=["linear", "margin"])
@pytest.mark.parametrize("key", [None, "identity"])
def test_a_data_set_is_looked_at_after_the_first_step(classifier, key):
    model = make_model([CrossEntropy(), TripletLoss()], classifier and classifier(4))
    before = weights(model)
    with pytest.raises(
        UserError, match=rf"^{RULE}Received: label 9 in row 5 of the batch at step 0 \(and 1 more of 8\)"
    ):
        fit(model, batches(WRONG, key=key))
    for one, other in zip(before, weights(model), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_later_batch_of_a_data_set_is_named_at_the_end_of_the_epoch():
    model = make_model()
    with pytest.raises(UserError, match=rf"^{RULE}Received: label 9 in row 5 of the batch at step 2 "):
        fit(model, batches(RIGHT, RIGHT, WRONG, RIGHT))
    assert int(model.optimizer.iterations) == 3


@pytest.mark.parametrize(
    ("labels", "received"),
    [
        (np.where(WRONG > 3, 2**32 + 1, WRONG), rf"label {2**32 + 1} in row 5"),
        (np.where(WRONG > 3, -1, WRONG), "label -1 in row 5"),
        (np.where(WRONG > 3, 0.5, WRONG), "label none in row 5"),
    ],
    ids=["64 bits", "negative", "fraction"],
)
def test_labels_of_a_data_set_that_a_cast_would_make_right(labels, received):
    with pytest.raises(UserError, match=rf"^{RULE}Received: {received} of the batch"):
        fit(make_model(), batches(labels))


def test_the_guard_and_the_checkpoints_name_the_label(tmp_path):
    model = make_model()
    with pytest.raises(UserError, match="label 9 in row 5"):
        fit(model, batches(WRONG))
    names = [f"person {number}" for number in range(4)]
    guard = NaNGuard(names=names)
    guard.set_model(model)
    with pytest.raises(UserError, match=rf"^{RULE}Received: label 9 in row 5 of the batch at step 0"):
        guard.on_epoch_end(0)
    with pytest.raises(UserError, match=rf"^{RULE}.* There is no checkpoint yet\.$"):
        Checkpoints(tmp_path).save(model, (1, 0))


def test_a_step_of_ones_own_gives_nan():
    model = make_model()
    before = weights(model)
    assert np.isnan(model.train_on_batch(IMAGES, WRONG, return_dict=True)["loss"])
    assert np.isnan(model.evaluate(batches(WRONG), return_dict=True, verbose=0)["loss"])
    for one, other in zip(before, weights(model), strict=True):
        np.testing.assert_array_equal(one, other)


def test_eagerly_the_loss_raises():
    with pytest.raises(ValueError, match=r"CrossEntropy: labels must be .* label 9 in row 5"):
        fit(make_model(run_eagerly=True), batches(WRONG))


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param(RIGHT + 10_000, marks=pytest.mark.medium),
        RIGHT + 2**32,
        pytest.param(RIGHT - 2, marks=pytest.mark.medium),
    ],
)
def test_a_loss_of_pairs_takes_any_numbers(labels):
    expected = fit(make_model([TripletLoss()]), IMAGES, RIGHT).history["loss"]
    assert expected[0] > 0
    for data in ((IMAGES, labels), (batches(labels),)):
        found = fit(make_model([TripletLoss()]), *data).history["loss"]
        assert found == pytest.approx(expected, rel=1e-6)


def test_a_loss_of_ones_own_gets_floats_which_must_hold_the_labels():
    def squares(labels, features):
        return keras.ops.mean(features**2, axis=-1)

    squares.reads = "feature"
    model = make_model([squares])
    fit(model, IMAGES, RIGHT + 2**24 - 4)
    message = r"^squares: Keras gives labels to a loss as float32, .* Received: label 16777216\. Number"
    with pytest.raises(ValueError, match=message):
        fit(model, IMAGES, RIGHT + 2**24 - 3)


def test_clusters_are_those_of_the_memory():
    loss = ClusterMemoryLoss(dim=4, max_clusters=12)
    model = make_model([loss])
    fit(model, IMAGES, WRONG)
    loss.fill(np.eye(4))
    with pytest.raises(ValueError, match=r"cluster_memory_loss: .* Received: label 9 in row 5"):
        fit(model, IMAGES, WRONG)
    with pytest.raises(UserError, match="label 9 in row 5 of the batch"):
        fit(model, batches(WRONG))


def test_a_distiller_checks_as_its_student():
    distiller = Distiller(make_model(), [make_model()])
    distiller.compile("adam", losses=[CrossEntropy()])
    with pytest.raises(ValueError, match=r"cross_entropy: labels must be .* label 9 in row 5"):
        fit(distiller, IMAGES, WRONG)
    with pytest.raises(UserError, match=rf"^{RULE}"):
        fit(distiller, batches(WRONG))


def test_cameras_of_64_bits_are_unknown():
    from keras_reid.models.inputs import known_cameras

    cameras = np.array([0, 2, 3, -1, 2**32 + 1])
    rows = np.zeros((5, 1))
    np.testing.assert_array_equal(known_cameras(cameras, rows, 3), [0, 2, -1, -1, -1])
    compiled = tf.function(
        lambda x: known_cameras(x, rows, 3), input_signature=[tf.TensorSpec((None,), "int64")]
    )
    np.testing.assert_array_equal(compiled(cameras), [0, 2, -1, -1, -1])
