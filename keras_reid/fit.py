"""`keras-reid fit FILE`: trains and evaluates an experiment."""

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from keras_reid.experiment.keys import lines
from keras_reid.experiment.loading import load_experiment, override, resolve
from keras_reid.experiment.schema import RUNS
from keras_reid.run.seeds import print_spread, write_spread
from keras_reid.run.session import run_in_directory
from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError
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
    print: bool = False
    """train nothing: print every field of the experiment as KEY = VALUE, with the keys that --KEY VALUE takes"""


def main(arguments: list[str]) -> None:
    if arguments and Path(arguments[0]).suffix == ".py" and {"-h", "--help"} & set(arguments):
        override(load_experiment(arguments[0]), ["--help"], program=f"keras-reid fit {arguments[0]}")
    fit, overrides = command_line.parse(
        Fit,
        _with_picture(arguments),
        prog="keras-reid fit",
        config=(tyro.conf.FlagCreatePairsOff,),
        return_unknown_args=True,
    )
    if fit.seeds and this_worker().count > 1:
        raise UserError(
            "--seeds runs one after the other in one process: with TF_CONFIG, start a run for each seed"
        )
    if fit.skip_unreadable:
        overrides = [*overrides, "--data.skip-unreadable", "True"]
    if fit.print:
        experiment, _ = resolve(fit.file, overrides, fit.smoke)
        print("\n".join(lines(experiment)))
    elif fit.plot_schedule:
        _plot_schedule(fit, overrides)
    else:
        if not fit.smoke:
            command_line.continue_with("fit", arguments, "--resume")
        _run(fit, overrides)


def _run(fit, overrides):
    results = {
        seed: run_in_directory(fit.file, overrides, fit.smoke, seed, fit.resume, fit.trust_code)
        for seed in fit.seeds or (None,)
    }
    if fit.seeds:
        print_spread(results)
        experiment, _ = resolve(fit.file, overrides, fit.smoke)
        write_spread(RUNS / f"{experiment.name}-seeds.json", results)


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


if __name__ == "__main__":
    command_line.run(main)
