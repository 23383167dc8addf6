"""How long a process takes until its first training step is done: `python benchmarks/first_step.py`.

    python benchmarks/first_step.py --only arrays
    python benchmarks/first_step.py --only evaluate embed search --repeats 5

Every measurement is a fresh process with its files in the page cache. The row is that of the median overhead.

- arrays: a ResNet-50 with the parts of the recipe `bot` on 32 uint8 images of 256×128 in memory, as in
  benchmarks/train_step.py; `frozen` the same with a frozen backbone.
- fit: `keras_reid.fit` with `recipes.bot()` from random weights on the synthetic persons, batches of 32.
- evaluate (100 images), embed and search (one image): the commands, with the model of experiments/quickstart.py from
  random weights.

For training, overhead = (start of the process → first step done) − one warm step. Its parts, in seconds:

- imports: start of the process and imports.
- data: listing and checking the images.
- model: building and compiling.
- tracing: the Python of the step, to the end of the optimizer's.
- optimization: TensorFlow's graph optimizer, as it logs itself; nodes, before and after it.
- execution: the rest of the first call: handing the graph over, and the step itself.
- other: everything else, such as making the pipeline.

For the other commands, overhead is the whole time. Each row is added to benchmarks/results/first_step.csv at once.
"""

import argparse
import csv
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

import measuring

from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError

QUICKSTART = pathlib.Path(__file__).parents[1] / "experiments" / "quickstart.py"
RESULTS = pathlib.Path(__file__).with_name("results") / "first_step.csv"
PHASES = ("imports", "data", "model", "tracing", "optimization", "execution", "other")
KEY = ("case", "device", "cores")
COLUMNS = ("case", "overhead", "step", *PHASES, "nodes_before", "nodes_after", *measuring.MACHINE)
TRAININGS, COMMANDS = ("arrays", "frozen", "fit"), ("evaluate", "embed", "search")
WARM_STEPS = 2
BATCH = 32

EXPERIMENT = """
from keras_reid import experiment as ex
from keras_reid.data import IdentitySampler, Synthetic
from keras_reid.recipes import bot

experiment = bot("first_step", Synthetic(preset="small"), pretrained=None).with_changes(
    {"data.sampler": IdentitySampler(identities_per_batch=8, images_per_identity=4), "data.root": "ROOT"}
)
"""
TEST_SET = """
from keras_reid.data import CSV
from keras_reid.recipes import bot

experiment = bot("test", CSV("test.csv")).with_changes({"data.root": "ROOT"})
"""


class Clock:
    """The seconds of the phases of this process, of what is called in one thread."""

    def __init__(self, start):
        self.start, self.phases, self.steps = start, dict.fromkeys(PHASES, 0.0), []
        self.traced = None

    def of(self, phase, function):
        """`function` with its time added to a phase."""

        def timed(*args, **kwargs):
            begin = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.phases[phase] += time.perf_counter() - begin

        return timed

    def step(self, function):
        """A function that makes a training step, timed; the process ends after the last one that is needed."""

        def timed(*args):
            begin = time.perf_counter()
            logs = function(*args)
            float(logs["loss"])  # waits for the device
            end = time.perf_counter()
            self.steps.append(end - begin)
            if len(self.steps) == 1:
                self.total = end - self.start
                self.phases["tracing"] = self.traced - begin
                self.phases["execution"] = end - self.traced
            elif len(self.steps) > WARM_STEPS:
                self.end()
            return logs

        return timed

    def end(self):
        step = statistics.median(self.steps[1:])
        self.phases["other"] = self.total - sum(self.phases.values())
        result = {"overhead": self.total - step, "step": step, **self.phases}
        print(json.dumps(result), flush=True)
        os._exit(0)  # in the middle of a training

    def watch_steps(self):
        """Has every `TrainingModel` timed."""
        from keras_reid.models.training_model import TrainingModel

        make, step = TrainingModel.make_train_function, TrainingModel._step

        def make_train_function(model, force=False):
            before = model.train_function
            make(model, force)
            if model.train_function is not before:
                model.train_function = self.step(model.train_function)

        def traced(model, *args):
            result = step(model, *args)
            self.traced = self.traced or time.perf_counter()
            return result

        TrainingModel.make_train_function, TrainingModel._step = make_train_function, traced


def train_on_arrays(clock, step):
    """A training without `fit`."""

    def load():
        command_line.load_tensorflow()
        from keras_reid import backbones, heads, layers, losses, models, training  # noqa: F401

    clock.of("imports", load)()
    clock.phases["imports"] = time.perf_counter() - clock.start
    clock.watch_steps()
    import train_step

    case = {"depth": 50, "height": 256, "width": 128, "precision": "float32", "batch": BATCH, "step": step}
    one = clock.of("model", train_step.make_step)(case)
    while True:
        one()


def fit(clock, folder):
    """The command `fit`."""
    load = command_line.load_tensorflow

    def load_and_watch():
        load()
        from keras_reid import training, visualization  # noqa: F401
        from keras_reid.run import execute

        clock.phases["imports"] = time.perf_counter() - clock.start
        clock.watch_steps()
        for phase, name in (
            ("data", "list_images"),
            ("data", "check_datasets"),
            ("model", "build_backbone"),
            ("model", "make_model"),
        ):
            setattr(execute, name, clock.of(phase, getattr(execute, name)))

    command_line.load_tensorflow = load_and_watch
    from keras_reid import fit

    os.chdir(folder)
    fit.main(["experiment.py"])


def child(arguments):
    """What a measured process does: `--child CASE START FOLDER`."""
    case, start, folder = arguments
    clock = Clock(float(start))
    if case == "fit":
        fit(clock, folder)
    train_on_arrays(clock, "frozen" if case == "frozen" else "full")


def measure_training(case, folder):
    """A row of a training."""
    variables = {**os.environ, "TF_CPP_VMODULE": "meta_optimizer=1", "TF_CPP_MIN_LOG_LEVEL": "0"}
    with tempfile.TemporaryFile("w+") as log:
        words = [sys.executable, __file__, "--child", case, str(time.perf_counter()), str(folder)]
        process = subprocess.run(words, stdout=subprocess.PIPE, stderr=log, text=True, env=variables)
        log.seek(0)
        said = log.read()
    if process.returncode:
        raise UserError(f"{case}: the process failed: {' '.join(said.split())[-500:]}")
    row = json.loads(process.stdout.splitlines()[-1])
    seconds, before, after = optimization(said)
    row |= {"optimization": seconds, "nodes_before": before, "nodes_after": after}
    row["execution"] -= seconds
    return row


def optimization(log):
    """`(seconds, nodes before, nodes after)` of the largest graph in a log of TensorFlow's graph optimizer."""
    best = (0.0, "", "")
    for item in re.split(r"Starting optimization for grappler item: ", log)[1:]:
        times = [float(text) / 1000 for text in re.findall(r"time = ([\d.]+)ms", item)]
        nodes = [int(text) for text in re.findall(r"(\d+) nodes \(", item)]
        if times and nodes and sum(times) > best[0]:
            changes = re.findall(r"(\d+) nodes \((-?\d+)\)", item)
            before = int(changes[0][0]) - int(changes[0][1]) if changes else nodes[0]
            best = (sum(times), before, nodes[-1])
    return best


def measure_command(case, folder):
    """A row of a command."""
    model = folder / "model.keras"
    words = {
        "evaluate": ["evaluate", model, "--dataset", folder / "test.py"],
        "embed": ["embed", model, folder / "query.jpg", "--output", folder / "embeddings.npz"],
        "search": [
            "search",
            folder / "query.jpg",
            "--gallery",
            folder / "gallery",
            "--model",
            model,
            "--json",
        ],
    }[case]
    name, *rest = map(str, words)
    start = time.perf_counter()
    process = subprocess.run(
        [sys.executable, "-m", f"keras_reid.{name}", *rest],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=pathlib.Path(__file__).parents[1],
    )
    if process.returncode:
        raise UserError(f"{case}: the command failed: {process.stderr.strip()[-500:]}")
    return {"overhead": time.perf_counter() - start}


def prepare(folder, root):
    """What the processes read: a model, a test set of 20 queries and 80 gallery images, and experiments."""
    command_line.load_tensorflow()
    from keras_reid.data import Synthetic
    from keras_reid.experiment.loading import load_experiment
    from keras_reid.run.model import build_model

    images = Synthetic(preset="small").read(root)
    build_model(load_experiment(QUICKSTART), 100).save(folder / "model.keras")
    chosen = {"query": images.query[:20], "gallery": images.gallery[:80]}
    with open(folder / "test.csv", "w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["path", "identity", "camera", "subset"])
        for subset, samples in chosen.items():
            for sample in samples:
                path = pathlib.Path(sample.path).resolve()
                table.writerow([path, sample.identity, sample.camera, subset])
    (folder / "query.jpg").symlink_to(pathlib.Path(images.query[0].path).resolve())
    (folder / "gallery").mkdir()
    for sample in images.gallery[:1]:
        path = pathlib.Path(sample.path).resolve()
        (folder / "gallery" / path.name).symlink_to(path)
    (folder / "experiment.py").write_text(EXPERIMENT.replace("ROOT", str(root.resolve())))
    (folder / "test.py").write_text(TEST_SET.replace("ROOT", str(folder)))


def measure(case, folder, repeats):
    """The row of the median overhead, after a process that fills the page cache."""
    one = measure_training if case in TRAININGS else measure_command
    if case in COMMANDS:
        one(case, folder)
    rows = sorted((one(case, folder) for _ in range(repeats)), key=lambda row: row["overhead"])
    return rows[(len(rows) - 1) // 2]


def main(arguments):
    if arguments[:1] == ["--child"]:
        child(arguments[1:])
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cases = (*TRAININGS, *COMMANDS)
    parser.add_argument(
        "--only", nargs="+", choices=cases, default=cases, metavar="CASE", help=", ".join(cases)
    )
    parser.add_argument(
        "--repeats", type=int, default=3, help="number of processes, of which the median is used"
    )
    parser.add_argument("--data-root", type=pathlib.Path, default=pathlib.Path("datasets"))
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS, help="the CSV file")
    options = parser.parse_args(arguments)
    if options.repeats < 1:
        raise UserError(f"--repeats must be at least 1. Received: {options.repeats}")
    machine = measuring.in_own_process(measuring.machine)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        if set(options.only) - {"arrays", "frozen"}:
            measuring.in_own_process(prepare, folder, options.data_root)
        for case in options.only:
            row = measure(case, folder, options.repeats)
            row = {name: f"{value:.2f}" if isinstance(value, float) else value for name, value in row.items()}
            measuring.add_row(options.output, COLUMNS, KEY, {"case": case, **row, **machine})
            parts = ", ".join(f"{phase} {row[phase]}" for phase in PHASES if phase in row)
            print(f"{case}: overhead {row['overhead']} s ({parts})", flush=True)


if __name__ == "__main__":
    command_line.run(main)
