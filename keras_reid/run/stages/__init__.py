"""The parts of a run that only some experiments ask for: one file each, all with the methods of `Stage`."""

from keras_reid.run.stages.adaptation import Adaptation
from keras_reid.run.stages.distillation import Distillation
from keras_reid.run.stages.partial import Partial
from keras_reid.run.stages.stage import Stage

STAGES = (Partial, Adaptation, Distillation)  # last the one that wraps the model


class Stages(Stage):
    """The stages of a run as one: each is called in turn, with what the one before gave.

    Args:
        experiment: an `Experiment`. The stages that it asks for take part.
    """

    def __init__(self, experiment):
        super().__init__(experiment)
        self.stages = [stage(experiment) for stage in STAGES if stage.wanted(experiment)]
        self.labelled = all(stage.labelled for stage in self.stages)

    def check(self):
        for stage in self.stages:
            stage.check()

    def load(self, datasets, trust_code):
        for stage in self.stages:
            stage.load(datasets, trust_code)

    def batches(self, batches):
        for stage in self.stages:
            batches = stage.batches(batches)
        return batches

    def prepare(self, model):
        for stage in self.stages:
            model = stage.prepare(model)
        return model

    def callbacks(self, model):
        return {name: one for stage in self.stages for name, one in stage.callbacks(model).items()}

    def finish(self, directory, model, tests, results):
        for stage in self.stages:
            results = stage.finish(directory, model, tests, results)
        return results
