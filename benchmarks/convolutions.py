"""Ways to compute convolutions and their gradients: `python benchmarks/convolutions.py`.

Times each way that `keras_reid.utils.convolution` knows, for the convolutions of ResNet-18 and ResNet-50 on images of
256×128 and 128×64, and writes one row a way to benchmarks/results/convolutions.csv. Takes a minute or two on two cores.

- towards: what is computed, the output or a gradient; "all" is the output and both gradients,
  as one graph.
- milliseconds: the least of several runs, which take turns.
- of_forward: the same as a share of the time of the convolution itself.
- isa: the instructions that oneDNN may use; `ONEDNN_MAX_CPU_ISA=AVX2` leaves out AVX-512.
"""

import argparse
import functools
import os
import pathlib
import time

import measuring

from keras_reid.utils import command_line

RESULTS = pathlib.Path(__file__).with_name("results") / "convolutions.csv"
CASE = ("height", "width", "channels", "filters", "kernel", "stride", "batch", "towards", "way")
KEY = (*CASE, "isa", "device", "cores")
COLUMNS = (*CASE, "milliseconds", "of_forward", "isa", *measuring.MACHINE)
# Height and width of the input, channels, filters, kernel, stride; inputs of strided ones are padded already.
SHAPES = (
    (64, 32, 64, 64, 3, 1),
    (64, 32, 64, 256, 1, 1),
    (64, 32, 256, 64, 1, 1),
    (66, 34, 128, 128, 3, 2),
    (64, 32, 256, 512, 1, 2),
    (32, 16, 128, 128, 3, 1),
    (32, 16, 512, 128, 1, 1),
    (16, 8, 256, 256, 3, 1),
    (16, 8, 1024, 256, 1, 1),
    (16, 8, 512, 512, 3, 1),
    (16, 8, 512, 2048, 1, 1),
    (16, 8, 2048, 512, 1, 1),
    # Of a ResNet-18 on images of 128×64.
    (16, 8, 128, 128, 3, 1),
    (8, 4, 256, 256, 3, 1),
    (8, 4, 512, 512, 3, 1),
)


def measure(shape, batch, repeats):
    """`{(towards, way): milliseconds}`."""
    import tensorflow as tf

    from keras_reid.utils.convolution_tensorflow import (
        Case,
        compiled,
        direct_convolution,
        suits_winograd,
        ways_to_input,
        ways_to_kernel,
        winograd_convolution,
    )

    height, width, channels, filters, kernel, stride = shape
    case = Case(kernel, kernel, channels, filters, stride, "SAME" if kernel > 1 and stride == 1 else "VALID")
    x = tf.random.normal((batch, height, width, channels))
    weights = tf.random.normal(case.kernel)
    dy = tf.nn.conv2d(x, weights, stride, case.padding)
    calls = {("output", "own"): lambda: tf.nn.conv2d(x, weights, stride, case.padding)}
    for name, way in ways_to_input(case).items():
        calls["input", name] = lambda way=way: way(case, dy, weights, tf.shape(x))
    for name, way in ways_to_kernel(case).items():
        calls["kernel", name] = lambda way=way: way(case, x, dy)
    if suits_winograd(case, x):
        ways = {
            "own": functools.partial(direct_convolution, case, ("own", "own")),
            "winograd": winograd_convolution,
        }
        for name, way in ways.items():
            calls["all", name] = functools.partial(compiled(way, x, weights, dy), x, weights, dy)
    spent = {name: [] for name in calls}
    for name, call in list(calls.items()) * (1 + repeats):
        start = time.perf_counter()
        call()
        spent[name].append(1000 * (time.perf_counter() - start))
    return {name: min(times[1:]) for name, times in spent.items()}


def main(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=16, help="images in a batch")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each way")
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS, help="the CSV file")
    options = parser.parse_args(arguments)
    machine = {**measuring.machine(), "isa": os.environ.get("ONEDNN_MAX_CPU_ISA", "all")}
    for shape in SHAPES:
        found = measure(shape, options.batch, options.repeats)
        said = [f"{towards} {way} {spent:.1f}" for (towards, way), spent in found.items()]
        print("×".join(map(str, shape)), "ms:", ", ".join(said), flush=True)
        for (towards, way), milliseconds in found.items():
            case = dict(zip(CASE, (*shape, options.batch, towards, way), strict=True))
            row = {
                **case,
                "milliseconds": f"{milliseconds:.1f}",
                "of_forward": f"{milliseconds / found['output', 'own']:.2f}",
            }
            measuring.add_row(options.output, COLUMNS, KEY, row | machine)


if __name__ == "__main__":
    command_line.run(main)
