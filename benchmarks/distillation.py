"""Compares a teacher, a student alone and a distilled student on synthetic people.

    python benchmarks/distillation.py --teacher runs/quickstart
    python benchmarks/distillation.py --only step
    python benchmarks/distillation.py --only table

Every run is a `fit` command on experiments/distill_synthetic.py; no network was trained on its test identities. For
each seed, the student is trained three times: distilled; alone, for the same number of steps; and alone, for the same
time or slightly more. The time is that of the whole command, including the teacher's outputs, which are computed each
time. Training the teacher (experiments/quickstart.py, unless you give a run) is reported separately. Each row is added
to benchmarks/results/distillation.csv at once and not measured again, so you can interrupt the benchmark.

`step` compares a plain step of the student with a distilled one in the same configuration, alternating in one process,
including their input pipelines, and writes benchmarks/results/distillation_step.csv. `table` prints the table.

- parameters, gflops: of the model with its classifier; gflops are twice the multiply-adds for one image.
- ms_per_image: compiled inference of one image, the median of several calls. megabytes: size of model.keras.
"""

import argparse
import csv
import json
import math
import pathlib
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import replace

import backbones
import measuring

from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError
from keras_reid.utils.model_file import find_model_file

ROOT = pathlib.Path(__file__).parents[1]
RESULTS = pathlib.Path(__file__).with_name("results") / "distillation.csv"
STEPS = RESULTS.with_name("distillation_step.csv")
STUDENT, TEACHER = ROOT / "experiments" / "distill_synthetic.py", ROOT / "experiments" / "quickstart.py"
RUNS = pathlib.Path("runs")
DISTILLED, SAME_STEPS, SAME_TIME = (
    "student distilled",
    "student alone, same steps",
    "student alone, same time",
)
KEY = ("model", "seed", "device", "cores")
METRICS = ("mAP", "rank1", "mINP")
SIZES = ("parameters", "gflops", "ms_per_image", "megabytes")
COLUMNS = ("model", "seed", "epochs", "seconds", *METRICS, *SIZES, *measuring.MACHINE)
STEP_KEY = ("device", "cores")
STEP_COLUMNS = ("plain_ms", "distilled_ms", "ratio", "steps", *measuring.MACHINE)


def fit(file, name, *arguments):
    """Runs `fit` into runs/NAME, which is replaced; returns the seconds."""
    shutil.rmtree(RUNS / name, ignore_errors=True)
    command = [sys.executable, "-m", "keras_reid.fit", str(file), "--name", name, "--evaluation.every", "0"]
    start = time.perf_counter()
    process = subprocess.run([*command, *map(str, arguments)], stdout=subprocess.PIPE, text=True)
    if process.returncode:
        raise UserError(f"the command failed: {' '.join([*command[1:], *map(str, arguments)])}; see above")
    return time.perf_counter() - start


def sizes(run):
    """The columns `SIZES` for a model."""
    command_line.load_tensorflow()
    import numpy as np
    import tensorflow as tf

    from keras_reid.models import load_model

    model = load_model(run)
    images = tf.constant(np.random.default_rng(0).integers(0, 256, (1, *model.image_size, 3), "uint8"))
    forward = tf.function(lambda: tf.reduce_sum(model(images, training=False)))
    return {
        "parameters": model.count_params(),
        "gflops": f"{2 * backbones.multiply_adds(model, model.image_size) / 1e9:.3f}",
        "ms_per_image": f"{1000 * measuring.seconds(forward, 50):.2f}",
        "megabytes": f"{find_model_file(run).stat().st_size / 1e6:.2f}",
    }


def row_of(run, model, seed, seconds, machine):
    """The table row of a finished run."""
    (metrics,) = json.loads((run / "metrics.json").read_text()).values()
    epochs = json.loads((run / "experiment.json").read_text())["training"]["epochs"]
    return {
        "model": model,
        "seed": seed,
        "epochs": epochs,
        "seconds": "" if seconds is None else f"{seconds:.0f}",
        **{name: f"{metrics[name]:.4f}" for name in METRICS},
        **measuring.in_own_process(sizes, str(run)),
        **machine,
    }


def epoch_seconds(run):
    """Median seconds of an epoch, without the first, which compiles, and the last, which evaluates."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return statistics.median(line["seconds"] for line in lines[1:-1])


def run_seed(seed, teacher, options, machine, done):
    """The three runs of a seed, except those already in the table."""
    name = f"distillation-{seed}"
    common = ("--training.seed", seed, "--data.root", options.data_root, "--training.epochs", options.epochs)

    def once(model, suffix, *arguments):
        run = RUNS / f"{name}-{suffix}"
        row = {"model": model, "seed": seed, **machine}
        if tuple(str(row[column]) for column in KEY) in done:
            return
        seconds = fit(STUDENT, run.name, *common, *arguments)
        row = row_of(run, model, seed, seconds, machine)
        measuring.add_row(options.output, COLUMNS, KEY, row)
        print(f"{model}, seed {seed}: mAP {100 * float(row['mAP']):.1f} %, {row['seconds']} s", flush=True)

    cache = RUNS / f"{name}-teacher-outputs"
    shutil.rmtree(cache, ignore_errors=True)
    once(DISTILLED, "distilled", "--distillation.teachers", teacher, "--distillation.cache", cache)
    once(SAME_STEPS, "same-steps", "--distillation.teachers")
    time_of = {
        row["model"]: float(row["seconds"]) for row in rows(options.output, seed) if row["model"] != "teacher"
    }
    missing = time_of[DISTILLED] - time_of[SAME_STEPS]
    more = max(1, math.ceil(missing / epoch_seconds(RUNS / f"{name}-same-steps"))) if missing > 0 else 1
    once(SAME_TIME, "same-time", "--distillation.teachers", "--training.epochs", options.epochs + more)


def rows(file, seed=None):
    """The rows of the table, or those of one seed."""
    with open(file, newline="") as stream:
        return [row for row in csv.DictReader(stream) if seed is None or row["seed"] == str(seed)]


def measure_steps(options, teacher, repeats):
    """Milliseconds of a plain and of a distilled step of the student, each with its input pipeline."""
    command_line.load_tensorflow()

    from keras_reid.data.pipeline import train_batches
    from keras_reid.experiment import Distillation, load_experiment
    from keras_reid.run import build_model, compile_model
    from keras_reid.run.stages.distillation import load_teachers, plain_outputs, with_teachers

    experiment = load_experiment(STUDENT)
    settings = replace(experiment.distillation, teachers=(teacher,), cache=RUNS / "distillation-step")
    experiment = replace(experiment, distillation=settings)
    data = experiment.data
    dataset = data.dataset.read(options.data_root)
    teachers = load_teachers(settings)
    outputs = plain_outputs(settings, teachers, dataset)

    def make(of):
        batches, steps = train_batches(
            dataset,
            data.sampler,
            experiment.model.image_size,
            data.augmentation,
            epochs=10**6,
            more_labels=outputs if of.distillation.wanted else None,
        )
        model = build_model(of, len(dataset.train_labels()[2]))
        if of.distillation.wanted:
            model = with_teachers(model, of, teachers, outputs)
        compile_model(model, of, steps)
        model.make_train_function()
        iterator = iter(batches)
        return lambda: float(model.train_function(iterator)["loss"])

    ways = [make(replace(experiment, distillation=Distillation())), make(experiment)]
    spent = [[], []]
    for repeat in range(-2, repeats):
        for way, times in zip(ways, spent, strict=True):
            start = time.perf_counter()
            way()
            if repeat >= 0:
                times.append(1000 * (time.perf_counter() - start))
    return [statistics.median(times) for times in spent]


def print_table(file):
    """Prints mean and standard deviation over the seeds as a Markdown table."""
    titles = (
        "model",
        "seeds",
        "mAP %",
        "Rank-1 %",
        "mINP %",
        "parameters",
        "GFLOPs",
        "ms per image",
        "MB",
        "seconds",
    )
    print("| " + " | ".join(titles) + " |\n|" + "---|" * len(titles))
    every = rows(file)
    for model in dict.fromkeys(row["model"] for row in every):
        of_model = [row for row in every if row["model"] == model]
        cells = [model, ", ".join(row["seed"] for row in of_model)]
        for metric in METRICS:
            values = [100 * float(row[metric]) for row in of_model]
            spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
            cells.append(f"{statistics.mean(values):.1f}{spread}")
        cells += [of_model[0][name] for name in SIZES]
        seconds = [float(row["seconds"]) for row in of_model if row["seconds"]]
        cells.append(f"{statistics.mean(seconds):.0f}" if seconds else "")
        print("| " + " | ".join(cells) + " |")


def main(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--teacher", help="a finished run to use instead of training a teacher")
    parser.add_argument("--seeds", nargs="+", type=int, default=(0, 1, 2))
    parser.add_argument("--epochs", type=int, default=16, help="epochs of the distilled student")
    parser.add_argument("--data-root", type=pathlib.Path, default=pathlib.Path("datasets"))
    parser.add_argument("--only", choices=("runs", "step", "table"), help="do only this instead of all three")
    parser.add_argument("--repeats", type=int, default=30, help="number of timed steps of each kind")
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS, help="the CSV file of the runs")
    options = parser.parse_args(arguments)
    machine = measuring.machine()
    done = measuring.measured(options.output, KEY)
    if options.only in (None, "runs", "step"):
        teacher = pathlib.Path(options.teacher or RUNS / "distillation-teacher")
        seconds = None
        if not options.teacher and not (teacher / "metrics.json").is_file():
            seconds = fit(TEACHER, teacher.name, "--data.root", options.data_root)
        find_model_file(teacher)
    if options.only in (None, "runs"):
        if not any(model == "teacher" for model, *_ in done):
            seed = json.loads((teacher / "experiment.json").read_text())["training"]["seed"]
            row = row_of(teacher, "teacher", seed, seconds, machine)
            measuring.add_row(options.output, COLUMNS, KEY, row)
        for seed in options.seeds:
            run_seed(seed, str(teacher), options, machine, done)
    if options.only in (None, "step"):
        plain, distilled = measuring.in_own_process(measure_steps, options, str(teacher), options.repeats)
        row = {
            "plain_ms": f"{plain:.1f}",
            "distilled_ms": f"{distilled:.1f}",
            "steps": options.repeats,
            **machine,
        }
        row["ratio"] = f"{distilled / plain:.3f}"
        measuring.add_row(STEPS, STEP_COLUMNS, STEP_KEY, row)
        print(f"plain step {plain:.1f} ms, distilled {distilled:.1f} ms: {row['ratio']}")
    if options.only in (None, "table"):
        print_table(options.output)


if __name__ == "__main__":
    command_line.run(main)
