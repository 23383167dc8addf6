"""Partial queries, domain adaptation and vehicles on synthetic images, with several seeds.

    python benchmarks/tasks.py
    python benchmarks/tasks.py --only partial --seeds 0
    python benchmarks/tasks.py --only table

Every training is a `fit` command. The seed changes only the training; the images stay the same. Test identities were
never trained on.

- partial: experiments/partial_synthetic.py, trained on whole people. Queries show part of a person, or a person who is
  half hidden; the gallery shows whole people. Compares the global distance with DSR, whose weight is chosen on other
  identities.
- domain: experiments/quickstart.py by day, tested on other people and cameras in the evening: directly, and after
  experiments/adapt_synthetic.py, which sees the evening training images but no identities.
- vehicles: experiments/synthetic_vehicles.py.

Each row is added to benchmarks/results/tasks.csv at once, and runs that exist in runs/ are not trained again, so you
can interrupt the benchmark. `table` prints the table: mean and standard deviation over the seeds, also of the gain in
mAP over the row above, seed by seed.
"""

import argparse
import csv
import json
import pathlib
import statistics
import subprocess
import sys

import measuring

from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError

EXPERIMENTS = pathlib.Path(__file__).parents[1] / "experiments"
RESULTS = pathlib.Path(__file__).with_name("results") / "tasks.csv"
RUNS = pathlib.Path("runs")
METRICS = ("mAP", "rank1", "mINP")
KEY = ("task", "way", "seed", "device", "cores")
COLUMNS = ("task", "way", "seed", *METRICS, *measuring.MACHINE)
TITLES = ("task", "", "seeds", "mAP %", "Rank-1 %", "mINP %", "gain in mAP", "least gain")


def command(name, *arguments):
    """Runs a command of keras_reid, and raises an error if it fails."""
    words = [sys.executable, "-m", f"keras_reid.{name}", *map(str, arguments)]
    process = subprocess.run(words, stdout=subprocess.PIPE, text=True)
    if process.returncode:
        raise UserError(f"the command failed: {' '.join(words[1:])}; see above")


def fit(experiment, seed, options, *arguments):
    """Trains an experiment unless its run exists; returns the run."""
    run = RUNS / f"tasks-{experiment}-{seed}"
    if not (run / "metrics.json").is_file():
        common = ("--name", run.name, "--training.seed", seed, "--data.root", options.data_root)
        command("fit", EXPERIMENTS / f"{experiment}.py", *common, "--evaluation.every", 0, *arguments)
    return run


def partial(seed, options):
    """Partial and occluded queries, each with the global distance and with DSR."""
    metrics = metrics_of(fit("partial_synthetic", seed, options))
    for view in ("partial", "occluded"):
        (name,) = (name for name in metrics if name.endswith(view))
        yield f"{view} queries", "global distance", metrics[f"{name} (cosine)"]
        yield f"{view} queries", "DSR", metrics[name]


def domain(seed, options):
    """The same target domain, directly and after adaptation."""
    source = fit("quickstart", seed, options)
    output = source / "evening.json"
    command(
        *("evaluate", source, "--dataset", EXPERIMENTS / "adapt_synthetic.py"),
        *("--root", options.data_root, "--output", output),
    )
    (direct,) = json.loads(output.read_text(encoding="utf-8"))["results"].values()
    yield "evening, trained by day", "direct transfer", direct
    run = fit("adapt_synthetic", seed, options, "--adaptation.source", source)
    (adapted,) = metrics_of(run).values()
    yield "evening, trained by day", "adapted without labels", adapted


def vehicles(seed, options):
    """Vehicles with supervised training."""
    (metrics,) = metrics_of(fit("synthetic_vehicles", seed, options)).values()
    yield "vehicles", "supervised", metrics


def metrics_of(run):
    """The metrics of a run, by the name of the test set."""
    return json.loads((run / "metrics.json").read_text(encoding="utf-8"))


TASKS = {"partial": partial, "domain": domain, "vehicles": vehicles}


def print_table(file):
    """Prints mean and standard deviation over the seeds as a Markdown table, with one row per method."""
    print("| " + " | ".join(TITLES) + " |\n|" + "---|" * len(TITLES))
    with open(file, newline="") as stream:
        rows = sorted(csv.DictReader(stream), key=lambda row: int(row["seed"]))
    before = {}
    for task, way in dict.fromkeys((row["task"], row["way"]) for row in rows):
        of_way = {row["seed"]: row for row in rows if (row["task"], row["way"]) == (task, way)}
        cells = [task, way, ", ".join(of_way)]
        for metric in METRICS:
            cells.append(_spread([100 * float(row[metric]) for row in of_way.values()]))
        gains = [
            100 * (float(row["mAP"]) - float(before[task, seed]["mAP"]))
            for seed, row in of_way.items()
            if (task, seed) in before
        ]
        cells += [_spread(gains), f"{min(gains):.1f}"] if gains else ["", ""]
        print("| " + " | ".join(cells) + " |")
        before |= {(task, seed): row for seed, row in of_way.items()}


def _spread(values):
    spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{spread}"


def main(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=(*TASKS, "table"), help="one task, or the table alone")
    parser.add_argument("--seeds", nargs="+", type=int, default=(0, 1, 2))
    parser.add_argument("--data-root", type=pathlib.Path, default=pathlib.Path("datasets"))
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS, help="the CSV file")
    options = parser.parse_args(arguments)
    tasks = [task for task in TASKS if options.only in (None, task)]
    machine = measuring.machine() if tasks else {}
    for task in tasks:
        for seed in options.seeds:
            for of, way, metrics in TASKS[task](seed, options):
                row = {"task": of, "way": way, "seed": seed, **machine}
                row |= {name: f"{metrics[name]:.4f}" for name in METRICS}
                measuring.add_row(options.output, COLUMNS, KEY, row)
                print(f"{of}, {way}, seed {seed}: mAP {100 * metrics['mAP']:.1f} %", flush=True)
    print_table(options.output)


if __name__ == "__main__":
    command_line.run(main)
