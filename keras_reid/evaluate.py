"""`python -m keras_reid.evaluate RUN_OR_MODEL`: retrieval metrics of a trained model."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import tyro

from keras_reid import command_line
from keras_reid.errors import UserError
from keras_reid.experiment.loading import load_experiment
from keras_reid.experiment.run_directory import RunDirectory
from keras_reid.model_file import find_model_file


@dataclasses.dataclass(frozen=True)
class Evaluate:
    """Evaluate a trained model: Rank-1, Rank-5, Rank-10, mAP and mINP, as a table and as JSON.

    A run is tested on its own test sets unless --dataset names another.
    """

    run_or_model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN_OR_MODEL")]
    """a run directory (runs/NAME) or a .keras file"""
    dataset: str | None = None
    """a benchmark, such as market1501, msmt17 or vehicleid_small (a wrong name lists all), or an experiment file whose
    test sets are used (with its folder or CSV options)"""
    root: Path | None = None
    """folder under which the data set is looked for; by default that of the run or experiment file"""
    metric: Literal["cosine", "euclidean"] | None = None
    """distance between embeddings; by default that of the run or experiment file, else cosine"""
    flip: bool = False
    """average the embeddings of each image and its mirror image"""
    batch_size: int = 128
    """images"""
    skip_unreadable: bool = False
    """leave unreadable images out and list them, instead of stopping"""
    output: Path | None = None
    """JSON file to write; by default evaluation.json in the run directory, or beside the model"""


def main(arguments):
    options = command_line.parse(
        Evaluate, arguments, prog="python -m keras_reid.evaluate", config=(tyro.conf.FlagCreatePairsOff,)
    )
    find_model_file(options.run_or_model)
    run = _run_directory(options.run_or_model)
    data, settings = _what(options, run)

    command_line.load_tensorflow()
    from keras_reid.evaluation import print_table
    from keras_reid.evaluation.dataset import evaluate_dataset
    from keras_reid.experiment.reading import read_datasets
    from keras_reid.files import write_json
    from keras_reid.models import load_model

    model = load_model(options.run_or_model)
    _, tests = read_datasets(data, train=False)
    results = {
        dataset.name: evaluate_dataset(model, dataset, batch_size=options.batch_size, **settings).result
        for dataset in tests
    }
    print_table(results)
    source = Path(options.run_or_model)
    output = options.output or (run / "evaluation.json" if run else source.with_suffix(".evaluation.json"))
    write_json(
        output, {"settings": settings, "results": {k: result.to_dict() for k, result in results.items()}}
    )
    print(f"written to {output}")


def _run_directory(path):
    """The run directory a path names, or None for a model file."""
    return RunDirectory(path) if (Path(path) / "command.json").is_file() else None


def _what(options, run):
    """The data to test on and the evaluation settings: the run's own, where the options do not say otherwise."""
    experiment = None
    if options.dataset and options.dataset.endswith(".py"):
        experiment = load_experiment(options.dataset)
    elif run:
        experiment = run.experiment()
    settings = {"metric": options.metric or "cosine", "flip": options.flip}
    if experiment:
        settings["metric"] = options.metric or experiment.evaluation.metric
        settings["flip"] = options.flip or experiment.evaluation.flip
    return _data(options, experiment), settings


def _data(options, experiment):
    from keras_reid.data import BENCHMARKS
    from keras_reid.experiment import Data

    if options.dataset and not options.dataset.endswith(".py"):
        if options.dataset not in BENCHMARKS:
            raise UserError(
                f"--dataset must be one of {', '.join(BENCHMARKS)}, or an experiment file. "
                f"Received: {options.dataset!r}"
            )
        reader = BENCHMARKS[options.dataset]
        data = dataclasses.replace(experiment.data if experiment else Data(), dataset=reader)
        data = dataclasses.replace(data, test_datasets=())
    elif experiment:
        data = experiment.data
    else:
        raise UserError(
            "a model file has no test set of its own: name one with --dataset, or give a run directory"
        )
    data = dataclasses.replace(data, skip_unreadable=options.skip_unreadable or data.skip_unreadable)
    return data if options.root is None else dataclasses.replace(data, root=options.root)


if __name__ == "__main__":
    command_line.run(main)
