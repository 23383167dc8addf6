"""Distillation described in an experiment, from the teachers' files to the saved student."""

import dataclasses
import json
import random

import keras
import numpy as np
import pytest

from keras_reid import experiment as ex
from keras_reid import run
from keras_reid.data import Synthetic
from keras_reid.heads import BNNeckHead
from keras_reid.layers import GeMPooling2D
from keras_reid.models import Distiller, ReIDModel, load_model
from keras_reid.run.stages import distillation
from keras_reid.utils.errors import UserError
from keras_reid.weights import build_fastreid
from tests.checkpoints.writing import write_torch_file
from tests.weights.test_fastreid import small_state

SIZE = (32, 16)
FILE = """
import keras
from keras_reid import experiment as ex
from keras_reid import run
from keras_reid.data import IdentitySampler, Synthetic
from keras_reid.data.augmentation import Flip

def own_backbone():
    return keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(8, 3, strides=4)])

experiment = ex.Experiment(
    name="distilled",
    data=ex.Data(Synthetic(preset="tiny"), sampler=IdentitySampler(8, 3), augmentation=(Flip(),)),
    model=ex.Model(backbone=own_backbone, image_size=(32, 16)),
    schedule=ex.Constant(),
    training=ex.Training(epochs=2, log_every=0),
    distillation=ex.Distillation(teachers=("teacher.keras",)),
    evaluation=ex.Evaluation(every=0, projector_images=0),
)
"""


def make_backbone():
    return keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(8, 3, strides=4)])


def make_teacher(classes=8):
    return ReIDModel(make_backbone(), GeMPooling2D(), BNNeckHead(classes), image_size=SIZE)


@pytest.fixture(scope="module")
def teacher_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("teacher") / "teacher.keras"
    make_teacher().save(file)
    return file


def student(classes=8, **settings):
    settings = ex.Distillation(**settings)
    experiment = ex.Experiment(model=ex.Model(backbone=make_backbone, image_size=SIZE), distillation=settings)
    return run.build_model(experiment, classes), experiment


def wrapped(classes=8, **settings):
    model, experiment = student(classes, **settings)
    teachers = distillation.load_teachers(experiment.distillation)
    return distillation.with_teachers(model, experiment, teachers, None)


def test_there_is_none_unless_asked_for():
    assert not ex.Distillation().wanted
    assert not ex.Experiment().distillation.wanted
    assert ex.Distillation(teachers=("a",)).wanted
    assert ex.Distillation(ema_momentum=0.99).wanted


def test_every_kind_of_teacher(teacher_file):
    def own():
        return make_teacher()

    model = make_teacher()
    for teacher in (str(teacher_file), teacher_file, own, model):
        (found,) = distillation.load_teachers(ex.Distillation(teachers=(teacher,)))
        assert isinstance(found, ReIDModel)
    assert found is model


def test_a_teacher_of_fastreid_with_the_config_beside_it(tmp_path):
    file = tmp_path / "model_final.pth"
    write_torch_file(file, {"model": small_state()})
    (tmp_path / "config.yaml").write_text("""
MODEL:
  BACKBONE: {DEPTH: 18x, LAST_STRIDE: 2}
  HEADS: {POOL_LAYER: GlobalMaxPool}
INPUT:
  SIZE_TEST: [64, 32]
""")
    (found,) = distillation.load_teachers(ex.Distillation(teachers=(str(file),)))
    expected = build_fastreid(file, tmp_path / "config.yaml")
    assert (found.backbone.last_stride, found.image_size) == (2, (64, 32))
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 32, 3), np.uint8)
    np.testing.assert_array_equal(found.predict(images, verbose=0), expected.predict(images, verbose=0))
    assert np.abs(found.predict(images, verbose=0)).max() > 0


def test_every_field_reaches_the_distiller(teacher_file):
    def own_loss(teacher, student):
        return keras.ops.mean(keras.ops.abs(teacher - student), axis=-1)

    def terms(**settings):
        distiller = wrapped(teachers=(str(teacher_file),), **settings)
        assert isinstance(distiller, Distiller)
        return {loss.name: (loss, weight) for loss, weight in distiller._teaching.terms}

    described = ex.LogitDistillationLoss("kl", temperature=4.0)
    found = terms(logit_loss=described, logit_weight=0.5, pkt_weight=3.0)
    loss, weight = found["logit_distillation"]
    assert (loss.kind, loss.temperature, weight, found["pkt"][1]) == ("kl", 4.0, 0.5, 3.0)
    assert set(terms(pkt_weight=0.0)) == {"logit_distillation"}
    assert set(terms(logit_weight=0.0)) == set(terms(logit_loss=None)) == {"pkt"}
    assert set(terms(logit_loss=own_loss)) == {"own_loss", "pkt"}
    distiller = wrapped(ema_momentum=0.99)
    assert distiller._teaching.follower.momentum == 0.99
    assert distiller.metadata["provenance"]["teachers"] == ["moving average of itself"]


def test_the_student_begins_as_without_a_teacher(teacher_file):
    def weights(**settings):
        keras.utils.set_random_seed(5)
        settings = ex.Distillation(**settings)
        distillation.load_teachers(settings)
        return random.random()

    assert weights(teachers=(str(teacher_file),)) == weights()


@pytest.mark.parametrize(
    ("teacher", "message"),
    [
        (
            "runs/nowhere",
            r"distillation\.teachers: runs/nowhere: there is no such run directory or model file",
        ),
        ("nowhere.pth", r"distillation\.teachers: nowhere\.pth: there is no such file"),
        (3, r"distillation\.teachers: must hold run directories, .*Received: 3"),
    ],
)
def test_a_teacher_that_is_none(teacher, message):
    with pytest.raises(UserError, match=message):
        distillation.load_teachers(ex.Distillation(teachers=(teacher,)))


def test_a_teacher_of_other_identities(teacher_file):
    message = (
        r"distillation: logit_distillation compares class scores, .*a teacher of 8 classes and a student of 7"
    )
    with pytest.raises(UserError, match=message):
        wrapped(classes=7, teachers=(str(teacher_file),))
    assert wrapped(classes=7, teachers=(str(teacher_file),), logit_weight=0.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pkt_weight": -1}, r"distillation\.pkt_weight must be 0 or more"),
        ({"logit_weight": -1}, r"distillation\.logit_weight must be 0 or more"),
    ],
)
def test_settings_that_make_no_sense(settings, message):
    with pytest.raises(UserError, match=message):
        ex.Experiment(distillation=ex.Distillation(**settings))


def test_nothing_to_distil_by(teacher_file):
    with pytest.raises(UserError, match=r"distillation: .*without both nothing is distilled"):
        wrapped(teachers=(str(teacher_file),), pkt_weight=0, logit_weight=0)


def test_is_written_down_and_set_from_the_command_line():
    experiment = ex.override(
        ex.Experiment(), ["--distillation.teachers", "a", "b.pth", "--distillation.logit-loss.kind", "l1"]
    )
    assert experiment.distillation.teachers == ("a", "b.pth")
    assert experiment.distillation.logit_loss.kind == "l1"
    again = ex.override(experiment, ["--distillation.teachers"])
    assert not again.distillation.wanted
    assert json.loads(json.dumps(ex.as_dict(experiment)))["distillation"]["teachers"] == ["a", "b.pth"]


def test_says_how_many_a_teacher_recognises(teacher_file, tmp_path, capsys):
    settings = ex.Distillation(teachers=(str(teacher_file),), teacher_input="plain", cache=tmp_path / "c")
    dataset = Synthetic(preset="tiny").read(tmp_path)
    teachers = distillation.load_teachers(settings)
    outputs = distillation.plain_outputs(settings, teachers, dataset)
    said = capsys.readouterr().out
    assert f"teacher {teacher_file}: recognises " in said
    assert "Was it trained on other identities, or in another order?" in said
    assert set(outputs.arrays[0]) == {"scores", "embedding"}
    only = dataclasses.replace(settings, logit_weight=0.0)
    assert set(distillation.plain_outputs(only, teachers, dataset).arrays[0]) == {"embedding"}
    seen = dataclasses.replace(settings, teacher_input="augmented")
    assert distillation.plain_outputs(seen, teachers, dataset) is None


@pytest.mark.slow
@pytest.mark.parametrize("seen", ["plain", "augmented"])
def test_fit_saves_the_student_alone(command, teacher_file, tmp_path, seen):
    (tmp_path / "own.py").write_text(FILE)
    process = command(
        "fit",
        *("own.py", "--distillation.teachers", teacher_file, "--distillation.teacher-input", seen),
        *("--distillation.ema-momentum", "0.9"),
        cwd=tmp_path,
    )
    run = tmp_path / "runs" / "distilled"
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert all(np.isfinite([line["pkt"], line["logit_distillation"]]).all() for line in lines)
    model = load_model(run)
    assert type(model) is ReIDModel
    assert model.metadata["provenance"]["teachers"] == [str(teacher_file), "moving average of itself"]
    files = list((tmp_path / "runs" / "teacher_outputs").glob("*.npy"))
    assert len(files) == (2 if seen == "plain" else 0)
    assert ("recognises" in process.stdout) == (seen == "plain")


@pytest.mark.slow
def test_a_missing_teacher_is_said_before_anything(command, tmp_path):
    (tmp_path / "own.py").write_text(FILE)
    process = command("fit", "own.py", cwd=tmp_path, ok=False)
    assert process.returncode == 2
    assert "distillation.teachers: teacher.keras: there is no such" in process.stderr
    assert "checking" not in process.stderr
    assert not (tmp_path / "runs" / "distilled").exists()
