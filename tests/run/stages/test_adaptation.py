"""Adaptation described in an experiment, from the source's file to the adapted model."""

import dataclasses
import json

import keras
import numpy as np
import pytest

from keras_reid import experiment as ex
from keras_reid import run
from keras_reid.data import IdentitySampler, Synthetic
from keras_reid.experiment import smoke
from keras_reid.heads import BNNeckHead
from keras_reid.layers import CircleSoftmax, GeMPooling2D
from keras_reid.models import ReIDModel, load_model
from keras_reid.recipes import adapt
from keras_reid.run.data import read_datasets
from keras_reid.run.stages import Stages, adaptation
from keras_reid.training.adaptation import cluster_memory
from keras_reid.utils.errors import UserError
from tests.harness import randomize

SIZE = (32, 16)
FILE = """
import dataclasses, os
import keras
import numpy as np
from keras_reid import experiment as ex
from keras_reid import run
from keras_reid.data import IdentitySampler, Synthetic
from keras_reid.data.augmentation import Flip

def own_backbone():
    return keras.Sequential([
        keras.Input((None, None, 3)),
        keras.layers.Conv2D(8, 3, strides=4),
        keras.layers.BatchNormalization(momentum=0.9),
    ])

class Reader:
    def read(self, root):
        dataset = Synthetic(preset="tiny").read(root)
        samples = dataset.train
        if os.environ.get("GARBAGE"):
            names = np.random.default_rng(0).integers(0, 5, len(samples)).tolist()
            samples = [dataclasses.replace(one, identity=f"x{name}") for one, name in zip(samples, names)]
        return dataclasses.replace(dataset, train=samples)

experiment = ex.Experiment(
    name="adapted",
    data=ex.Data(Reader(), sampler=IdentitySampler(2, 6), augmentation=(Flip(),)),
    model=ex.Model(backbone=own_backbone, image_size=(32, 16)),
    losses={"cluster_memory": ex.ClusterMemoryLoss(), "triplet": ex.TripletLoss()},
    schedule=ex.Constant(),
    training=ex.Training(epochs=3, log_every=1, checkpoint_minutes=1e-9),
    adaptation=ex.Adaptation(source="source.keras", min_samples=2, k1=5, k2=2, steps_per_epoch=3),
    evaluation=ex.Evaluation(every=0, projector_images=0),
)
"""


def make_backbone(channels=8):
    return keras.Sequential(
        [
            keras.Input((None, None, 3)),
            keras.layers.Conv2D(channels, 3, strides=4),
            keras.layers.BatchNormalization(momentum=0.9),
        ]
    )


def make_source(channels=8, size=SIZE, **options):
    model = ReIDModel(
        make_backbone(channels),
        GeMPooling2D(),
        BNNeckHead(7, CircleSoftmax(7, scale=32.0)),
        image_size=size,
        **options,
    )
    randomize(model)
    return model


def described(**settings):
    return ex.Experiment(
        model=ex.Model(backbone=make_backbone, image_size=SIZE),
        **{
            "losses": {"cluster_memory": ex.ClusterMemoryLoss()},
            "adaptation": ex.Adaptation(source=make_source),
            **settings,
        },
    )


def started(source, **settings):
    experiment = described(**settings)
    model = run.build_model(experiment, 1)
    adaptation.start_from(model, source, experiment)
    return model, experiment


def test_there_is_none_unless_asked_for():
    assert not ex.Experiment().adaptation.wanted
    assert Stages(ex.Experiment()).stages == []
    assert ex.Adaptation("runs/quickstart").wanted
    (stage,) = Stages(described()).stages
    assert isinstance(stage, adaptation.Adaptation)
    assert not Stages(described()).labelled


def test_starts_from_all_but_the_classifier():
    source = make_source()
    model, _ = started(source)
    images = np.random.default_rng(0).integers(0, 256, (4, *SIZE, 3), np.uint8)
    np.testing.assert_array_equal(model.predict(images, verbose=0), source.predict(images, verbose=0))
    assert model.head.classifier.kernel.shape[-1] == 1
    assert not any("classifier" in variable.path for variable in model.trainable_variables)
    assert model.metadata["provenance"]["source"] == "make_source"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            lambda: make_source(size=(64, 32)),
            r"image_size is .*64, 32.* in the source .*set model\.image_size",
        ),
        (lambda: make_source(pixel_mean=(0, 0, 0)), r"set model\.pixel_mean to it"),
        (
            lambda: make_source(channels=9),
            r"backbone that model\.backbone describes.*9\) where .*8\) is described",
        ),
    ],
)
def test_refuses_another_source(source, message):
    with pytest.raises(UserError, match=message):
        started(source())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"distillation": ex.Distillation(ema_momentum=0.9)}, "distillation must be left at its default"),
        ({"training": ex.Training(devices="all")}, r"training\.devices must .*it runs on one device"),
        ({"training": ex.Training(precise_bn_batches=3)}, r"training\.precise_bn_batches must be left"),
        (
            {"adaptation": ex.Adaptation("runs/nowhere")},
            r"adaptation\.source: runs/nowhere: there is no such run directory",
        ),
        (
            {"adaptation": ex.Adaptation("nowhere.pth")},
            r"adaptation\.source: nowhere\.pth: there is no such file",
        ),
    ],
)
def test_refuses_before_anything_is_computed(settings, message):
    with pytest.raises(UserError, match=message):
        Stages(described(**settings)).check()
    Stages(described()).check()


def test_says_what_is_not_installed(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'keras_reid\[adaptation\]'"):
        Stages(described()).check()
    Stages(ex.Experiment()).check()


def test_a_source_that_is_none():
    with pytest.raises(UserError, match=r"adaptation\.source: must hold run directories, .*Received: 3"):
        adaptation.load_source(ex.Adaptation(3))


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        ({"ce": ex.CrossEntropy(), "memory": ex.ClusterMemoryLoss()}, "no classifier: .*Received: ce"),
        ({"triplet": ex.TripletLoss()}, r"must hold one ClusterMemoryLoss\(\).*Received: triplet"),
        ({"a": ex.ClusterMemoryLoss(), "b": ex.ClusterMemoryLoss()}, "must hold one .*Received: a, b"),
    ],
)
def test_refuses_other_losses(losses, message):
    model, experiment = started(make_source(), losses=losses)
    run.compile_model(model, experiment, 5, most_clusters=6)
    with pytest.raises(UserError, match=message):
        cluster_memory(model)


def test_the_memory_is_as_described_and_large_enough():
    losses = {"mine": ex.ClusterMemoryLoss(temperature=0.2, momentum=0.4), "triplet": ex.TripletLoss()}
    model, experiment = started(make_source(), losses=losses)
    run.compile_model(model, experiment, 5, most_clusters=6)
    memory = cluster_memory(model)
    assert (memory.name, memory.temperature, memory.momentum) == ("mine", 0.2, 0.4)
    assert (memory.max_clusters, memory.dim) == (6, 8)
    assert [metric.name for metric in model.metrics] == ["loss", "mine", "triplet"]  # no accuracy
    assert [tuple(variable.shape) for variable in model.training_state] == [(6, 8), ()]


def test_without_an_adaptation_the_memory_is_one_of_identities():
    experiment = described(adaptation=ex.Adaptation())
    model = run.compile_model(run.build_model(experiment, 5), experiment, 5)
    assert cluster_memory(model).max_clusters == 5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"eps": 1.0}, r"adaptation\.eps, a Jaccard distance, must be above 0 and below 1"),
        ({"eps": 0.0}, r"adaptation\.eps"),
        ({"min_samples": 0}, r"adaptation\.min_samples must be 1 or more"),
        ({"k1": 0}, r"adaptation\.k1 must be 1 or more"),
        ({"k2": 0}, r"adaptation\.k2 must be 1 or more"),
        ({"steps_per_epoch": 0}, r"adaptation\.steps_per_epoch must be 1 or more"),
    ],
)
def test_settings_that_make_no_sense(settings, message):
    with pytest.raises(UserError, match=message):
        ex.Experiment(adaptation=ex.Adaptation(**settings))


class Garbage:
    """The tiny set with train identities that mean nothing."""

    def read(self, root):
        dataset = Synthetic(preset="tiny").read(root)
        samples = [dataclasses.replace(one, identity=f"x{n * n % 7}") for n, one in enumerate(dataset.train)]
        return dataclasses.replace(dataset, train=samples)


def test_nothing_after_the_reading_sees_an_identity(tmp_path):
    """The proof that none is used: what a run goes on with is the same whatever they are."""
    sampler = IdentitySampler(99, 4)  # which the labelled set would be refused with
    read = [
        read_datasets(ex.Data(reader, root=tmp_path, sampler=sampler), identities=False)
        for reader in (Synthetic(preset="tiny"), Garbage())
    ]
    assert read[0] == read[1]
    train, (test,) = read[0]
    assert train is test
    assert [sample.identity for sample in train.train] == list(range(len(train.train)))
    assert {sample.identity for sample in test.query} == {
        sample.identity for sample in Synthetic(preset="tiny").read(tmp_path).query
    }


def test_is_written_down_and_set_from_the_command_line():
    arguments = [
        "--adaptation.source",
        "runs/a",
        "--adaptation.eps",
        "0.4",
        "--adaptation.steps-per-epoch",
        "9",
    ]
    experiment = ex.override(adapt("x", "runs/b", Synthetic()), arguments)
    settings = experiment.adaptation
    assert (settings.source, settings.eps, settings.steps_per_epoch) == ("runs/a", 0.4, 9)
    assert json.loads(json.dumps(ex.as_dict(experiment)))["adaptation"]["source"] == "runs/a"


def test_smoke_starts_from_random_weights():
    small, said = smoke(adapt("x", "runs/nowhere", Synthetic()))
    assert "source: random weights instead of 'runs/nowhere'" in said
    json.dumps(ex.as_dict(small))
    source = adaptation.load_source(small.adaptation)
    adaptation.start_from(run.build_model(small, 1), source, small)
    again, said = smoke(dataclasses.replace(small, name="x"))
    assert said == []
    assert again.adaptation == small.adaptation


@pytest.mark.slow
def test_fit_resumes_to_the_bit_and_uses_no_identity(command, tmp_path, monkeypatch):
    (tmp_path / "own.py").write_text(FILE)
    make_source().save(tmp_path / "source.keras")
    process = command("fit", "own.py", cwd=tmp_path)
    assert "no classes, 3 epochs of 3 steps, 12 images a step" in process.stdout
    run = tmp_path / "runs" / "adapted"
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert all(line["clusters"] >= 2 and 0 <= line["outliers"] < 1 for line in lines)
    assert all(np.isfinite(line["cluster_memory"]) for line in lines)
    metrics, weights = (run / "metrics.json").read_text(), load_model(run).get_weights()

    def same():
        assert (run / "metrics.json").read_text() == metrics
        np.testing.assert_equal(load_model(run).get_weights(), weights)

    # The newest checkpoint is of the end, the one before of the last epoch's middle.
    (run / "metrics.json").unlink()
    (run / "checkpoints" / "epoch_0003.npz").write_bytes(b"damaged")
    process = command("fit", "own.py", "--resume", cwd=tmp_path)
    assert "resuming after epoch 2 and 2 steps" in process.stdout
    same()

    # From the beginning.
    (run / "metrics.json").unlink()
    for file in (run / "checkpoints").iterdir():
        file.unlink()
    monkeypatch.setenv("GARBAGE", "1")
    command("fit", "own.py", "--resume", cwd=tmp_path)
    same()


@pytest.mark.slow
def test_no_cluster_is_said_with_a_remedy(command, tmp_path):
    (tmp_path / "own.py").write_text(FILE)
    make_source().save(tmp_path / "source.keras")
    arguments = ["--adaptation.min-samples", "40", "--adaptation.eps", "0.01"]
    process = command("fit", "own.py", *arguments, cwd=tmp_path, ok=False)
    assert process.returncode == 2
    assert "none of the 48 training images is in a cluster, with adaptation.eps=0.01" in process.stderr
    assert "Traceback" not in process.stderr
