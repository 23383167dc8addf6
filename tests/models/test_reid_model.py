import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_reid.backbones import RepVGG
from keras_reid.heads import BNNeckHead
from keras_reid.layers import CameraEmbedding, CircleSoftmax, GeMPooling2D, IdentityPooling2D, PatchEmbedding
from keras_reid.losses import CrossEntropy, MemoryLoss, TripletLoss
from keras_reid.models import ReIDModel
from keras_reid.training import Adam
from tests.harness import randomize

SIZE = (32, 16)
IDENTITIES = np.repeat(np.arange(4), 2).astype("int32")


def make_backbone():
    """Small, because tracing a real one takes longer than everything that is tested here."""
    return keras.Sequential(
        [
            keras.Input((None, None, 3)),
            keras.layers.Conv2D(16, 3, strides=2, use_bias=False),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.Conv2D(64, 3, strides=2, use_bias=False),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
        ]
    )


def make_model(classifier=None, **options):
    head = BNNeckHead(4, classifier=classifier)
    return ReIDModel(make_backbone(), GeMPooling2D(), head, **{"image_size": SIZE, **options})


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (8, *SIZE, 3), dtype="uint8")


def batches(images, steps=100):
    data = tf.data.Dataset.from_tensors((images, {"identity": IDENTITIES, "camera": IDENTITIES}))
    return data.repeat(steps)


def values(variables):
    return [np.array(variable) for variable in variables]


def same(before, after):
    return [np.array_equal(a, b) for a, b in zip(before, after, strict=True)]


def test_predicts_raw_float32_embeddings_of_any_batch(images):
    model = make_model()
    embeddings = model.predict(images, verbose=0)
    assert embeddings.shape == (8, 64)
    assert embeddings.dtype == np.float32
    norms = np.linalg.norm(embeddings, axis=1)
    assert np.abs(norms - 1).max() > 0.1, "embeddings are not normalised by the model"
    np.testing.assert_allclose(model.predict(images[:1], verbose=0), embeddings[:1], rtol=1e-4, atol=1e-4)


def test_floats_are_not_rounded_and_equal_integers(images):
    model = make_model()
    as_integers = model.predict(images, verbose=0)
    np.testing.assert_array_equal(model.predict(images.astype("float32"), verbose=0), as_integers)
    assert not np.array_equal(model.predict(images.astype("float32") + 0.25, verbose=0), as_integers)


def test_normalizes_with_its_metadata():
    model = make_model(pixel_mean=(0, 10, 20), pixel_std=(1, 2, 4))
    pixels = np.full((1, *SIZE, 3), 40, "uint8")
    np.testing.assert_allclose(np.array(model.normalize(pixels))[0, 0, 0], [40, 15, 5])
    assert model.metadata["pixel_mean"] == [0.0, 10.0, 20.0]
    assert model.metadata["image_size"] == [32, 16]


def test_takes_the_backbones_own_normalisation_unless_told():
    backbone = make_backbone()
    assert ReIDModel(backbone, GeMPooling2D(), BNNeckHead(4), SIZE).metadata["pixel_std"] == [
        58.395,
        57.12,
        57.375,
    ]
    backbone.pixel_mean, backbone.pixel_std = (1.0, 2.0, 3.0), (4.0, 5.0, 6.0)
    model = ReIDModel(backbone, GeMPooling2D(), BNNeckHead(4), SIZE)
    assert (model.metadata["pixel_mean"], model.metadata["pixel_std"]) == ([1, 2, 3], [4, 5, 6])
    told = ReIDModel(backbone, GeMPooling2D(), BNNeckHead(4), SIZE, pixel_mean=(0, 0, 0))
    assert (told.metadata["pixel_mean"], told.metadata["pixel_std"]) == ([0, 0, 0], [4, 5, 6])


def test_keeps_pixels_exact_under_mixed_precision(images):
    with_half = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = make_model()
    finally:
        keras.config.set_dtype_policy(with_half)
    normal = np.array(model.normalize(images.astype("float32")))
    assert normal.dtype == np.float16
    embeddings = model.predict(images, verbose=0)
    assert embeddings.dtype == np.float32
    assert np.isfinite(embeddings).all()


def test_saves_and_loads_with_metadata(tmp_path, images):
    model = make_model(CircleSoftmax(4, scale=16, margin=0.2), metadata={"threshold": 0.4, "own": [1, 2]})
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(images, verbose=0), model.predict(images, verbose=0))
    assert loaded.metadata == model.metadata
    assert loaded.metadata["threshold"] == 0.4
    json.dumps(loaded.metadata)


def test_continues_training_after_loading(tmp_path, images):
    model = make_model()
    model.compile(Adam(0.01, l2=1e-3), losses=[CrossEntropy(0.1), TripletLoss()], warmup_steps=3)
    model.fit(batches(images), steps_per_epoch=2, verbose=0, shuffle=False)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert int(loaded.optimizer.iterations) == 2
    np.testing.assert_allclose(float(loaded.optimizer.learning_rate), float(model.optimizer.learning_rate))
    for one in (model, loaded):
        one.fit(batches(images), steps_per_epoch=2, verbose=0, shuffle=False)
    np.testing.assert_allclose(
        loaded.predict(images, verbose=0), model.predict(images, verbose=0), rtol=1e-4, atol=1e-4
    )


def test_learns_and_logs_each_term(images):
    model = make_model()
    model.compile(
        Adam(3e-3),
        losses=[CrossEntropy(), TripletLoss(name="triplet")],
        loss_weights=[1, 0.5],
        warmup_steps=4,
    )
    history = model.fit(batches(images), steps_per_epoch=5, epochs=4, verbose=0, shuffle=False).history
    assert set(history) == {"loss", "cross_entropy", "triplet", "accuracy", "learning_rate"}
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    # What is logged for a term is its weighted value, so that the terms add up.
    np.testing.assert_allclose(
        history["loss"], np.add(history["cross_entropy"], history["triplet"]), rtol=1e-4
    )
    np.testing.assert_allclose(history["learning_rate"][-1], 3e-3, rtol=1e-6)


class TwoBranches(keras.layers.Layer):
    """A head whose logits and features are lists, as those of a network with branches."""

    def __init__(self):
        super().__init__(autocast=False)
        self.heads = [BNNeckHead(4), BNNeckHead(4)]

    def build(self, input_shape):
        for head in self.heads:
            head.build(input_shape)

    def call(self, inputs, labels=None, training=False):
        a, b = (head(inputs, labels=labels, training=training) for head in self.heads)
        return {**a, "logits": [a["logits"], b["logits"]], "feature": [a["feature"], 3 * b["feature"]]}


def test_a_loss_over_branches_is_their_mean(images):
    model = ReIDModel(make_backbone(), GeMPooling2D(), TwoBranches(), image_size=SIZE)
    entropy, triplet = CrossEntropy(), TripletLoss(margin=1.0)
    model.compile(Adam(1e-3), losses=[entropy, triplet], loss_weights=[1.0, 0.5])
    outputs = model.compute_outputs(images)
    expected = {
        "cross_entropy": np.mean([float(entropy(IDENTITIES, x)) for x in outputs["logits"]]),
        "triplet_loss": 0.5 * np.mean([float(triplet(IDENTITIES, x)) for x in outputs["feature"]]),
    }
    results = model.evaluate(images, IDENTITIES, verbose=0, return_dict=True)
    assert {name: results[name] for name in expected} == pytest.approx(expected, rel=1e-5)
    assert results["loss"] == pytest.approx(sum(expected.values()), rel=1e-5)
    before = values(model.trainable_variables)
    model.fit(images, IDENTITIES, verbose=0)
    assert not any(same(before, values(model.trainable_variables)))


def test_weights_move_everywhere(images):
    model = make_model()
    model.compile(Adam(0.01), losses=[CrossEntropy(), TripletLoss()])
    before = values(model.trainable_variables)
    model.fit(batches(images), steps_per_epoch=2, verbose=0, shuffle=False)
    assert not any(same(before, values(model.trainable_variables)))


def test_a_frozen_backbone_does_not_change_and_then_does(images):
    model = make_model()
    model.compile(Adam(0.01, l2=0.1), losses=[CrossEntropy(), TripletLoss()], freeze_backbone_steps=3)
    backbone = values(model.backbone.variables)
    others = values([*model.pooling.trainable_variables, *model.head.trainable_variables])
    moments = [np.array(v) for v in model.optimizer._momentums]
    model.fit(batches(images), steps_per_epoch=3, verbose=0, shuffle=False)
    assert all(same(backbone, values(model.backbone.variables))), "weights, L2 and moving statistics stay"
    now = values([*model.pooling.trainable_variables, *model.head.trainable_variables])
    assert not any(same(others, now))
    in_backbone = {id(v) for v in model.backbone.trainable_variables}
    for variable, before, moment in zip(
        model.trainable_variables, moments, model.optimizer._momentums, strict=True
    ):
        if id(variable) in in_backbone:
            np.testing.assert_array_equal(np.array(moment), before)
    model.fit(batches(images), steps_per_epoch=1, verbose=0, shuffle=False)
    trainable = {id(v) for v in model.backbone.trainable_variables}
    moved = [not s for s in same(backbone, values(model.backbone.variables))]
    assert all(m for m, v in zip(moved, model.backbone.variables, strict=True) if id(v) in trainable)


def test_freezing_counts_optimizer_steps_not_fits(images):
    model = make_model()
    model.compile(Adam(0.01), losses=[CrossEntropy()], freeze_backbone_steps=2)
    model.optimizer.iterations.assign(2)  # as after a resume
    before = values(model.backbone.trainable_variables)
    model.fit(batches(images), steps_per_epoch=1, verbose=0, shuffle=False)
    assert not any(same(before, values(model.backbone.trainable_variables)))


def cross_entropy_of_logits(y_true, y_pred):
    return keras.losses.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)


def test_accepts_plain_labels_arrays_and_functions(images):
    model = make_model()
    model.compile("sgd", losses=[cross_entropy_of_logits])
    history = model.fit(images, IDENTITIES, batch_size=8, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert model.evaluate(images, IDENTITIES, verbose=0, return_dict=True).keys() == {
        "loss",
        "cross_entropy_of_logits",
        "accuracy",
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"losses": []}, "at least one loss"),
        ({"losses": [CrossEntropy()], "loss_weights": [1, 2]}, "one number a loss"),
        (
            {"losses": [CrossEntropy()], "freeze_backbone_steps": -1},
            "freeze_backbone_steps must be a whole number",
        ),
        ({"losses": [CrossEntropy()], "warmup_steps": -1}, "warmup_steps"),
        (
            {"losses": [CrossEntropy()], "freeze_backbone_steps": 3, "steps_per_execution": 2},
            "multiple of steps_per",
        ),
        ({"loss": "mse", "losses": [CrossEntropy()]}, "takes `loss` or `losses`.* Received: both"),
    ],
)
def test_bad_compile_arguments(options, message):
    model = make_model()
    with pytest.raises(ValueError, match=message):
        model.compile("adam", **options)


def test_fit_before_compile_says_what_to_do(images):
    with pytest.raises(ValueError, match="compile"):
        make_model().fit(images, IDENTITIES, verbose=0)


def test_labels_without_identity_are_refused(images):
    model = make_model()
    model.compile("adam", losses=[CrossEntropy()])
    with pytest.raises(ValueError, match='key "identity"'):
        model.fit(images, {"person": IDENTITIES}, verbose=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": (0, 3)}, "image_size"),
        ({"pixel_mean": (1, 2)}, "pixel_mean must have three numbers"),
        ({"pixel_std": (1, 0, 1)}, "pixel_std must be positive"),
    ],
)
def test_bad_preprocessing(options, message):
    with pytest.raises(ValueError, match=message):
        make_model(**options)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_trains_in_mixed_precision_with_warm_up_and_freezing(policy, images):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = make_model(CircleSoftmax(4, scale=32, margin=0.25))
        model.compile(
            Adam(3e-3), losses=[CrossEntropy(0.1), TripletLoss()], warmup_steps=4, freeze_backbone_steps=2
        )
    finally:
        keras.config.set_dtype_policy(before)
    history = model.fit(batches(images), steps_per_epoch=4, epochs=4, verbose=0, shuffle=False).history
    assert np.isfinite(history["loss"]).all()
    assert history["loss"][-1] < history["loss"][0]
    assert int(model.optimizer.iterations) >= 12, (
        "a step is skipped for each halving of the loss scale, which settles within four"
    )
    np.testing.assert_allclose(history["learning_rate"][-1], 3e-3, rtol=1e-5)


def test_metadata_settles_what_no_argument_says():
    model = make_model(image_size=(64, 32), pixel_mean=(1, 2, 3), pixel_std=(4, 5, 6))
    again = ReIDModel(make_backbone(), GeMPooling2D(), BNNeckHead(4), metadata=model.metadata)
    assert again.metadata == model.metadata
    other = ReIDModel(make_backbone(), GeMPooling2D(), BNNeckHead(4), SIZE, metadata=model.metadata)
    assert other.image_size == SIZE


def test_fused_copy_for_deployment(images):
    model = ReIDModel(RepVGG("A0", width=8), GeMPooling2D(), BNNeckHead(4), SIZE, metadata={"threshold": 0.5})
    randomize(model)
    fused = model.fuse()
    assert fused.backbone.fused
    assert fused.metadata == model.metadata
    assert fused.count_params() < 0.9 * model.count_params()
    embeddings = model.predict(images, verbose=0)
    np.testing.assert_allclose(fused.predict(images, verbose=0), embeddings, rtol=1e-3, atol=1e-3)
    fused.head.neck.moving_mean.assign(fused.head.neck.moving_mean + 1)
    np.testing.assert_array_equal(model.predict(images, verbose=0), embeddings)
    with pytest.raises(ValueError, match="Only a backbone with a method `fuse`"):
        make_model().fuse()


def test_cameras_reach_a_backbone_that_knows_them(images):
    pixels, numbers = keras.Input((*SIZE, 3), name="images"), keras.Input((), dtype="int32", name="cameras")
    tokens = CameraEmbedding(3, name="embedding")(PatchEmbedding(16, (8, 8), (8, 8))(pixels), numbers)
    feature_map = keras.layers.Reshape((1, 1, 16))(keras.layers.Dense(16)(tokens)[:, 0])
    backbone = keras.Model({"images": pixels, "cameras": numbers}, feature_map)
    backbone.num_cameras = 3
    embedding = backbone.get_layer("embedding").embeddings
    embedding.assign(np.random.default_rng(0).normal(size=embedding.shape))
    model = ReIDModel(backbone, IdentityPooling2D(), BNNeckHead(4), image_size=SIZE)
    cameras = np.array([0, 1, 2, 0, 1, 2, -1, -1], "int32")
    known = model.predict({"images": images, "cameras": cameras}, verbose=0)
    unknown = model.predict(images, verbose=0)
    same_rows = np.isclose(known, unknown, rtol=1e-4, atol=1e-4).all(axis=1)
    assert same_rows.tolist() == [False] * 6 + [True] * 2

    model.compile(Adam(1e-3), losses=[CrossEntropy()])
    losses = [
        model.evaluate(images, {"identity": IDENTITIES, "camera": np.full(8, c, "int32")}, verbose=0)[0]
        for c in (0, 1)
    ]
    assert losses[0] != losses[1]
    before = np.array(embedding)
    model.fit(images, {"identity": IDENTITIES, "camera": np.full(8, 1, "int32")}, verbose=0)
    moved = np.any(np.array(embedding) != before, axis=tuple(range(1, embedding.ndim)))
    assert moved.tolist() == [False, True, False]


def test_variables_of_losses_are_part_of_the_training_state(images):
    model = make_model()
    assert model.training_state == []
    loss = CrossEntropy()
    loss.state_variables = [keras.Variable(0.0), keras.Variable(1.0)]
    model.compile("sgd", losses=[TripletLoss(), loss])
    assert model.training_state == loss.state_variables


def test_evaluation_puts_nothing_into_the_memory_of_a_loss(images):
    model = make_model()
    model.compile(Adam(1e-3), losses=[CrossEntropy(), MemoryLoss(dim=64, size=32)])
    model.fit(batches(images, 1), verbose=0, shuffle=False)
    before = values(model.training_state)
    model.evaluate(batches(images, 2), verbose=0)
    assert all(same(before, values(model.training_state)))
    model.fit(batches(images, 1), verbose=0, shuffle=False)
    assert not all(same(before, values(model.training_state)))


def test_an_embedding_is_the_same_by_every_way_in(images):
    model = make_model()
    np.testing.assert_array_equal(model.predict_on_batch(images), model.predict(images, verbose=0))
