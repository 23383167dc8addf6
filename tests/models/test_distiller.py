import pickle
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_reid.heads import BNNeckHead
from keras_reid.layers import CircleSoftmax, GeMPooling2D
from keras_reid.losses import CrossEntropy, LogitDistillationLoss, PKTLoss, TripletLoss
from keras_reid.models import Distiller, ReIDModel
from keras_reid.training import Adam
from keras_reid.training.callbacks import Checkpoints
from tests.conftest import ROOT
from tests.harness import dtype_policy, randomize
from tests.models import distilled_replicas

SIZE, LARGER = (32, 16), (48, 24)
IDENTITIES = np.repeat(np.arange(4), 2).astype("int32")
TERMS = {"logit_distillation", "pkt"}


def make_model(width=8, classes=4, size=SIZE, seed=None, dropout=0.0):
    backbone = keras.Sequential(
        [
            keras.Input((None, None, 3)),
            keras.layers.Conv2D(width, 3, strides=2, use_bias=False, name="conv1"),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.Dropout(dropout),
            keras.layers.Conv2D(2 * width, 3, strides=2, use_bias=False, name="conv2"),
            keras.layers.BatchNormalization(),
        ]
    )
    model = ReIDModel(
        backbone, GeMPooling2D(), BNNeckHead(classes, CircleSoftmax(classes, 8)), image_size=size
    )
    if seed is not None:
        randomize(model, seed)
    return model


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (8, *SIZE, 3), dtype="uint8")


def data(images, steps=100, **labels):
    return tf.data.Dataset.from_tensors((images, {"identity": IDENTITIES, **labels})).repeat(steps)


def compiled(student, teachers=(), losses=None, optimizer=None, **options):
    arguments = {"logit_loss", "pkt_weight", "logit_weight", "ema_momentum"}
    own = {name: options.pop(name) for name in arguments & set(options)}
    distiller = Distiller(student, teachers, **own)
    distiller.compile(
        optimizer or Adam(0.01), losses=[CrossEntropy()] if losses is None else losses, **options
    )
    return distiller


def fit(distiller, batches, steps=3):
    history = distiller.fit(batches, steps_per_epoch=steps, verbose=0, shuffle=False).history
    return {name: value[0] for name, value in history.items()}


def values(model):
    return [np.array(variable) for variable in model.variables]


def equal(before, after):
    return all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def outputs(model, images, training=False):
    labels = np.zeros(len(images), "int32") if training else None  # for the logits, which no test reads
    found = model.compute_outputs(images, labels=labels, training=training)
    return {name: np.array(x) for name, x in found.items()}


def test_the_terms_are_the_weighted_losses_between_the_heads_outputs(images):
    student, teacher = make_model(seed=0), make_model(12, seed=1)
    distiller = compiled(student, [teacher], logit_loss="kl", logit_weight=0.5, pkt_weight=2.0)
    theirs, ours = outputs(teacher, images), outputs(student, images, training=True)
    logs = fit(distiller, data(images), steps=1)
    assert set(logs) >= TERMS | {"loss", "accuracy", "cross_entropy", "learning_rate"}
    expected = 0.5 * float(LogitDistillationLoss("kl")(theirs["scores"], ours["scores"]))
    assert logs["logit_distillation"] == pytest.approx(expected, rel=1e-4)
    expected = 2 * float(PKTLoss()(theirs["embedding"], ours["embedding"]))
    assert logs["pkt"] == pytest.approx(expected, rel=1e-3)
    total = logs["cross_entropy"] + logs["logit_distillation"] + logs["pkt"]
    assert logs["loss"] == pytest.approx(total, rel=1e-5)


def test_several_teachers_count_alike(images):
    teachers = [make_model(12, seed=1), make_model(10, seed=2)]
    alone = [fit(compiled(make_model(seed=0), teacher), data(images), 1) for teacher in teachers]
    both = fit(compiled(make_model(seed=0), teachers), data(images), 1)
    for name in TERMS:
        assert both[name] == pytest.approx((alone[0][name] + alone[1][name]) / 2, rel=1e-4)
        assert alone[0][name] != pytest.approx(alone[1][name], rel=1e-3)


def test_teachers_do_not_move_and_are_in_inference_mode(images):
    student, teacher = make_model(seed=0), make_model(12, seed=1, dropout=0.5)
    before = values(teacher), values(student)
    # Of the same images the teacher gives the same: neither dropout nor the statistics of the batch.
    first = fit(compiled(student, teacher, optimizer=keras.optimizers.SGD(0.0)), data(images), 1)
    assert equal(before[0], values(teacher))
    again = fit(compiled(make_model(seed=0), teacher), data(images), 3)
    assert equal(before[0], values(teacher))
    assert not equal(before[1], values(student)), "the student's moving statistics move"
    assert first["logit_distillation"] != again["logit_distillation"]


def test_the_teacher_is_no_part_of_the_model(images, tmp_path):
    student, teacher = make_model(seed=0), make_model(12, seed=1)
    distiller = compiled(student, teacher, ema_momentum=0.9)
    assert distiller.count_params() == student.count_params()
    assert {id(v) for v in distiller.variables} == {id(v) for v in student.variables}
    assert len(distiller.trainable_variables) == len(student.trainable_variables)
    fit(distiller, data(images))
    distiller.save(tmp_path / "student.keras")
    loaded = keras.saving.load_model(tmp_path / "student.keras")
    assert type(loaded) is ReIDModel
    np.testing.assert_array_equal(loaded.predict(images, verbose=0), distiller.predict(images, verbose=0))
    np.testing.assert_array_equal(student.predict(images, verbose=0), distiller.predict(images, verbose=0))


def test_a_student_like_its_teacher_is_left_alone_by_both_terms(images):
    teacher = make_model(seed=0)
    # Both in inference mode, so that both see the same statistics.
    distiller = compiled(make_model(seed=0), teacher)
    logs = distiller.evaluate(images, {"identity": IDENTITIES}, batch_size=8, verbose=0, return_dict=True)
    assert logs["logit_distillation"] == pytest.approx(0, abs=1e-5)
    assert logs["pkt"] == pytest.approx(0, abs=1e-5)
    assert logs["cross_entropy"] > 0.1


def test_a_teacher_of_another_size_sees_the_images_resized(images):
    teacher = make_model(12, size=LARGER, seed=1)
    logs = fit(compiled(make_model(seed=0), teacher), data(images), 1)
    larger = tf.image.resize(images.astype("float32"), LARGER, "bicubic", antialias=True)
    theirs = outputs(teacher, np.clip(np.round(larger), 0, 255))
    ours = outputs(make_model(seed=0), images, training=True)
    expected = float(LogitDistillationLoss()(theirs["scores"], ours["scores"]))
    assert logs["logit_distillation"] == pytest.approx(expected, rel=1e-3)
    unresized = float(LogitDistillationLoss()(outputs(teacher, images)["scores"], ours["scores"]))
    assert expected != pytest.approx(unresized, rel=1e-2)


def test_outputs_that_come_with_the_batch_are_as_those_of_the_teacher(images):
    teacher = make_model(12, seed=1)
    theirs = outputs(teacher, images)
    before = {"scores": theirs["scores"], "embedding": theirs["embedding"]}
    online, students = compiled(make_model(seed=0), teacher), make_model(seed=0)
    expected = fit(online, data(images))
    found = fit(compiled(students), data(images, teachers=(before,)))
    assert found == pytest.approx(expected, rel=1e-4)
    for a, b in zip(online.student.get_weights(), students.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def test_distils_only_what_is_asked_for(images):
    teacher = make_model(12, seed=1)
    logs = fit(compiled(make_model(seed=0), teacher, logit_loss=None), data(images), 1)
    assert TERMS & set(logs) == {"pkt"}
    logs = fit(compiled(make_model(seed=0), teacher, pkt_weight=0), data(images), 1)
    assert TERMS & set(logs) == {"logit_distillation"}
    logs = fit(compiled(make_model(seed=0), teacher, losses=[]), data(images), 1)
    assert logs["loss"] == pytest.approx(logs["pkt"] + logs["logit_distillation"], rel=1e-5)


@pytest.mark.parametrize("kind", ["function", "loss"])
def test_any_loss_between_the_scores(images, kind):
    def squares(teacher, student):
        return keras.ops.mean(keras.ops.square(teacher - student), axis=-1)

    teacher = make_model(12, seed=1)
    loss = squares if kind == "function" else keras.losses.MeanSquaredError(name="squares")
    logs = fit(compiled(make_model(seed=0), teacher, logit_loss=loss), data(images), 1)
    theirs, ours = outputs(teacher, images), outputs(make_model(seed=0), images, training=True)
    assert logs["squares"] == pytest.approx(np.mean((theirs["scores"] - ours["scores"]) ** 2), rel=1e-4)


def test_learns_from_the_teacher_alone(images):
    teacher = make_model(12, seed=1)
    distiller = compiled(make_model(seed=0), teacher, losses=[], logit_loss="l1")
    first = fit(distiller, data(images), 1)
    for _ in range(3):
        last = fit(distiller, data(images), 20)
    assert last["logit_distillation"] < 0.6 * first["logit_distillation"]
    assert last["pkt"] < 0.8 * first["pkt"]


def test_moving_average_of_the_student(images):
    student = make_model(seed=0)
    distiller = compiled(student, ema_momentum=0.9, optimizer=keras.optimizers.SGD(0.05))
    follower = distiller._teaching.follower
    start = [np.array(v) for v in student.variables if "float" in v.dtype]
    trained = fit(distiller, data(images), 1)
    assert trained["pkt"] >= 0
    after_one = [np.array(v) for v in student.variables if "float" in v.dtype]
    # min(0.9, 2 / 11) of the old and the rest of the new.
    for mine, old, new in zip(follower.state_variables, start, after_one, strict=True):
        np.testing.assert_allclose(mine, 2 / 11 * old + 9 / 11 * new, rtol=1e-4, atol=1e-5)
    fit(distiller, data(images), 100)
    held, before = [np.array(v) for v in follower.state_variables], [np.array(v) for v in student.variables]
    fit(distiller, data(images), 1)
    for mine, old, new in zip(follower.state_variables, held, student.variables, strict=False):
        if "float" in new.dtype:
            np.testing.assert_allclose(mine, 0.9 * old + 0.1 * np.array(new), rtol=1e-4, atol=1e-5)
    assert not equal(before, values(student))


@pytest.mark.medium
@pytest.mark.parametrize("momentum", [None, 0.9])
def test_continues_to_the_bit(images, tmp_path, momentum):
    teacher = make_model(12, seed=1)

    def make():
        return compiled(make_model(seed=0), teacher, ema_momentum=momentum, warmup_steps=4)

    whole, first, second = make(), make(), make()
    fit(whole, data(images), 4)
    fit(first, data(images), 2)
    Checkpoints(tmp_path).save(first, (1, 0))
    assert Checkpoints(tmp_path).restore(second) == (1, 0)
    fit(second, data(images), 2)
    for name in ("variables", "training_state"):
        for a, b in zip(getattr(whole, name), getattr(second, name), strict=True):
            np.testing.assert_array_equal(np.array(a), np.array(b))
    size = sum(np.asarray(variable).nbytes for variable in whole.training_state)
    assert (size > 0) == bool(momentum), "the moving average is saved, the teacher not"


def test_warms_up_and_freezes_the_student(images):
    student, teacher = make_model(seed=0), make_model(12, seed=1)
    distiller = compiled(student, teacher, freeze_backbone_steps=3, warmup_steps=10, warmup_factor=0.1)
    before = values(student.backbone), values(student.head)
    logs = fit(distiller, data(images), 1)
    assert logs["learning_rate"] == pytest.approx(0.001)
    fit(distiller, data(images), 2)
    assert equal(before[0], values(student.backbone))
    assert not equal(before[1], values(student.head))
    fit(distiller, data(images), 1)
    assert not equal(before[0], values(student.backbone))


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(images, policy):
    teacher = make_model(12, seed=1)
    with dtype_policy(policy):
        distiller = compiled(make_model(), teacher, losses=[CrossEntropy(), TripletLoss()], ema_momentum=0.9)
        logs = fit(distiller, data(images))
    assert all(np.isfinite(value) for value in logs.values())
    assert distiller.nonfinite is None
    assert teacher.backbone.compute_dtype == "float32"


def test_a_teacher_from_a_file(images, tmp_path):
    teacher = make_model(12, seed=1)
    teacher.save(tmp_path / "model.keras")
    expected = fit(compiled(make_model(seed=0), teacher), data(images), 1)
    for place in (tmp_path, str(tmp_path / "model.keras")):  # a run directory, a file
        assert fit(compiled(make_model(seed=0), place), data(images), 1) == pytest.approx(expected, rel=1e-5)


def test_other_classes_leave_pkt(images):
    teacher = make_model(12, classes=5)
    message = r"logit_distillation compares class scores, .*a teacher of 5 classes and a student of 4\. Leave it out"
    with pytest.raises(ValueError, match=message):
        Distiller(make_model(), teacher)
    logs = fit(compiled(make_model(), teacher, logit_loss=None), data(images), 1)
    assert np.isfinite(logs["pkt"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"student": "runs/x"}, "student must be a ReIDModel"),
        ({"teachers": [3]}, "a teacher must be a ReIDModel, a run directory or a .keras file. Received: 3"),
        ({"pkt_weight": -1}, "pkt_weight must not be negative. Received: pkt_weight=-1"),
        ({"logit_weight": -1}, "logit_weight must not be negative"),
        ({"ema_momentum": 1.0}, r"ema_momentum must be in \[0, 1\), or None"),
        ({"logit_loss": None, "pkt_weight": 0}, "without both nothing is distilled"),
        ({"logit_loss": "l2"}, "must be one of l1, js, kl"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Distiller(**{"student": make_model(), **arguments})


def test_without_a_teacher(images):
    with pytest.raises(ValueError, match=r"there is no teacher: give Distiller teachers=\[\.\.\.\]"):
        fit(compiled(make_model()), data(images), 1)
    model = make_model()
    model.compile("sgd", losses=[PKTLoss()])
    with pytest.raises(ValueError, match=r"pkt compares with a teacher, .*train with models\.Distiller"):
        fit(model, data(images), 1)


def test_weights_of_the_students_losses(images):
    teacher = make_model(12, seed=1)
    one, three = (
        fit(compiled(make_model(seed=0), teacher, loss_weights=[weight]), data(images), 1)
        for weight in (1, 3)
    )
    assert three["cross_entropy"] == pytest.approx(3 * one["cross_entropy"], rel=1e-5)
    assert three["pkt"] == pytest.approx(one["pkt"], rel=1e-5)
    with pytest.raises(ValueError, match=r"one number a loss\. Received: 2 for 1"):
        compiled(make_model(), teacher, loss_weights=[1, 2])


@pytest.mark.slow
def test_two_devices_distil_as_one(tmp_path):
    output = tmp_path / "two.pickle"
    subprocess.run(
        [sys.executable, "-m", "tests.models.distilled_replicas", str(output)], cwd=ROOT, check=True
    )
    found, expected = pickle.loads(output.read_bytes()), distilled_replicas.train()
    assert found["logs"] == pytest.approx(expected["logs"], rel=1e-4)
    for a, b in zip(found["variables"], expected["variables"], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
