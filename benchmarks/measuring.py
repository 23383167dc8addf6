"""Helpers that the benchmarks share: machine, separate processes, times, memory, tables."""

import argparse
import concurrent.futures
import csv
import datetime
import multiprocessing
import os
import pathlib
import platform
import statistics
import time

import numpy as np

from keras_reid.utils import command_line
from keras_reid.utils.files import written_aside
from keras_reid.utils.processor import processor_name

MACHINE = ("device", "cores", "machine", "tensorflow", "keras", "date")


def machine():
    """The columns `MACHINE` of a table; the device is the first GPU, or the processor."""
    command_line.load_tensorflow()
    import keras
    import tensorflow as tf

    device = processor_name()
    for gpu in tf.config.list_physical_devices("GPU")[:1]:
        device = tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
    return {
        "device": device,
        "cores": len(os.sched_getaffinity(0)),
        "machine": platform.machine(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "date": datetime.date.today().isoformat(),
    }


def in_own_process(function, *arguments):
    """Calls `function(*arguments)` in a new process, with fresh memory; running out of memory ends only this call."""
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def seconds(function, repeats):
    """The median time of `function()`, which returns a scalar tensor, after two calls to compile and warm up."""
    spent = []
    for repeat in range(-2, repeats):
        start = time.perf_counter()
        float(function())  # waits for the device
        if repeat >= 0:
            spent.append(time.perf_counter() - start)
    return statistics.median(spent)


def memory_megabytes(key):
    """Resident memory of this process, now (`VmRSS`) or at its peak (`VmHWM`); Linux only."""
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(key))


def measured(file, key):
    """The keys of the rows in a CSV file: their values in the columns `key`, as text."""
    if not file.exists():
        return set()
    with open(file, newline="") as stream:
        return {tuple(row[name] for name in key) for row in csv.DictReader(stream)}


def rows(file, where):
    """The rows of a CSV file, as dicts of text, whose columns have the values in `where`."""
    if not file.exists():
        return []
    with open(file, newline="") as stream:
        return [row for row in csv.DictReader(stream) if all(row[name] == where[name] for name in where)]


def add_row(file, columns, key, row):
    """Adds `row` to a CSV file; it replaces the row with the same values in the columns `key`."""
    rows = []
    if file.exists():
        with open(file, newline="") as stream:
            rows = [old for old in csv.DictReader(stream) if any(old[name] != str(row[name]) for name in key)]
    with written_aside(file) as aside, open(aside, "w", newline="") as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows([*rows, row])


def measure_sizes(arguments, description, results, sizes, columns, measure, say):
    """Runs a benchmark over sizes of query and gallery, with each size in a separate process and one row per size.

    Args:
        arguments: command-line arguments.
        description: text for `--help`.
        results: the CSV file, unless `--output` names another.
        sizes: name → (queries, gallery images, identities, numbers in an embedding).
        columns: columns of the file.
        measure: function from a name to a dict of the measured values.
        say: function from a row to the line to print.

    Returns:
        `(file, rows)`: the rows of this machine in the file, dicts of text.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", nargs="+", choices=sizes, default=sizes, metavar="SIZE", help=", ".join(sizes)
    )
    parser.add_argument("--anew", action="store_true", help="measure again what is already in the table")
    parser.add_argument("--output", type=pathlib.Path, default=results, help="the CSV file")
    options = parser.parse_args(arguments)
    here, key = {**machine(), "numpy": np.__version__}, ("size", "dim", "device", "cores")
    done = set() if options.anew else measured(options.output, key)
    for name in options.only:
        queries, items, _, dim = sizes[name]
        row = {"size": name, "queries": queries, "gallery": items, "dim": dim, **here}
        if tuple(str(row[column]) for column in key) in done:
            print(f"{name}: already in {options.output.name}", flush=True)
            continue
        row |= in_own_process(measure, name)
        add_row(options.output, columns, key, {column: row[column] for column in columns})
        print(f"{name} ({queries} x {items}, {dim}): {say(row)}", flush=True)
    return options.output, rows(options.output, {column: str(here[column]) for column in ("device", "cores")})
