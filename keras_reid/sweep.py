"""`keras-reid sweep FILE --search KEY=VALUES …`: tries many settings of an experiment and ranks them."""

import dataclasses
import importlib.util
import shlex
import sys
from pathlib import Path
from typing import Annotated, Literal

import tyro

from keras_reid.experiment.loading import resolve
from keras_reid.tuning.job import Job
from keras_reid.tuning.ranking import print_ranking, rank, write_ranking
from keras_reid.tuning.search_space import check_space, grid_size, parse_space
from keras_reid.tuning.sweep_folder import hold, new_folder, newest_folder
from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import write_json
from keras_reid.utils.trust_option import TrustCode


@dataclasses.dataclass(frozen=True)
class Sweep:
    """Try many settings of an experiment and rank them by (Rank-1 + mAP) / 2 of its first test set.

    Each trial is a separate run, runs/NAME-sweep-trial000 and so on, as `fit` makes it; further --KEY VALUE are those
    of `fit` and hold for every trial. The ranking and the trials' output go to runs/NAME-sweep: trials.csv,
    trials.json, trial000.log. An existing sweep is kept: the new one becomes NAME-sweep-2.

    For example, batches as the original's search has them:
    --search data.sampler.identities_per_batch=4,8,16 data.sampler.images_per_identity=2,4,8,16

    It needs Ray Tune; where RAY_ADDRESS names a cluster, trials run on all its machines, which must share the working
    directory.
    """

    file: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """the experiment file"""
    search: tuple[str, ...] = ()
    """what is searched: KEY=A,B,C (a value may be several words), KEY=uniform(LOW,HIGH), KEY=log(LOW,HIGH) or
    KEY=integer(LOW,HIGH), each in quotes where the shell needs them"""
    trials: int | None = None
    """how many to draw; by default every combination, if all are lists of values"""
    concurrent: int = 1
    """trials at a time, each on an equal share of the processors and GPUs"""
    scheduler: Literal["none", "asha"] = "none"
    """asha stops the trials that are behind the others at the same epoch"""
    algorithm: Literal["random", "tpe"] = "random"
    """how values are drawn: at random, or where the trials before were good (tree-structured Parzen estimators)"""
    seed: int = 0
    """of what is drawn; that of the training is --training.seed"""
    smoke: bool = False
    """every trial is a smoke run"""
    trust_code: TrustCode = False
    resume: bool = False
    """continue the newest sweep of this experiment: unfinished and failed trials, and those that have not begun"""


def main(arguments: list[str]) -> None:
    if arguments and Path(arguments[0]).suffix == ".py" and {"-h", "--help"} & set(arguments):
        arguments = ["--help"]
    sweep, overrides = command_line.parse(
        Sweep,
        arguments,
        prog="keras-reid sweep",
        config=(tyro.conf.FlagCreatePairsOff,),
        return_unknown_args=True,
    )
    experiment, _ = resolve(sweep.file, overrides, sweep.smoke)
    dimensions = parse_space(sweep.search)
    check_space(experiment, dimensions)
    _check(sweep, experiment, dimensions)
    _check_installed(sweep)
    settings = {**dataclasses.asdict(sweep), "overrides": overrides}
    for name in ("resume", "trust_code"):
        del settings[name]
    folder = newest_folder(experiment.name, settings) if sweep.resume else new_folder(experiment.name)
    lock = hold(folder)
    try:
        _search(sweep, overrides, experiment, dimensions, settings, folder)
    finally:
        lock.release(remove=True)


def _search(sweep, overrides, experiment, dimensions, settings, folder):
    write_json(folder / "sweep.json", settings)

    from keras_reid.tuning.ray_search import search

    flags = [*(["--smoke"] if sweep.smoke else []), *(["--trust-code"] if sweep.trust_code else [])]
    job = Job(
        command=(sys.executable, "-m", "keras_reid.fit", sweep.file, *flags, *overrides),
        dimensions=tuple(dimensions),
        sweep=folder.resolve(),
        working_directory=Path.cwd(),
        suffix="-smoke" if sweep.smoke else "",
        # The first of several trials on a GPU must not take all of its memory.
        environment={"TF_FORCE_GPU_ALLOW_GROWTH": "true"} if sweep.concurrent > 1 else {},
    )
    try:
        records = search(job, sweep, experiment.evaluation.every, sweep.resume)
    except KeyboardInterrupt:
        print(f"{folder} is not finished: repeat the command with --resume to continue", file=sys.stderr)
        raise
    _report(folder, records, sweep, overrides)


def _check(sweep, experiment, dimensions):
    """Rejects options that do not go together."""
    for name, value in (("trials", sweep.trials), ("concurrent", sweep.concurrent)):
        if value is not None and value < 1:
            raise UserError(f"--{name} must be 1 or more. Received: {value}")
    if sweep.trials is None and grid_size(dimensions) is None:
        raise UserError("--trials must say how many to draw, as --search has a range")
    if sweep.trials is None and sweep.algorithm != "random":
        raise UserError(f"--algorithm {sweep.algorithm} draws trials: --trials must say how many")
    if sweep.scheduler == "asha" and not experiment.evaluation.every:
        raise UserError(
            "--scheduler asha compares evaluations during training: set --evaluation.every EPOCHS"
        )


def _check_installed(sweep):
    needed = {"ray": "ray[tune]==2.60.0", **({"optuna": "optuna==5.0.0"} if sweep.algorithm == "tpe" else {})}
    missing = [package for module, package in needed.items() if importlib.util.find_spec(module) is None]
    if missing:
        names = " ".join(f"'{package}'" for package in missing)
        raise UserError(f"a sweep needs Ray Tune, which is not all there: run `pip install {names}`")


def _report(folder, records, sweep, overrides):
    records = rank(records)
    write_ranking(folder, records)
    print_ranking(records)
    best = records[0]
    if best["status"] != "finished":
        raise UserError(f"no trial was finished; {best['trial']}: {best.get('error', best['status'])}")
    words = ["keras-reid", "fit", sweep.file, *overrides, *best["arguments"]]
    print(f"written: {folder / 'trials.csv'}\nbest: {best['run']}\nagain: {shlex.join(words)}")


if __name__ == "__main__":
    command_line.run(main)
