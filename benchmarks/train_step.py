"""Time and memory of a training step, full and frozen: `python benchmarks/train_step.py`.

    python benchmarks/train_step.py --depth 50 --batch 16 --precision float32

A step is what `ReIDModel.fit` runs: normalisation, ResNet with last stride 1, GeM pooling, a BN-neck head with 751
classes, cross-entropy and triplet loss, and Adam with L2, on uint8 images in memory. A frozen step trains everything
but the backbone.

Measures each row in a separate process, adds it to benchmarks/results/train_step.csv at once, and skips rows that
already exist for the same machine, so you can interrupt the benchmark and run it again. float32 takes a quarter of an
hour on two cores; a bfloat16 step takes minutes on processors without bfloat16 instructions.

- milliseconds: the median of several steps, after two to compile and warm up.
- fraction_of_full: share of the full step's time, if that was measured before.
- peak_megabytes: of the process, including TensorFlow itself (VmHWM), or of the GPU if there is one.
"""

import argparse
import csv
import itertools
import pathlib

import measuring

from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError

RESULTS = pathlib.Path(__file__).with_name("results") / "train_step.csv"
CASE = ("depth", "height", "width", "precision", "batch", "step")
KEY = (*CASE, "device", "cores")
COLUMNS = (
    *CASE,
    "milliseconds",
    "images_per_second",
    "fraction_of_full",
    "peak_megabytes",
    *measuring.MACHINE,
)
STEPS = ("full", "frozen")
DEPTHS, BATCHES, PRECISIONS = (18, 50), (16, 32, 64), ("float32", "mixed_bfloat16")
CLASSES, IMAGES_PER_IDENTITY = 751, 4


def make_step(case):
    """A function without arguments that runs a training step and returns its loss."""
    import keras
    import numpy as np
    import tensorflow as tf

    from keras_reid import backbones, heads, layers, losses, models
    from keras_reid.training import Adam

    keras.config.set_dtype_policy(case["precision"])
    size = (case["height"], case["width"])
    model = models.ReIDModel(
        backbones.ResNet(case["depth"]), layers.GeMPooling2D(), heads.BNNeckHead(CLASSES), image_size=size
    )
    model.compile(
        Adam(3.5e-4, l2=5e-4),
        losses=[losses.CrossEntropy(0.1), losses.TripletLoss()],
        freeze_backbone_steps=10**6 if case["step"] == "frozen" else 0,
    )
    images = np.random.default_rng(0).integers(0, 256, (case["batch"], *size, 3), "uint8")
    identities = np.arange(case["batch"], dtype="int32") // IMAGES_PER_IDENTITY
    batches = tf.data.Dataset.from_tensors((images, identities)).cache().repeat().prefetch(2)
    model.make_train_function()
    iterator = iter(batches)
    return lambda: model.train_function(iterator)["loss"]


def measure(case, repeats):
    """Milliseconds of a step, and peak memory in megabytes."""
    command_line.load_tensorflow()
    import tensorflow as tf

    milliseconds = 1000 * measuring.seconds(make_step(case), repeats)
    gpus = tf.config.list_logical_devices("GPU")
    if gpus:
        return milliseconds, tf.config.experimental.get_memory_info(gpus[0].name)["peak"] / 2**20
    return milliseconds, measuring.memory_megabytes("VmHWM")


def milliseconds_of(file, row):
    """The time in the table row with the same `KEY` columns as `row`, or None."""
    if file.exists():
        with open(file, newline="") as stream:
            for other in csv.DictReader(stream):
                if all(other[name] == str(row[name]) for name in KEY):
                    return float(other["milliseconds"])
    return None


def parse(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--depth", nargs="+", type=int, default=DEPTHS, choices=(18, 34, 50, 101, 152))
    parser.add_argument(
        "--batch", nargs="+", type=int, default=BATCHES, help="images in a batch, multiples of 4"
    )
    parser.add_argument("--precision", nargs="+", default=PRECISIONS, choices=(*PRECISIONS, "mixed_float16"))
    parser.add_argument("--step", nargs="+", default=STEPS, choices=STEPS)
    parser.add_argument("--size", nargs=2, type=int, default=(256, 128), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument(
        "--repeats", type=int, default=5, help="number of timed steps, of which the median is used"
    )
    parser.add_argument("--anew", action="store_true", help="measure again what is already in the table")
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS, help="the CSV file")
    options = parser.parse_args(arguments)
    if min(*options.size, *options.batch, options.repeats) < 1 or any(n % 4 for n in options.batch):
        raise UserError("--size and --repeats must be positive, --batch multiples of 4")
    return options


def main(arguments):
    options = parse(arguments)
    machine = measuring.machine()
    done = set() if options.anew else measuring.measured(options.output, KEY)
    failed = []
    for depth, precision, batch, step in itertools.product(
        options.depth, options.precision, options.batch, [step for step in STEPS if step in options.step]
    ):
        case = dict(zip(CASE, (depth, *options.size, precision, batch, step), strict=True))
        row = {**case, **machine}
        said = f"ResNet-{depth}, {precision}, batch {batch}, {step}"
        if tuple(str(row[name]) for name in KEY) in done:
            print(f"{said}: already in {options.output.name}", flush=True)
            continue
        try:
            milliseconds, megabytes = measuring.in_own_process(measure, case, options.repeats)
        except Exception as error:
            failed.append(said)
            print(f"{said}: FAILED: {' '.join(str(error).split())[:300] or type(error).__name__}", flush=True)
            continue
        full = milliseconds if step == "full" else milliseconds_of(options.output, {**row, "step": "full"})
        row["milliseconds"] = f"{milliseconds:.0f}"
        row["images_per_second"] = f"{1000 * batch / milliseconds:.1f}"
        row["fraction_of_full"] = f"{milliseconds / full:.3f}" if full else ""
        row["peak_megabytes"] = f"{megabytes:.0f}"
        print(
            f"{said}: {row['milliseconds']} ms, {row['images_per_second']} images/s, {row['fraction_of_full'] or '?'} "
            f"of a full step, {row['peak_megabytes']} MB",
            flush=True,
        )
        measuring.add_row(options.output, COLUMNS, KEY, row)
    if failed:
        raise UserError(f"{len(failed)} could not be measured: {'; '.join(failed)}; the reasons are above")


if __name__ == "__main__":
    command_line.run(main)
