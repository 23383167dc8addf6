"""The search itself, by Ray Tune."""

from __future__ import annotations

import functools
import logging
import os
import re
import signal
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler

from keras_reid.tuning.fit_process import SCORES
from keras_reid.tuning.job import trial_name
from keras_reid.tuning.trial import Trial
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.tuning.job import Job

_STORE = "ray"
_interrupted = []  # signals that came while trials ran


def search(job: Job, settings: Any, evaluate_every: int, resume: bool = False) -> list[dict[str, Any]]:
    """Runs the trials of a sweep, or those that are left.

    Args:
        job: a `job.Job`.
        settings: the sweep's options: `trials`, `concurrent`, `scheduler`, `algorithm`, `seed`.
        evaluate_every: epochs between evaluations.
        resume: continue what lies in the sweep's folder.

    Returns:
        A list of records, one a trial: `trial`, `status`, `values` by key, `score`, `rank1`, `mAP`, `epoch` (None if it
        was never evaluated), `run`, `arguments` for `fit`, and `error` if it failed.

    Raises:
        UserError: if there is nothing to resume.
        KeyboardInterrupt: after SIGINT or SIGTERM, when the trials that ran have ended and all is saved.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent to anybody
    # What Ray says of trials, our own lines say.
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    ray.init(include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    # A resumed trial reports all its evaluations again, as the scheduler does not remember them; Optuna does.
    warnings.filterwarnings("ignore", message="The reported value is ignored", category=UserWarning)
    try:
        trainable = tune.with_resources(tune.with_parameters(Trial, job=job), _resources(settings.concurrent))
        store = job.sweep / _STORE
        if resume:
            if not tune.Tuner.can_restore(str(store)):
                raise UserError(f"{job.sweep} was stopped before its first trial: remove it, and start again")
            # A failed one is resumed, not restarted: it keeps its name, under which the algorithm knows it.
            tuner = tune.Tuner.restore(str(store), trainable, resume_unfinished=True, resume_errored=True)
        else:
            tuner = _tuner(trainable, job, settings, evaluate_every)
        _interrupted.clear()
        handlers = {sign: signal.getsignal(sign) for sign in (signal.SIGINT, signal.SIGTERM)}
        try:
            results = tuner.fit()
        finally:
            for sign, handler in handlers.items():
                signal.signal(sign, handler)
        if _interrupted:
            raise KeyboardInterrupt
        return [_record(job, result) for result in results]
    finally:
        ray.shutdown()


def _tuner(trainable, job, settings, evaluate_every):
    whole_grid = settings.trials is None
    first = 0 if settings.algorithm == "random" else 1  # Ray counts the trials of a searcher from 1
    scheduler = FIFOScheduler()
    if settings.scheduler == "asha":
        # `fit` ends by itself: no epoch is too late.
        scheduler = ASHAScheduler(time_attr="epoch", grace_period=evaluate_every, max_t=10**6)
    return tune.Tuner(
        trainable,
        param_space={dimension.key: _draw(dimension, whole_grid) for dimension in job.dimensions},
        tune_config=tune.TuneConfig(
            metric="score",
            mode="max",
            num_samples=1 if whole_grid else settings.trials,
            max_concurrent_trials=settings.concurrent,
            scheduler=scheduler,
            search_alg=_algorithm(settings),
            trial_name_creator=functools.partial(_name, first=first),
            trial_dirname_creator=functools.partial(_name, first=first),
        ),
        run_config=tune.RunConfig(
            name=_STORE,
            storage_path=str(job.sweep),
            callbacks=[_Progress()],
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),  # `fit` has its own
            verbose=0,
        ),
    )


def _draw(dimension, whole_grid):
    """A dimension as Ray's."""
    if dimension.kind == "choice":
        return (tune.grid_search if whole_grid else tune.choice)(list(dimension.values))
    low, high = dimension.values
    if dimension.kind == "integer":
        return tune.randint(low, high + 1)
    return (tune.loguniform if dimension.kind == "log" else tune.uniform)(low, high)


def _algorithm(settings):
    if settings.algorithm == "tpe":
        import optuna
        from ray.tune.search.optuna import OptunaSearch

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        return OptunaSearch(seed=settings.seed)
    from ray.tune.search import BasicVariantGenerator

    return BasicVariantGenerator(random_state=settings.seed, max_concurrent=settings.concurrent)


def _resources(concurrent):
    """An equal share of the machine, or of the smallest one of a cluster, for each of the trials at a time."""
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    least = {name: min(machine.get(name, 0) for machine in machines) for name in ("CPU", "GPU")}
    return {"cpu": max(1, least["CPU"] // concurrent), "gpu": least["GPU"] / concurrent}


def _name(trial, first):
    """Of a trial and of the folder of Ray's own files of it."""
    return trial_name(trial.experiment_tag, first)


def _record(job, result):
    """A row of the ranking."""
    metrics = result.metrics or {}
    name = Path(result.path).name
    record = {
        "trial": name,
        "status": "failed" if result.error else "finished" if metrics.get("finished") else "stopped early",
        "values": {key: str(value) for key, value in (result.config or {}).items()},
        **{key: metrics.get(key) for key in SCORES},
        "run": os.path.relpath(job.directory(name)),
        "arguments": job.arguments(result.config),
    }
    if result.error:
        record["error"] = _last_line(result.error)
    return record


def _last_line(error):
    """What the failed process said, without Ray's frames around it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return re.sub(r"^\w+(Error|Exception): ", "", lines[-1]) if lines else type(error).__name__


class _Progress(tune.Callback):
    """A line when a trial begins, is evaluated, ends or fails."""

    def setup(self, stop=None, num_samples=None, total_num_samples=None, **info):
        self._total, self._ended, self._began = total_num_samples, 0, time.monotonic()
        rays = signal.getsignal(signal.SIGINT)  # ends the search when it has saved its state

        def interrupt(sign, frame):
            # A second Ctrl-C is Python's own and ends it at once.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            _interrupted.append(sign)
            print("stopping the trials that run", flush=True)
            rays(sign, frame)

        signal.signal(signal.SIGINT, interrupt)
        signal.signal(signal.SIGTERM, interrupt)

    def on_trial_start(self, iteration, trials, trial, **info):
        values = " ".join(f"{key}={value}" for key, value in trial.config.items())
        print(f"{trial} of {self._total}: {values}", flush=True)

    def on_trial_result(self, iteration, trials, trial, result, **info):
        what = "finished" if result["finished"] else f"epoch {result['epoch']}"
        print(
            f"{trial} {what}: score {100 * result['score']:.2f}, Rank-1 {100 * result['rank1']:.2f}, "
            f"mAP {100 * result['mAP']:.2f}",
            flush=True,
        )

    def on_trial_complete(self, iteration, trials, trial, **info):
        self._say_how_long(trials)

    def on_trial_error(self, iteration, trials, trial, **info):
        print(f"{trial} failed", flush=True)
        self._say_how_long(trials)

    def _say_how_long(self, trials):
        self._ended += 1
        left = self._total - sum(trial.is_finished() for trial in trials)
        if left > 0:
            minutes = (time.monotonic() - self._began) / self._ended * left / 60
            print(f"{left} trials left, about {minutes:.0f} minutes", flush=True)
