import contextlib
import io
import re
import shlex

import pytest

from keras_reid import experiment as ex
from keras_reid.experiment.keys import lines
from keras_reid.recipes import adapt, mgn, partial
from keras_reid.utils.errors import UserError


def own_backbone():
    raise AssertionError("is not built")


OWN = ex.Experiment(
    model=ex.Model(backbone=own_backbone),
    schedule=None,
    loss_weights={"triplet": 2.0},
    data=ex.Data(cache="memory"),
)


def keys(experiment):
    return {line.partition(" ")[0]: line.partition(" =")[2] for line in lines(experiment) if line[0] != "#"}


def arguments(experiment):
    return [word for key, value in keys(experiment).items() for word in (f"--{key}", *shlex.split(value))]


def test_changes_what_is_named_and_nothing_else():
    base = ex.Experiment(name="base")
    changed = base.with_changes({"name": "mine", "losses.triplet.margin": 0.0, "model.backbone.depth": 18})
    assert changed.name == "mine"
    assert changed.losses == {"cross_entropy": ex.CrossEntropy(), "triplet": ex.TripletLoss(margin=0.0)}
    assert changed.model == ex.Model(backbone=ex.ResNet(depth=18))
    assert (changed.data, changed.training) == (base.data, base.training)
    assert base == ex.Experiment(name="base")
    assert base.with_changes({}) == base


def test_a_new_component_is_changed_by_the_keys_below_it():
    changed = ex.Experiment().with_changes({"model.pooling.p": 4.0, "model.pooling": ex.GeM(learnable=False)})
    assert changed.model.pooling == ex.GeM(p=4.0, learnable=False)


def test_terms_of_the_loss_and_components_of_a_tuple():
    base = partial()
    changed = base.with_changes({"losses.circle": ex.CircleLoss(), "data.augmentation.0.padding": 3})
    assert changed.losses == {**base.losses, "circle": ex.CircleLoss()}
    assert [one.padding for one in changed.data.augmentation[:1]] == [3]
    assert changed.data.augmentation[1:] == base.data.augmentation[1:]


def test_changes_are_made_at_once():
    """What goes together only in the end is not rejected on the way."""
    changes = {"training.patience": 3, "evaluation.every": 5}
    base = ex.Experiment(evaluation=ex.Evaluation(every=0))
    assert base.with_changes(changes).training.patience == 3
    with pytest.raises(UserError, match=r"training\.patience counts evaluations"):
        base.with_changes({"training.patience": 3})


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("model.poling", r"there is no key 'model\.poling'\. Perhaps you meant: model\.pooling"),
        ("training.epoch", r"Perhaps you meant: training\.epochs"),
        (
            "losses.tripplet.margin",
            r"there is no key 'losses\.tripplet'\. Perhaps you meant: losses\.triplet",
        ),
        ("data.augmentation.7", r"there is no key 'data\.augmentation\.7'"),
        ("model.image_size.0", r"model\.image_size is builtins\.tuple, which has no keys\. Replace"),
        (
            "model.backbone.depth",
            r"model\.backbone is \S+\.own_backbone, which has no keys\. Replace model\.backbone",
        ),
    ],
)
def test_an_unknown_key_is_rejected_with_the_nearest(key, message):
    with pytest.raises(UserError, match=message):
        OWN.with_changes({key: 1})


@pytest.mark.parametrize(
    "experiment", [mgn("x"), partial("x"), adapt("x", "runs/y", None), OWN], ids=lambda one: one.name
)
def test_the_command_line_takes_what_is_written(experiment):
    other = experiment.with_changes(
        {
            "name": "other",
            "training.epochs": 7,
            "training.freeze_layers": ("backbone", r"head\.(a b|c)"),
            "model.image_size": (32, 16),
            "model.pixel_mean": (1.0, 2.0, 3.0),
            "evaluation.recall": (1, 5),
            "distillation.logit_loss.kind": "l1",
        }
    )
    assert ex.override(experiment, arguments(other)) == other


def test_every_key_of_the_command_line_is_written():
    experiment = partial("x")
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), pytest.raises(SystemExit):
        ex.override(experiment, ["--help"])
    known = {key.replace("-", "_") for key in re.findall(r"(?m)^  --([a-z][\w.-]+)", shown.getvalue())}
    assert known == set(keys(experiment))


def test_what_the_command_line_cannot_set_is_a_comment():
    written = lines(OWN)
    assert f"# model.backbone: {__name__}.own_backbone" in written
    assert "# model.pooling: GeM" in written
    assert "model.pooling.p = 3.0" in written
    assert "loss_weights.triplet = 2.0" in written
    assert "schedule = None" in written
    assert "data.cache = memory" in written
    assert "data.augmentation =" in written
    assert not any(line.startswith(("data:", "# data:")) for line in written)
