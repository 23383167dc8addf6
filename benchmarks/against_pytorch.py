"""The same training step, forward pass and first step in keras_reid and in plain PyTorch, measured in turns.

    python benchmarks/against_pytorch.py --torch-python PATH/TO/A/PYTHON/WITH/TORCH
    python benchmarks/against_pytorch.py --depth 18 --work train --repeats 10 --anew
    python benchmarks/against_pytorch.py --only table

The model is the bag-of-tricks baseline: ResNet with last stride 1, average pooling, BN-neck, a classifier of 751
identities, cross-entropy with smoothing 0.1, the hard triplet, and Adam with L2. `pytorch_models.py` has it in PyTorch.
Both sides start from the same weights and see the same uint8 images; their first losses must agree. ResNet-18 gets
images of 128x64 pixels, ResNet-50 of 256x128; float32, batches of 32.

Each side is a process of its own that lives on and is idle while the other one measures. In each round every mode has
one turn, so that what slows the machine down slows all of them. Times are added to
benchmarks/results/against_pytorch.csv, whose `seconds` is the median of all rounds so far; `--anew` forgets those
before. Then the table is printed and against_pytorch.png is drawn. All of it takes 25 minutes on two cores.

- train: a whole step, until its loss is known.
- forward: a batch to embeddings, in inference mode; ours in a `tf.function`.
- first step: from the start of the process, imports included, until the first step's loss is known.
- modes of PyTorch: eager (contiguous), channels_last, fused (channels_last and fused Adam), compiled (that and
  torch.compile, which needs a C++ compiler).

`--avx2` keeps oneDNN, MKL and PyTorch's own kernels on both sides to AVX2, as on a processor without AVX-512.

PyTorch is no requirement of keras_reid: `pip install torch==2.13.0 numpy` into an environment of its own, or the extra
`benchmarks`.
"""

import argparse
import contextlib
import csv
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import bar_plot
import measuring
import turns

from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError

HERE = pathlib.Path(__file__).parent
RESULTS = HERE / "results" / "against_pytorch.csv"
SIZES = {18: (128, 64), 50: (256, 128)}
BATCH, CLASSES, WARM_UP = 32, 751, 2
OURS = "keras_reid"
# The best of PyTorch's modes first; "forward" has no optimizer.
MODES = {
    "train": (OURS, "fused", "channels_last", "eager", "compiled"),
    "forward": (OURS, "channels_last", "eager", "compiled"),
    "first step": (OURS, "fused", "eager"),
}
START_UP = "first step less a step"
SHOWN = (*MODES, START_UP)
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
CASE = ("depth", "height", "width", "batch", "work", "mode", "instructions")
KEY = (*CASE, "device", "cores")
COLUMNS = (*CASE, "seconds", "images_per_second", "times", "torch", *measuring.MACHINE)
# How far the first losses of the two sides may be apart, relatively.
TOLERANCE = 1e-3


def start(options, name):
    """The process of one side, `OURS` or "pytorch"."""
    threads = str(options.threads)
    environment = {
        **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"), threads),
        **(AVX2 if options.avx2 else {}),
    }
    if name == OURS:
        return turns.Side([sys.executable, str(HERE / "keras_side.py")], environment, name)
    # A Python of its own finds its own packages, not ours.
    environment["PYTHONPATH"] = ""
    return turns.Side([options.torch_python, str(HERE / "pytorch_side.py")], environment, name)


def side_of(mode):
    return OURS if mode == OURS else "pytorch"


def case_of(depth):
    height, width = SIZES[depth]
    return {"depth": depth, "height": height, "width": width, "batch": BATCH, "classes": CLASSES}


def measure_turns(options, depth, add):
    """Times of steps and forward passes: both sides get ready, then every mode has its turn in every round."""
    works = [work for work in options.work if work != "first step"]
    plan = [(work, mode) for work in works for mode in options.modes if mode in MODES[work]]
    if not plan:
        return
    with contextlib.ExitStack() as stack:
        both = {name: stack.enter_context(start(options, name)) for name in (OURS, "pytorch")}
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        weights = str(pathlib.Path(folder) / "weights.npz")
        plan = prepare(both, plan, case_of(depth), weights)
        if options.pause:
            input("Both sides are ready. Press Enter to measure.\n")
        for _ in range(options.repeats):
            for work, mode in plan:
                add(depth, work, mode, both[side_of(mode)].ask("turn", work=work, mode=mode))


def prepare(both, plan, case, weights):
    """Gets every mode ready. Returns the plan without what could not be."""
    losses, able = {}, []
    # PyTorch first: it draws the weights that both start from.
    for work, mode in sorted(plan, key=lambda pair: pair[1] == OURS):
        written = pathlib.Path(weights).exists()
        given = weights if work == "train" and written == (mode == OURS) else None
        begin = time.perf_counter()
        try:
            value = both[side_of(mode)].ask(
                "prepare", work=work, mode=mode, steps=WARM_UP, weights=given, **case
            )
        except turns.SideError as error:
            if mode != "compiled":
                raise
            print(f"{work}, {mode}: left out: {error}", flush=True)
            continue
        able.append((work, mode))
        if work == "train":
            losses[mode] = value
        print(f"{work}, {mode}: ready after {time.perf_counter() - begin:.0f} s", flush=True)
    check_losses(losses)
    return [pair for pair in plan if pair in able]


def check_losses(losses):
    """Raises UserError if the first losses of two modes differ: then they do not compute the same.

    Args:
        losses: `{mode: loss}`.
    """
    if len(losses) > 1 and max(losses.values()) - min(losses.values()) > TOLERANCE * min(losses.values()):
        said = ", ".join(f"{mode} {loss:.5f}" for mode, loss in losses.items())
        raise UserError(f"the first losses from the same weights must agree to {TOLERANCE}. Received: {said}")


def measure_first_steps(options, depth, add):
    """Times from the start of a process until its first step is done, a new process each time."""
    work = "first step"
    modes = [mode for mode in options.modes if work in options.work and mode in MODES[work]]
    if options.pause and modes:
        input("Press Enter to measure first steps.\n")
    for _ in range(options.repeats):
        for mode in modes:
            begin = time.perf_counter()
            with start(options, side_of(mode)) as side:
                side.ask("prepare", work="train", mode=mode, steps=1, **case_of(depth))
                add(depth, work, mode, time.perf_counter() - begin)


def with_time(old, key, seconds):
    """The row of the table with one time more.

    Args:
        old: rows with the same key so far, of which the last counts.
        key: the columns of the row that do not change.
        seconds: the new time.
    """
    times = [*(old[-1]["times"].split() if old else []), f"{seconds:.4f}"]
    median = statistics.median(float(time) for time in times)
    return {
        **key,
        "seconds": f"{median:.4f}",
        "images_per_second": "" if key["work"] == "first step" else f"{key['batch'] / median:.2f}",
        "times": " ".join(times),
    }


def table(rows):
    """The Markdown table of measured rows, dicts of text."""
    head = ("work", "processor", OURS, *MODES["train"][1:], "ratio")
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name, instructions, values in grouped(rows):
        ours, others = values.get(OURS), [value for mode, value in values.items() if mode != OURS]
        cells = [f"{values[mode]:.3g} s" if mode in values else "" for mode in head[2:-1]]
        ratio = f"{min(others) / ours:.2f}" if ours and others else ""
        lines.append("| " + " | ".join([name, instructions, *cells, ratio]) + " |")
    return "\n".join(lines)


def grouped(rows):
    """`(name, instructions, {mode: seconds})` for each work and size that was measured, in the order of `SHOWN`."""
    found = {}
    for row in rows:
        case = (row["instructions"], row["work"], int(row["depth"]))
        found.setdefault(case, {})[row["mode"]] = float(row["seconds"])
    for instructions, work, depth in list(found):
        steps = found.get((instructions, "train", depth), {})
        if work == "first step":
            start_up = {
                mode: value - steps[mode]
                for mode, value in found[instructions, work, depth].items()
                if mode in steps
            }
            if start_up:
                found[instructions, START_UP, depth] = start_up
    return [
        (
            f"{work}, ResNet-{depth}, {SIZES[depth][0]}×{SIZES[depth][1]}",
            instructions,
            found[instructions, work, depth],
        )
        for instructions, work, depth in sorted(
            found, key=lambda case: (case[0], SHOWN.index(case[1]), case[2])
        )
    ]


def draw(path, rows):
    """Draws the seconds of every mode, a chart for each work and size."""
    charts = [
        bar_plot.Bars(
            name, f"seconds, batch {BATCH}; {instructions}", (("", order(values)),), 2, MODES["train"]
        )
        for name, instructions, values in grouped(rows)
    ]
    bar_plot.draw_bars(path, f"keras_reid and PyTorch, {rows[0]['device']}, {rows[0]['cores']} cores", charts)


def order(values):
    return {mode: values[mode] for mode in MODES["train"] if mode in values}


def parse(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--torch-python", default=sys.executable, help="a Python that has PyTorch")
    parser.add_argument("--depth", nargs="+", type=int, default=tuple(SIZES), choices=SIZES)
    parser.add_argument("--work", nargs="+", default=tuple(MODES), choices=MODES)
    parser.add_argument("--modes", nargs="+", default=MODES["train"], choices=MODES["train"])
    parser.add_argument("--repeats", type=int, default=5, help="number of rounds")
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--threads", type=int, default=cores, help="of each side; all cores by default")
    parser.add_argument("--avx2", action="store_true", help="keep both sides to AVX2")
    parser.add_argument("--pause", action="store_true", help="wait for Enter before anything is timed")
    parser.add_argument("--anew", action="store_true", help="forget the earlier times of what is measured")
    parser.add_argument(
        "--only", choices=("table",), help="print and draw what is measured, and measure nothing"
    )
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS, help="the CSV file")
    options = parser.parse_args(arguments)
    if min(options.repeats, options.threads) < 1:
        raise UserError("--repeats and --threads must be positive")
    return options


def torch_version(python):
    """The version of PyTorch that a Python has; raises UserError if it has none."""
    command = [python, "-c", "import numpy, torch; print(torch.__version__)"]
    found = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": ""})
    if found.returncode:
        reason = found.stderr.strip().splitlines()[-1]
        raise UserError(
            f"{python} has no PyTorch: {reason}. Install torch and numpy, or name another: --torch-python"
        )
    return found.stdout.strip()


def measure(options):
    """Measures what the options name, and adds every time to the table at once."""
    here = {"torch": torch_version(options.torch_python), **measuring.machine(), "cores": options.threads}
    instructions = "AVX2 alone" if options.avx2 else "all instructions"
    forgotten = set()

    def add(depth, work, mode, seconds):
        case = {**case_of(depth), "work": work, "mode": mode, "instructions": instructions}
        key = {**{name: case[name] for name in CASE}, **here}
        old = measuring.rows(options.output, {name: str(key[name]) for name in KEY})
        if options.anew and (depth, work, mode) not in forgotten:
            forgotten.add((depth, work, mode))
            old = []
        measuring.add_row(options.output, COLUMNS, KEY, with_time(old, key, seconds))
        print(f"ResNet-{depth}, {work}, {mode}: {seconds:.3f} s", flush=True)

    try:
        for depth in options.depth:
            measure_turns(options, depth, add)
            measure_first_steps(options, depth, add)
    except turns.SideError as error:
        raise UserError(str(error)) from None


def main(arguments):
    options = parse(arguments)
    if options.only != "table":
        measure(options)
    if not options.output.exists():
        raise UserError(f"{options.output} does not exist: measure first")
    with open(options.output, newline="") as stream:
        rows = list(csv.DictReader(stream))
    print(table(rows))
    draw(options.output.with_suffix(".png"), rows)


if __name__ == "__main__":
    command_line.run(main)
