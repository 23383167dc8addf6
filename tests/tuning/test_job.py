from pathlib import Path

from keras_reid.tuning.job import Job, trial_name
from keras_reid.tuning.search_space import parse_space


def test_names_and_arguments_of_a_trial():
    dimensions = tuple(parse_space(["training.seed=0,1", "model.image_size=64 32,32 16"]))
    job = Job(("fit",), dimensions, Path("/w/runs/x-sweep"), Path("/w"), suffix="-smoke")
    trial = trial_name("7_training.seed=1")
    assert trial == "trial007"
    assert trial_name("8", first=1) == trial
    assert job.run_name(trial) == "x-sweep-trial007"
    assert job.directory(trial) == Path("/w/runs/x-sweep-trial007-smoke")
    config = {"model.image_size": "32 16", "training.seed": "1"}
    assert job.arguments(config) == ["--training.seed", "1", "--model.image_size", "32", "16"]
