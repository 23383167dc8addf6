import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from keras_reid import experiment as ex
from keras_reid.data import Folder, Synthetic
from keras_reid.utils.errors import UserError


def write(tmp_path, text):
    file = tmp_path / "mine.py"
    file.write_text(text)
    return file


def test_loads_what_the_file_defines(tmp_path):
    file = write(tmp_path, "from keras_reid.experiment import *\nexperiment = Experiment(name='mine')\n")
    assert ex.load_experiment(file).name == "mine"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", "must define `experiment`.*it defines none"),
        ("experiment = 3\n", "must define `experiment`.*it is a int"),
        ("\n1 / 0\n", "line 2: ZeroDivisionError"),
        ("def f(:\n", "line 1: SyntaxError"),
        ("import nothing_of_that_name\n", "line 1: ModuleNotFoundError"),
    ],
)
def test_a_bad_file_is_one_line(tmp_path, text, message):
    with pytest.raises(UserError, match=message) as caught:
        ex.load_experiment(write(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_one_of_another_kind(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        ex.load_experiment(tmp_path / "none.py")
    (tmp_path / "a.yml").write_text("")
    with pytest.raises(UserError, match="is a Python file"):
        ex.load_experiment(tmp_path / "a.yml")


def test_every_kind_of_field_can_be_overridden():
    changed = ex.override(
        ex.Experiment(data=ex.Data(dataset=Folder())),
        [
            *("--training.epochs", "3"),
            *("--model.backbone.depth", "18"),
            *("--model.backbone.ibn", "True"),
            *("--model.image-size", "64", "32"),
            *("--losses.triplet.margin", "0.7"),
            *("--losses.cross_entropy.label_smoothing", "adaptive"),
            *("--data.root", "/somewhere"),
            *("--data.dataset.pattern", "x"),
            *("--data.sampler.images-per-identity", "2"),
            *("--optimizer.learning_rate", "1e-2"),
            *("--name", "other"),
        ],
    )
    assert changed.training.epochs == 3
    assert changed.model.backbone == ex.ResNet(depth=18, ibn=True)
    assert changed.model.image_size == (64, 32)
    assert changed.losses["triplet"].margin == 0.7
    assert changed.losses["cross_entropy"].label_smoothing == "adaptive"
    assert str(changed.data.root) == "/somewhere"
    assert changed.data.dataset == Folder(pattern="x")
    assert changed.data.sampler.images_per_identity == 2
    assert changed.optimizer.learning_rate == 0.01
    assert changed.name == "other"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--training.epoch", "3"], r"--training.epoch, 3\. Perhaps you meant: --training.epochs;"),
        (["--training.epochs", "many"], "invalid literal.*'many'"),
        (["--model.backbone.depth", "19"], "invalid choice '19'"),
        (["--name"], "Missing value"),
        (["--training.epochs", "0"], "training.epochs must be 1 or more"),
        (["--name", "a/b"], "name must consist of"),
    ],
)
def test_bad_overrides_are_one_line(arguments, message):
    with pytest.raises(UserError, match=message) as caught:
        ex.override(ex.Experiment(), arguments)
    assert "\n" not in str(caught.value)


def test_loss_weights_must_name_losses():
    with pytest.raises(UserError, match="loss_weights must name losses"):
        ex.Experiment(loss_weights={"tripplet": 1.0})


def test_is_written_down_as_json():
    class Own:
        pass

    experiment = ex.Experiment(model=ex.Model(backbone=keras.layers.Conv2D(3, 3), pooling=Own, head=Own()))
    written = json.loads(json.dumps(ex.as_dict(experiment)))
    assert written["losses"]["triplet"] == {
        "type": "TripletLoss",
        "margin": 0.3,
        "mining": "hard",
        "normalize": False,
    }
    assert written["model"]["backbone"]["class_name"] == "Conv2D"
    assert written["model"]["pooling"].endswith("Own")
    assert written["data"]["root"] == "datasets"


def test_own_components_cannot_be_overridden_but_stay():
    own = keras.layers.GlobalAveragePooling2D()
    experiment = ex.Experiment(model=ex.Model(pooling=own))
    assert ex.override(experiment, ["--training.epochs", "2"]).model.pooling is own


def test_smoke_substitutes_and_says_so():
    experiment = ex.Experiment(
        name="big",
        model=ex.Model(backbone=ex.ResNet(depth=101, ibn=True)),
        schedule=ex.Cosine(delay_epochs=30, warmup_steps=2000),
        training=ex.Training(epochs=60, freeze_backbone_steps=1000),
    )
    small, said = ex.smoke(experiment)
    assert small.name == "big-smoke"
    assert small.model.backbone == ex.ResNet(depth=18, ibn=True)
    assert small.model.image_size == (64, 32)
    assert small.data.dataset == Synthetic(preset="tiny")
    assert (small.training.epochs, small.training.freeze_backbone_steps) == (1, 1)
    assert (small.schedule.warmup_steps, small.schedule.delay_epochs) == (1, 0)
    text = "\n".join(said)
    for what in (
        "data set",
        "backbone depth: 18 instead of 101",
        "image size",
        "frozen steps: 1 instead of 1000",
    ):
        assert what in text


def test_smoke_keeps_an_own_backbone():
    own = keras.layers.Conv2D(3, 3)
    assert ex.smoke(ex.Experiment(model=ex.Model(backbone=own)))[0].model.backbone is own


def test_describing_needs_no_keras():
    code = (
        "import sys, keras_reid.experiment as ex, keras_reid.recipes as r; r.sbs(); ex.override(ex.Experiment(), [])\n"
        "assert not {'keras', 'tensorflow'} & set(sys.modules), 'heavy'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_description_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ex.ResNet().depth = 18


@pytest.mark.parametrize(
    ("argument", "cache"), [("memory", "memory"), ("/tmp/pixels", Path("/tmp/pixels")), ("None", None)]
)
def test_the_cache_is_memory_or_a_folder_or_none(argument, cache):
    assert ex.override(ex.Experiment(), ["--data.cache", argument]).data.cache == cache
