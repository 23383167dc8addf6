"""Where the time of a training step goes: `python benchmarks/step_profile.py`.

    python benchmarks/step_profile.py --depth 50 --size 256 128 --batch 16

Runs the full step of benchmarks/train_step.py under TensorFlow's profiler, adds up the operations by what they are for,
and compares the convolutions with a large matrix product. Operations run one after the other, each with all threads, so
that their times add up to the step's. Writes one row a part to benchmarks/results/step_profile.csv.

- milliseconds, share: of the part, and of the whole step.
- gflops: billions of multiplications and additions a second, of parts whose number is known; those of a plain
  convolution, of which Winograd's leaves out three quarters.
- of_peak: the same as a share of what a product of two 4096×4096 matrices reaches.
"""

import argparse
import collections
import glob
import os
import pathlib
import re
import tempfile
import time

import measuring
import train_step

from keras_reid.utils import command_line

RESULTS = pathlib.Path(__file__).with_name("results") / "step_profile.csv"
CASE = ("depth", "height", "width", "precision", "batch", "convolutions")
KEY = (*CASE, "part", "device", "cores")
COLUMNS = (*CASE, "part", "milliseconds", "share", "gflops", "of_peak", *measuring.MACHINE)
FORWARD, TO_INPUT, TO_KERNEL = "convolution", "gradient to the input", "gradient to the kernel"
# The first pattern that fits `name:type` of an operation says what it is for.
PARTS = (
    (r"Conv2DBackpropInput", TO_INPUT),
    (r"Conv2DBackpropFilter", TO_KERNEL),
    (r"to_input.*:", TO_INPUT),
    (r"to_kernel.*:", TO_KERNEL),
    (r":.*Conv2D", FORWARD),
    (r"winograd[^:]*:", FORWARD),
    (r":.*FusedBatchNorm", "batch normalisation"),
    (r"(bn\d|downsample\.1)[^:]*:", "batch normalisation"),
    (r":\w*Apply|adam", "optimizer"),
    (r":.*Relu|\.add[^:]*:|:_?(Mkl)?AddN", "ReLU and sums of branches"),
    (r":.*(Pool|Pad|Slice)", "pooling, padding"),
    (r"", "everything else"),
)
PEAK_SIZE = 4096


def part_of(operation):
    """What an operation, written as `name:type`, is for."""
    return next(part for pattern, part in PARTS if re.search(pattern, operation))


def operations(case):
    """`{name:type: milliseconds}` of a step, and the milliseconds of the whole."""
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    step = train_step.make_step(case)
    for _ in range(3):
        float(step())
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder, tf.profiler.experimental.ProfilerOptions(host_tracer_level=2))
        start = time.perf_counter()
        float(step())
        whole = 1000 * (time.perf_counter() - start)
        tf.profiler.experimental.stop()
        (file,) = glob.glob(f"{folder}/**/*.xplane.pb", recursive=True)
        space = xplane_pb2.XSpace.FromString(pathlib.Path(file).read_bytes())
    spent = collections.Counter()
    for plane in space.planes:
        names = {key: value.name for key, value in plane.event_metadata.items()}
        for event in (event for line in plane.lines for event in line.events):
            # Of an operation; others are the profiler's own marks.
            if re.fullmatch(r"[^:#]+:\w+", names[event.metadata_id]):
                spent[names[event.metadata_id]] += event.duration_ps / 1e9
    return spent, whole


def operation_counts(case):
    """Billions of multiplications and additions of a batch in all convolutions, forward and towards the input."""
    import keras

    from keras_reid import backbones

    counts = []
    for layer in backbones.ResNet(case["depth"], input_shape=(case["height"], case["width"], 3)).layers:
        if isinstance(layer, keras.layers.Conv2D):
            _, height, width, filters = layer.output.shape
            kernel = layer.kernel.shape[0] * layer.kernel.shape[1] * layer.kernel.shape[2]
            counts.append(2e-9 * case["batch"] * height * width * filters * kernel)
    # No gradient goes to the image.
    return {FORWARD: sum(counts), TO_INPUT: sum(counts[1:]), TO_KERNEL: sum(counts)}


def peak():
    """Billions of multiplications and additions a second of a matrix product."""
    import tensorflow as tf

    matrix = tf.random.normal((PEAK_SIZE, PEAK_SIZE))
    product = tf.function(lambda: tf.reduce_max(tf.matmul(matrix, matrix)))
    return 2e-9 * PEAK_SIZE**3 / measuring.seconds(product, 3)


def measure(case):
    """Rows of the table, without case and machine."""
    os.environ["TF_NUM_INTEROP_THREADS"] = "1"
    command_line.load_tensorflow()
    spent, whole = operations(case)
    parts = collections.Counter()
    for operation, milliseconds in spent.items():
        parts[part_of(operation)] += milliseconds
    parts["between operations"] = max(0.0, whole - sum(parts.values()))
    counts, fastest = operation_counts(case), peak()
    rows = [
        {"part": "whole step", "milliseconds": f"{whole:.0f}", "share": "1.000", "gflops": "", "of_peak": ""}
    ]
    for part, milliseconds in parts.most_common():
        speed = 1000 * counts[part] / milliseconds if part in counts else None
        rows.append(
            {
                "part": part,
                "milliseconds": f"{milliseconds:.0f}",
                "share": f"{milliseconds / whole:.3f}",
                "gflops": "" if speed is None else f"{speed:.0f}",
                "of_peak": "" if speed is None else f"{speed / fastest:.2f}",
            }
        )
    return rows


def main(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--depth", type=int, default=50, choices=(18, 34, 50, 101, 152))
    parser.add_argument("--size", nargs=2, type=int, default=(256, 128), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--batch", type=int, default=16, help="images in a batch, a multiple of 4")
    parser.add_argument("--precision", default="float32", choices=(*train_step.PRECISIONS, "mixed_float16"))
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS, help="the CSV file")
    options = parser.parse_args(arguments)
    case = {
        "depth": options.depth,
        "height": options.size[0],
        "width": options.size[1],
        "precision": options.precision,
        "batch": options.batch,
        "step": "full",
    }
    machine = measuring.machine()
    case["convolutions"] = os.environ.get("KERAS_REID_CONVOLUTIONS") or "measured"
    for row in measuring.in_own_process(measure, case):
        print(
            f"{row['part']:28}{row['milliseconds']:>7} ms  {row['share']}  {row['gflops']:>5} {row['of_peak']:>5}",
            flush=True,
        )
        full = {**{name: case[name] for name in CASE}, **row, **machine}
        measuring.add_row(options.output, COLUMNS, KEY, full)


if __name__ == "__main__":
    command_line.run(main)
