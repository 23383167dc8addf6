"""The protocol that all stages share."""

import inspect

import pytest

from keras_reid import experiment as ex
from keras_reid.data import Synthetic
from keras_reid.recipes import adapt, bot, partial
from keras_reid.run.stages import STAGES, Adaptation, Distillation, Partial, Stages
from keras_reid.run.stages.stage import Stage

METHODS = {name: inspect.signature(method) for name, method in inspect.getmembers(Stage, inspect.isfunction)}


@pytest.mark.parametrize("kind", [*STAGES, Stages])
def test_a_stage_has_the_methods_of_the_protocol_and_no_others(kind):
    own = {name: method for name, method in vars(kind).items() if inspect.isfunction(method)}
    assert {name: inspect.signature(method) for name, method in own.items()} == {
        name: METHODS[name] for name in own
    }


@pytest.mark.parametrize(
    ("experiment", "kinds"),
    [
        (bot("x"), []),
        (partial("x"), [Partial]),
        (adapt("x", "runs/y", Synthetic()), [Adaptation]),
        (partial("x").with_changes({"distillation.ema_momentum": 0.9}), [Partial, Distillation]),
    ],
)
def test_an_experiment_has_the_stages_that_it_asks_for(experiment, kinds):
    stages = Stages(experiment)
    assert [type(stage) for stage in stages.stages] == kinds
    assert stages.labelled == (Adaptation not in kinds)


class Recorded(Stage):
    def __init__(self, name):
        super().__init__(ex.Experiment())
        self.name, self.called = name, []

    def check(self):
        self.called.append("check")

    def load(self, datasets, trust_code):
        self.called.append(("load", datasets, trust_code))

    def batches(self, batches):
        return f"{batches}, {self.name}"

    def prepare(self, model):
        return f"{self.name}({model})"

    def callbacks(self, model):
        return {self.name: model}

    def finish(self, directory, model, tests, results):
        return {**results, self.name: (directory, model, tests)}


def test_each_stage_goes_on_with_what_the_one_before_gave():
    stages = Stages(ex.Experiment())
    stages.stages = [Recorded("first"), Recorded("second")]
    stages.check()
    stages.load("datasets", True)
    assert [stage.called for stage in stages.stages] == [["check", ("load", "datasets", True)]] * 2
    assert stages.batches("batches") == "batches, first, second"
    assert stages.prepare("model") == "second(first(model))"
    assert stages.callbacks("model") == {"first": "model", "second": "model"}
    assert stages.finish("directory", "model", "tests", {"set": 1}) == {
        "set": 1,
        "first": ("directory", "model", "tests"),
        "second": ("directory", "model", "tests"),
    }


def test_a_plain_run_is_left_as_it_is():
    stage, batches, model, results = Stage(ex.Experiment()), object(), object(), {}
    stage.check()
    stage.load(None, False)
    assert stage.labelled
    assert stage.batches(batches) is batches
    assert stage.prepare(model) is model
    assert stage.callbacks(model) == {}
    assert stage.finish(None, model, [], results) is results
