"""`python -m keras_reid.fit FILE`: trains and evaluates an experiment."""

import dataclasses
import statistics
from pathlib import Path
from typing import Annotated

import tyro

from keras_reid.experiment.loading import load_experiment, override
from keras_reid.experiment.run_directory import RunDirectory, resolve
from keras_reid.experiment.schema import RUNS
from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import read_json, write_json
from keras_reid.utils.trust_option import TrustCode
from keras_reid.utils.workers import this_worker

_NAMED_AFTER_THE_EXPERIMENT = "NAME-schedule.png"


@dataclasses.dataclass(frozen=True)
class Fit:
    """Train and evaluate an experiment.

    FILE is a Python file that defines `experiment`. Every typed field of it can be changed with --KEY VALUE, for
    example --training.epochs 30 --data.root /data; `FILE --help` lists them with their values. Results go to
    runs/NAME: model.keras, best.keras, metrics.json, metrics.jsonl, report/index.html, TensorBoard logs and
    checkpoints. An existing run is kept: the new one becomes NAME-2.
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
    """run once with each of these seeds, as NAME-seed0 and so on; print mean and spread, and write them to
    runs/NAME-seeds.json"""
    trust_code: TrustCode = False
    plot_schedule: Annotated[str | None, tyro.conf.arg(metavar="[FILE.png]")] = None
    """train nothing: draw the learning rate over the steps, to NAME-schedule.png unless told, and print it"""


def main(arguments):
    if arguments and Path(arguments[0]).suffix == ".py" and {"-h", "--help"} & set(arguments):
        override(
            load_experiment(arguments[0]), ["--help"], program=f"python -m keras_reid.fit {arguments[0]}"
        )
    fit, overrides = command_line.parse(
        Fit,
        _with_picture(arguments),
        prog="python -m keras_reid.fit",
        config=(tyro.conf.FlagCreatePairsOff,),
        return_unknown_args=True,
    )
    if fit.seeds and this_worker().count > 1:
        raise UserError(
            "--seeds runs one after the other in one process: with TF_CONFIG, start a run for each seed"
        )
    if fit.skip_unreadable:
        overrides = [*overrides, "--data.skip-unreadable", "True"]
    if fit.plot_schedule:
        _plot_schedule(fit, overrides)
        return
    results = {seed: _run(fit, overrides, seed) for seed in fit.seeds or (None,)}
    if fit.seeds:
        _print_spread(results)
        experiment, _ = resolve(fit.file, overrides, fit.smoke)
        _write_spread(RUNS / f"{experiment.name}-seeds.json", results)


def _run(fit, overrides, seed):
    """One run; returns its metrics by test set."""
    experiment, said = resolve(fit.file, overrides, fit.smoke, seed)
    for sentence in said:
        print(f"smoke run: {sentence}")
    if fit.resume and fit.seeds:
        finished = [run for run in RunDirectory.of(experiment) if run.is_finished()]
        if finished:
            print(f"seed {seed} is finished: {finished[0].path}")
            return read_json(finished[0] / "metrics.json")
    chief = this_worker().chief
    directory = _unfinished(experiment) if fit.resume and chief else None
    new = directory is None and chief
    if new:
        directory = RunDirectory.create(experiment, fit.file, overrides, fit.smoke, seed)
    elif chief:
        directory.note_code(fit.file)
    try:
        command_line.load_tensorflow()
        from keras_reid.run.execute import run

        return run(experiment, directory, resume=fit.resume, trust_code=fit.trust_code)
    except UserError:
        if new and not directory.has_begun():
            directory.remove()  # so that the corrected command has the name
        raise
    finally:
        if directory is not None:
            directory.release()


def _unfinished(experiment):
    """The run to be resumed, held; None if it never began."""
    directory = RunDirectory.unfinished(experiment)
    if directory is None:
        return None
    directory.hold()
    if directory.is_finished():  # by the process that held it a moment ago
        directory.release()
        return _unfinished(experiment)
    return directory


def _with_picture(arguments):
    """The arguments, with a file after a `--plot-schedule` that has none."""
    arguments = list(arguments)
    for flag in ("--plot-schedule", "--plot_schedule"):
        if flag in arguments:
            place = arguments.index(flag) + 1
            if Path((arguments[place:] or [""])[0]).suffix in ("", ".py"):
                arguments.insert(place, _NAMED_AFTER_THE_EXPERIMENT)
    return arguments


def _plot_schedule(fit, overrides):
    if Path(fit.plot_schedule).suffix.lower() != ".png":
        raise UserError(f"--plot-schedule writes a .png file. Received: {fit.plot_schedule}")
    experiment, said = resolve(fit.file, overrides, fit.smoke, None)
    for sentence in said:
        print(f"smoke run: {sentence}")
    command_line.load_tensorflow()
    from keras_reid.run.schedule_plot import plot_schedule

    default = fit.plot_schedule == _NAMED_AFTER_THE_EXPERIMENT
    plot_schedule(experiment, Path(f"{experiment.name}-schedule.png" if default else fit.plot_schedule))


def _spread(results, name, column):
    """Mean and sample standard deviation of a metric of a test set over the seeds; 0 for a single one."""
    values = [metrics[name][column] for metrics in results.values()]
    return statistics.mean(values), statistics.stdev(values) if len(values) > 1 else 0.0


def _print_spread(results):
    """A table of mean and standard deviation over the seeds, in percent."""
    import rich.console
    import rich.table

    from keras_reid.evaluation.table import COLUMNS

    tests = list(next(iter(results.values())))
    print(f"mean ± standard deviation over seeds {', '.join(map(str, results))}")
    table = rich.table.Table()
    table.add_column("Percent")
    for name in tests:
        table.add_column(name, justify="right", overflow="fold")
    for title, column in COLUMNS:
        spreads = (_spread(results, name, column) for name in tests)
        table.add_row(title, *(f"{100 * mean:.2f} ± {100 * deviation:.2f}" for mean, deviation in spreads))
    rich.console.Console().print(table)


def _write_spread(file, results):
    """The metrics of each seed, as in its metrics.json, and their mean and standard deviation, as fractions."""
    from keras_reid.evaluation.table import COLUMNS

    sets = {}
    for name in next(iter(results.values())):
        spread = {column: _spread(results, name, column) for _, column in COLUMNS}
        sets[name] = {
            "mean": {column: mean for column, (mean, _) in spread.items()},
            "standard_deviation": {column: deviation for column, (_, deviation) in spread.items()},
        }
    write_json(
        file, {"seeds": list(results), "test_sets": sets, "results": {str(k): v for k, v in results.items()}}
    )
    print(f"written to {file}")


if __name__ == "__main__":
    command_line.run(main)
