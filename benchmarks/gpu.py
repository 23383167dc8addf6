"""Training, inference and memory on a GPU, and whether embeddings are those of the processor.

    python benchmarks/gpu.py
    python benchmarks/gpu.py --models resnet50 --precisions mixed_bfloat16 --batch 128 --minutes 3
    python benchmarks/gpu.py --cpu --smallest --size 64 32 --batch 8 --steps 1

For a machine that has nothing but the package with its extra `gpu`: no data and no network are needed. It stops after
`--minutes` (8). The rows come in the order of their importance, and what there was no time for is said. Each row goes
into benchmarks/results/gpu.csv at once; in the end gpu.png is drawn from the rows of this device.

- train: what `fit` runs for a batch: the model with BN-neck and 751 classes (MGN: its own heads), cross-entropy, hard
  triplet, Adam with L2. forward: a batch to embeddings. Both are the median of three groups of `--steps` calls.
- first_step_seconds: tracing and compilation included.
- megabytes: the peak of the GPU's memory meanwhile; empty on a processor.
- embedding_difference: the largest difference of embeddings of unit length between the GPU and the processor, in
  float32 without TF32. The command fails above 1e-4. Times in float32 are with TF32, as TensorFlow's default is.
- precision and xla: `keras.config.set_dtype_policy` and `compile(jit_compile=…)`.
"""

import argparse
import pathlib
import sys
import time

import bar_plot
import measuring
import turns

from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError

HERE = pathlib.Path(__file__).parent
RESULTS = HERE / "results" / "gpu.csv"
MODELS = ("resnet50", "resnext50", "resnest50", "mgn", "vit")
GROUPED = ("resnext50", "resnest50")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
TOLERANCE = 1e-4
CASE = ("model", "precision", "xla", "batch", "height", "width")
KEY = (*CASE, "device")
MEASURED = {
    "train_milliseconds": 2,
    "forward_milliseconds": 2,
    "train_megabytes": 0,
    "forward_megabytes": 0,
    "first_step_seconds": 1,
    "embedding_difference": 8,
}
COLUMNS = (*CASE, "train_images_per_second", "forward_images_per_second", *MEASURED, *measuring.MACHINE)
# What a row is thought to take before one was measured: the process starts, traces and, with XLA, compiles.
FIRST_GUESS = {False: 30, True: 60}
NO_TIME = "no time"


def plan(models, precisions, xla):
    """The rows `(model, precision, xla)`, the most important first."""

    def rank(row):
        model, precision, compiled = row
        first, half = model == "resnet50", precision == "mixed_float16"
        return (compiled and not (first and not half), half and not first, compiled, not first)

    every = [(model, precision, one) for one in xla for precision in precisions for model in models]
    return sorted(every, key=rank)


def reason_not_to(model, xla, cpu):
    """Why a row is not measured, or None."""
    if cpu and xla and model in GROUPED:
        return "on a processor XLA takes some 300 times as long for grouped convolutions"
    return None


class Clock:
    """The time that is left, and whether a row fits into it.

    Args:
        seconds: for everything.
    """

    def __init__(self, seconds):
        self._end = time.monotonic() + seconds
        self._longest = dict(FIRST_GUESS)
        self._measured = set()

    @property
    def left(self):
        """Seconds."""
        return self._end - time.monotonic()

    def fits(self, xla):
        """Whether a row that takes as long as the longest so far would end in time."""
        return self._longest[xla] <= self.left

    def took(self, xla, seconds):
        """Notes what a row took."""
        known = self._longest[xla] if xla in self._measured else 0
        self._longest[xla] = max(known, seconds)
        self._measured.add(xla)


def measure_all(options, clock, here):
    """Measures row by row while the clock lets it.

    Returns:
        `{reason: [row, …]}` for those left out, and a sentence for each failure.
    """
    left_out, failed, side = {}, [], None
    for model, precision, xla in plan(options.models, options.precisions, options.xla):
        said = f"{model}, {precision}{', XLA' if xla else ''}"
        reason = reason_not_to(model, xla, options.cpu) or (None if clock.fits(xla) else NO_TIME)
        if reason:
            left_out.setdefault(reason, []).append(said)
            continue
        begin = time.monotonic()
        if side is None or not side.alive:
            side = start(options)
        case = dict(zip(CASE, (model, precision, xla, options.batch, *options.size), strict=True))
        try:
            values = side.ask(
                "measure",
                within=clock.left,
                **{name: case[name] for name in ("model", "precision", "xla", "batch")},
                size=options.size,
                steps=options.steps,
                smallest=options.smallest,
                parity=precision == "float32" and not xla,
            )
        except turns.SideError as error:
            # Stopped by the clock, or out of memory: the next row gets a new process.
            if clock.left <= 0:
                left_out.setdefault(NO_TIME, []).append(said)
            else:
                failed.append(f"{said}: {error}")
                print(f"{said}: FAILED: {error}", flush=True)
            side.kill()
            continue
        clock.took(xla, time.monotonic() - begin)
        row = row_of(case, values, here)
        measuring.add_row(options.output, COLUMNS, KEY, row)
        print(sentence(said, row), flush=True)
        if values["embedding_difference"] is not None and not values["embedding_difference"] <= TOLERANCE:
            failed.append(
                f"{said}: embeddings differ by {values['embedding_difference']:.1e}, above {TOLERANCE}"
            )
    if side is not None:
        side.kill()
    return left_out, failed


def start(options):
    environment = {"CUDA_VISIBLE_DEVICES": "-1"} if options.cpu else {}
    return turns.Side([sys.executable, str(HERE / "gpu_side.py")], environment, "the measuring process")


def row_of(case, values, here):
    """The row of the table."""
    row = {**case, **here}
    for work in ("train", "forward"):
        row[f"{work}_images_per_second"] = f"{1000 * case['batch'] / values[f'{work}_milliseconds']:.1f}"
    for name, digits in MEASURED.items():
        row[name] = "" if values[name] is None else f"{values[name]:.{digits}f}"
    return row


def sentence(said, row):
    memory = f", {row['train_megabytes']} MB" if row["train_megabytes"] else ""
    parity = f", embeddings differ by {row['embedding_difference']}" if row["embedding_difference"] else ""
    return (
        f"{said}: train {row['train_milliseconds']} ms, forward {row['forward_milliseconds']} ms, "
        f"first step {row['first_step_seconds']} s{memory}{parity}"
    )


def draw(path, rows):
    """Draws images per second and memory of each model, by precision."""
    charts = []
    for column, title, unit in (
        ("train_images_per_second", "training", "images per second"),
        ("forward_images_per_second", "forward", "images per second"),
        ("train_megabytes", "memory of training", "megabytes"),
    ):
        groups = {}
        for row in rows:
            if row[column]:
                series = row["precision"] + (" XLA" if row["xla"] == "True" else "")
                groups.setdefault(row["model"], {})[series] = float(row[column])
        if groups:
            charts.append(bar_plot.Bars(title, unit, tuple(groups.items()), 0))
    first = rows[0]
    title = f"{first['device']}, {first['height']}x{first['width']}, batch {first['batch']}"
    bar_plot.draw_bars(path, title, charts)


def parse(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS)
    parser.add_argument("--precisions", nargs="+", default=PRECISIONS, choices=PRECISIONS)
    parser.add_argument("--xla", nargs="+", default=("off", "on"), choices=("off", "on"))
    parser.add_argument("--size", nargs=2, type=int, default=(256, 128), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--batch", type=int, default=64, help="images in a batch, a multiple of 4")
    parser.add_argument("--steps", type=int, default=10, help="calls in a timed group")
    parser.add_argument("--minutes", type=float, default=8.0, help="after which it stops")
    parser.add_argument("--smallest", action="store_true", help="take the smallest model of each family")
    parser.add_argument("--cpu", action="store_true", help="measure the processor")
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS, help="the CSV file")
    options = parser.parse_args(arguments)
    if min(*options.size, options.batch, options.steps, options.minutes) <= 0 or options.batch % 4:
        raise UserError("--size, --steps and --minutes must be positive, --batch a multiple of 4")
    options.xla = [one == "on" for one in options.xla]
    return options


def main(arguments):
    options = parse(arguments)
    clock = Clock(60 * options.minutes)
    here = measuring.machine()
    import tensorflow as tf

    if not options.cpu and not tf.config.list_physical_devices("GPU"):
        raise UserError("TensorFlow sees no GPU. Install the extra `gpu`, or measure the processor: --cpu")
    if options.cpu:
        here["device"] = measuring.processor_name()
    left_out, failed = measure_all(options, clock, here)
    for reason, rows in left_out.items():
        print(f"left out ({reason}): {'; '.join(rows)}", flush=True)
    conditions = {"batch": options.batch, "height": options.size[0], "width": options.size[1]}
    where = {name: str(value) for name, value in {**conditions, "device": here["device"]}.items()}
    if rows := measuring.rows(options.output, where):
        draw(options.output.with_suffix(".png"), rows)
    if failed:
        raise UserError(f"{len(failed)} failed: {'; '.join(failed)}")


if __name__ == "__main__":
    command_line.run(main)
