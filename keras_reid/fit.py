"""`python -m keras_reid.fit FILE`: trains and evaluates an experiment."""

import dataclasses
import json
import statistics
from pathlib import Path
from typing import Annotated

import tyro

from keras_reid import command_line
from keras_reid.errors import UserError
from keras_reid.experiment.loading import load_experiment, override
from keras_reid.experiment.run_directory import RunDirectory, resolve


@dataclasses.dataclass(frozen=True)
class Fit:
    """Train and evaluate an experiment.

    FILE is a Python file that defines `experiment`. Every typed field of it can be changed with --KEY VALUE, for
    example --training.epochs 30 --data.root /data; `FILE --help` lists them with their values. Results go to
    runs/NAME: model.keras, metrics.json, metrics.jsonl, report/index.html, TensorBoard logs and checkpoints. An
    existing run is kept: the new one becomes NAME-2.
    """

    file: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """the experiment file, for example experiments/quickstart.py"""
    smoke: bool = False
    """two steps on tiny synthetic data, to see that everything fits together; replaces runs/NAME-smoke"""
    resume: bool = False
    """continue the newest unfinished run of this experiment from its last checkpoint"""
    skip_unreadable: bool = False
    """leave unreadable images out and list them, instead of stopping"""
    seeds: tuple[int, ...] = ()
    """run once with each of these seeds, as NAME-seed0 and so on, and print mean and spread"""


def main(arguments):
    if arguments and Path(arguments[0]).suffix == ".py" and {"-h", "--help"} & set(arguments):
        override(
            load_experiment(arguments[0]), ["--help"], program=f"python -m keras_reid.fit {arguments[0]}"
        )
    fit, overrides = command_line.parse(
        Fit,
        arguments,
        prog="python -m keras_reid.fit",
        config=(tyro.conf.FlagCreatePairsOff,),
        return_unknown_args=True,
    )
    if fit.skip_unreadable:
        overrides = [*overrides, "--data.skip-unreadable", "True"]
    results = {seed: _run(fit, overrides, seed) for seed in fit.seeds or (None,)}
    if fit.seeds:
        _print_spread(results)


def _run(fit, overrides, seed):
    """One run; returns its metrics by test set."""
    experiment, said = resolve(fit.file, overrides, fit.smoke, seed)
    for sentence in said:
        print(f"smoke run: {sentence}")
    if fit.resume and fit.seeds:
        finished = [run for run in RunDirectory.of(experiment) if run.is_finished()]
        if finished:
            print(f"seed {seed} is finished: {finished[0].path}")
            return json.loads((finished[0] / "metrics.json").read_text(encoding="utf-8"))
    directory = RunDirectory.unfinished(experiment) if fit.resume else None
    new = directory is None
    if new:
        directory = RunDirectory.create(experiment, fit.file, overrides, fit.smoke, seed)
    command_line.load_tensorflow()
    from keras_reid.experiment.running import run

    try:
        return run(experiment, directory, resume=fit.resume)
    except UserError:
        if new and not directory.has_begun():
            directory.remove()  # so that the corrected command has the name
        raise


def _print_spread(results):
    """Mean and sample standard deviation over the seeds, in percent."""
    import rich.console
    import rich.table

    from keras_reid.evaluation.table import COLUMNS

    table = rich.table.Table(title=f"mean ± standard deviation over seeds {', '.join(map(str, results))}")
    table.add_column("Test set", overflow="fold")
    for title, _ in COLUMNS:
        table.add_column(title, justify="right", no_wrap=True)
    for name in next(iter(results.values())):
        cells = []
        for _, column in COLUMNS:
            values = [100 * metrics[name][column] for metrics in results.values()]
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            cells.append(f"{statistics.mean(values):.2f} ± {spread:.2f}")
        table.add_row(name, *cells)
    rich.console.Console().print(table)


if __name__ == "__main__":
    command_line.run(main)
